"""The contract of compiled functions as cases: each behaves as uncompiled in PyTorch, or is refused by name.

`python -m tests.semantics` runs them all; `python -m tests.semantics.page` writes docs/compile_contract.md.
"""
