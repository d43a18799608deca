"""Rewriting: the driver, what rules ask of nodes, and rules that are right on any graph and for any target.

The rules lie by topic (algebra, shape, nn, control); `simplify` applies them until none fires.
May import ir, autodiff.
"""
