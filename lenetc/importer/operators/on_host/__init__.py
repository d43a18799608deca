"""Operators on arrays of numbers and dims: what files compute of shapes, and of constants.

Ordinary numbers are computed as the operators on tensors compute them, in the same dtypes. Where an operation on dims
gives no dim (`N / 2`, `sqrt(N)`) the functions raise SymbolicDimError, and the interpreter makes tensors of the inputs.

They may import what all operators may, and `shaping`.
"""

from lenetc.importer.operators.on_host import arithmetic, reductions, selection, shapes
