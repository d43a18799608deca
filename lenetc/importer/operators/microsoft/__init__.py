"""Operators of the domain com.microsoft, which ONNX Runtime's tools put in the place of several of ONNX's own
(ContribOperators.md there).

They may import what all operators may, and the operators that they are made of.
"""

from lenetc.importer.operators.microsoft import (
    activations,
    attention,
    earlier,
    normalization,
    products,
    quantization,
)
