"""Operators of the domain com.microsoft, which ONNX Runtime's tools put in the place of several of ONNX's own
(ContribOperators.md there)."""

from lenetc.importer.operators.microsoft import (
    activations,
    attention,
    earlier,
    normalization,
    products,
    quantization,
)
