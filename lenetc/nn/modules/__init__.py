"""Layers, losses and containers: the parts of networks that are modules (torch.nn.modules)."""
