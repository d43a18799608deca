"""NumPy arrays among the arguments of a function that is traced, and what it makes of them: arrays to the user's code,
which get what NumPy gives or are refused, and tensors to this package's.

What is in the tables (operators and ufuncs, methods, functions of NumPy's) is given; everything else is refused by
name. May import operations and what these may.
"""

from __future__ import annotations

from lenetc.compiler.arrays import functions, members, operators
from lenetc.compiler.arrays.traced import TracedArray, live, named, tensor_in

__all__ = ["TracedArray", "functions", "live", "members", "named", "operators", "tensor_in"]
