"""Passes of lenetc, each IR -> IR, and the emission of ONNX. `pipeline` is the table of contents.

The rooms, each of which may import those before it: autodiff, rewrite, layouts, strategies, then tiling and kernels
side by side, then emit and the pipeline. All may import ir, none lenetc.
"""
