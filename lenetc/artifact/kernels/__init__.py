"""Which operators runtimes have, from tables made of the runtimes, and what of an exported folder they lack.

It may import what `lenetc.artifact` may, and onnx in `check`.
"""
