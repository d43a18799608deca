"""A language model of characters: an LSTM of two layers, whose state goes on from batch to batch."""

import lenetc as torch
import lenetc.nn as nn
from examples.models import synthetic

SYMBOLS, BATCH, LENGTH, HIDDEN = 32, 16, 24, 64


class CharLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Embedding(SYMBOLS, 32)
        self.rnn = nn.LSTM(32, HIDDEN, num_layers=2, batch_first=True)
        self.decoder = nn.Linear(HIDDEN, SYMBOLS)
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)

    def forward(self, symbols, hidden):
        output, hidden = self.rnn(self.encoder(symbols), hidden)
        return self.decoder(output), hidden


def build():
    net = CharLSTM()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    state = [torch.zeros(2, BATCH, HIDDEN), torch.zeros(2, BATCH, HIDDEN)]

    def step(symbols, following):
        optimizer.zero_grad()
        logits, hidden = net(symbols, (state[0], state[1]))
        loss = criterion(logits.reshape(-1, SYMBOLS), following.reshape(-1))
        loss.backward()
        for kept, new in zip(state, hidden, strict=True):
            kept.copy_(new.detach())
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss

    return net, step


def batches(steps):
    return synthetic.text(steps, BATCH, LENGTH, SYMBOLS)
