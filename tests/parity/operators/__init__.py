"""PyTorch's own operator database, run here: every sample of every operator that has its name in lenetc, forward and
gradients, lazily and compiled, as function, method, operator, in place and with `out=`, and its wrong inputs.

`python -m tests.parity.operators NAME...` tells how names fare; without names it counts all.
"""
