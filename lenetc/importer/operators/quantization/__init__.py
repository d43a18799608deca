"""Floats as integers, and products of these."""

from lenetc.importer.operators.quantization import products, rounding
