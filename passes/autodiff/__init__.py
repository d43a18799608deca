"""Differentiation, IR to IR: the driver, and the table of gradients (of `scan` in a file of its own).

`nn` is the part of the table that networks are made of. `standardize` is a formula that gradients,
rules and running statistics share. May import ir.
"""
