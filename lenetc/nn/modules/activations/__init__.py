"""Activation layers, by the topics of `nn.functional`."""
