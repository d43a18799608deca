"""The Tensor itself: its parts, its text, and what is recorded for backward.

What one can do with a tensor is in `operations`. It may import `evaluation` and what that may.
"""
