"""Towards the runtime's kernels: fusion and packing, rules for lanes and for CUDA, the order, the number of threads.

May import ir, rewrite, strategies (for costs).
"""
