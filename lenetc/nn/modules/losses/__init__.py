"""Losses as modules, by the topics of `nn.functional.losses`.

They may import `module`, `linear` and `distance` beside this, and `nn.functional`.
"""
