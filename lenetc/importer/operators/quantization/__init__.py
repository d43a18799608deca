"""Floats as integers, and products of these.

They may import what all operators may, and `windows`.
"""

from lenetc.importer.operators.quantization import products, rounding
