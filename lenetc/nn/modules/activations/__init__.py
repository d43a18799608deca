"""Activation layers, by the topics of `nn.functional`.

They may import `module` beside this, and `nn.functional`.
"""
