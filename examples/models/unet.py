"""A U-Net that finds discs in noise (Ronneberger et al. 2015), with a Dice loss beside the cross-entropy."""

import lenetc as torch
import lenetc.nn as nn
import lenetc.nn.functional as F
from examples.models import synthetic


class DoubleConv(nn.Module):
    def __init__(self, inp, out):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(inp, out, 3, padding=1, bias=False),
            nn.GroupNorm(4, out),
            nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.GroupNorm(4, out),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.net(x)


class Up(nn.Module):
    def __init__(self, inp, out, bilinear):
        super().__init__()
        self.up = (
            nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(inp, out, 1)
            )
            if bilinear
            else nn.ConvTranspose2d(inp, out, 2, stride=2)
        )
        self.conv = DoubleConv(2 * out, out)

    def forward(self, x, skip):
        x = self.up(x)
        dy, dx = skip.size(2) - x.size(2), skip.size(3) - x.size(3)
        x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([skip, x], dim=1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.inc = DoubleConv(1, 8)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(8, 16))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(16, 32))
        self.up1 = Up(32, 16, bilinear=False)
        self.up2 = Up(16, 8, bilinear=True)
        self.outc = nn.Conv2d(8, 1, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        return self.outc(self.up2(self.up1(x3, x2), x1))


def dice_loss(logits, masks, eps=1.0):
    probability = torch.sigmoid(logits).flatten(1)
    masks = masks.flatten(1)
    inter = 2 * (probability * masks).sum(dim=-1)
    return (1 - (inter + eps) / (probability.sum(-1) + masks.sum(-1) + eps)).mean()


def build():
    net = UNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)

    def step(images, masks):
        optimizer.zero_grad()
        logits = net(images)
        loss = F.binary_cross_entropy_with_logits(logits, masks) + dice_loss(logits, masks)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss

    return net, step


def batches(steps):
    return synthetic.shapes(steps, 8)
