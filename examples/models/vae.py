"""A variational autoencoder (Kingma and Welling 2013)."""

import lenetc as torch
import lenetc.nn.functional as F
from examples.models import synthetic
from lenetc import nn


class VAE(nn.Module):
    def __init__(self, pixels=256, hidden=64, latent=8):
        super().__init__()
        self.fc1 = nn.Linear(pixels, hidden)
        self.fc21 = nn.Linear(hidden, latent)
        self.fc22 = nn.Linear(hidden, latent)
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, pixels)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 256))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 256), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def build():
    net = VAE()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step(images):
        optimizer.zero_grad()
        recon, mu, logvar = net(images)
        loss = loss_function(recon, images, mu, logvar)
        loss.backward()
        optimizer.step()
        return loss

    return net, step


def batches(steps):
    for images, _ in synthetic.images(steps, 32, channels=1, size=16):
        yield ((images > 0).astype("float32"),)
