"""Losses as functions: of regression, of classifiers, of margins and distances.

They share `reduction.py`; `nn.functional` gives their names to users.

They may import the functions beside this.
"""
