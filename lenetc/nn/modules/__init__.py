"""Layers, losses and containers: the parts of networks that are modules (torch.nn.modules).

They may import all of `nn` but its `__init__`, which gives their names to users.
"""
