"""Quantization, as ONNX itself has it for some more dtypes in later opsets."""

from lenetc.importer.operators.quantization import DequantizeLinear, QuantizeLinear
from lenetc.importer.registry import MICROSOFT, operator

operator(domain=MICROSOFT)(QuantizeLinear)
operator(domain=MICROSOFT)(DequantizeLinear)
