"""Passes of lenetc: differentiation, rewrites, strategy choice, and the emission of ONNX."""
