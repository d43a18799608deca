"""Losses as modules, by the topics of `nn.functional.losses`."""
