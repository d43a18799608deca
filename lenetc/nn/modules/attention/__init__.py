"""Attention and transformers as layers.

They may import the layers that they consist of, and `nn.functional`.
"""
