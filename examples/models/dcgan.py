"""A DCGAN: a generator and a discriminator trained in turn, in one step (Radford et al. 2015)."""

import numpy as np

import lenetc as torch
import lenetc.nn as nn
from examples.models import synthetic

NZ = 16


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        torch.nn.init.normal_(m.weight, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        torch.nn.init.normal_(m.weight, 1.0, 0.02)
        torch.nn.init.zeros_(m.bias)


class Generator(nn.Module):
    def __init__(self, ngf=8):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(NZ, ngf * 4, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 4),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, 1, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, noise):
        return self.main(noise)


class Discriminator(nn.Module):
    def __init__(self, ndf=8):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, ndf, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 2, 1, 4, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, images):
        return self.main(images).view(-1, 1).squeeze(1)


def build():
    net = nn.ModuleDict({"G": Generator(), "D": Discriminator()})
    net.apply(weights_init)
    generator, discriminator = net["G"], net["D"]
    criterion = nn.BCELoss()
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def step(real, noise):
        discriminator.zero_grad()
        output = discriminator(real)
        loss_real = criterion(output, torch.ones_like(output))
        loss_real.backward()
        fake = generator(noise)
        output = discriminator(fake.detach())
        loss_fake = criterion(output, torch.zeros_like(output))
        loss_fake.backward()
        optimizer_d.step()
        generator.zero_grad()
        output = discriminator(fake)
        loss_g = criterion(output, torch.ones_like(output))
        loss_g.backward()
        optimizer_g.step()
        return loss_real + loss_fake + loss_g

    return net, step


def batches(steps):
    draw = np.random.default_rng(1)
    for images, _ in synthetic.images(steps, 16, channels=1, size=16):
        yield np.tanh(images), draw.standard_normal((16, NZ, 1, 1)).astype(np.float32)
