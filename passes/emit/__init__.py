"""IR -> ONNX: the model, the table of emissions, what CUDA has kernels for, and which nodes a kernel was made from.

No other room imports onnx. May import ir, kernels (for the limits of CUDA's).
"""
