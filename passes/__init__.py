"""Passes of lenetc, each IR -> IR, and the emission of ONNX. `pipeline` is the table of contents.

The rooms, each of which may import those before it: `target`, autodiff, rewrite, layouts, strategies, then kernels and
tiling side by side, then emit and `pipeline` side by side. All may import ir, none lenetc. The way back, from ONNX to
tensors, is not here: it is made of lenetc's tensors and belongs to `lenetc.importer`.
"""
