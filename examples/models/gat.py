"""A graph attention net over a list of edges (Velickovic et al. 2017)."""

import lenetc as torch
import lenetc.nn as nn
import lenetc.nn.functional as F
from examples.models import synthetic


class GATLayer(nn.Module):
    def __init__(self, inp, out, heads):
        super().__init__()
        self.heads, self.out = heads, out
        self.linear = nn.Linear(inp, heads * out, bias=False)
        self.source = nn.Parameter(torch.Tensor(1, heads, out))
        self.target = nn.Parameter(torch.Tensor(1, heads, out))
        self.bias = nn.Parameter(torch.zeros(heads * out))
        for weight in (self.linear.weight, self.source, self.target):
            nn.init.xavier_uniform_(weight)

    def forward(self, x, edges):
        n = x.size(0)
        h = self.linear(x).view(n, self.heads, self.out)
        source, target = edges[0], edges[1]
        scores = (h * self.source).sum(-1)[source] + (h * self.target).sum(-1)[target]
        scores = F.leaky_relu(scores, 0.2)
        # A softmax over the edges that come into a node.
        weights = (scores - scores.max()).exp()
        total = torch.zeros(n, self.heads).index_add(0, target, weights)
        weights = weights / (total[target] + 1e-16)
        messages = h[source] * weights.unsqueeze(-1)
        gathered = torch.zeros_like(h).scatter_add(
            0, target.view(-1, 1, 1).expand(-1, self.heads, self.out), messages
        )
        return gathered.reshape(n, -1) + self.bias


class GAT(nn.Module):
    def __init__(self, features=16, classes=4):
        super().__init__()
        self.first = GATLayer(features, 8, heads=4)
        self.second = GATLayer(32, classes, heads=1)

    def forward(self, x, edges):
        return self.second(F.elu(self.first(x, edges)), edges)


def build():
    net = GAT()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3, weight_decay=5e-4)

    def step(x, edges, labels, train):
        net.train()
        optimizer.zero_grad()
        logits = net(x, edges)
        loss = F.nll_loss(F.log_softmax(logits[train], dim=1), labels[train])
        loss.backward()
        optimizer.step()
        return loss

    return net, step


def batches(steps):
    x, edges, labels = synthetic.graph()
    for _ in range(steps):
        yield x, edges, labels, (labels >= 0).nonzero()[0][::2].copy()
