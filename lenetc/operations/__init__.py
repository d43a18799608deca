"""What one can do with tensors: PyTorch's functions of the same names, and the methods that call them.

It may import `autograd` and what that may.
"""
