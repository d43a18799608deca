"""Differentiation, IR to IR: the driver, and the table of gradients (of `scan` in a file of its own).

`standardize` is a formula that gradients, rules and running statistics share. May import ir.
"""
