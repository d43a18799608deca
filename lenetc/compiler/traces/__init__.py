"""Tracing a function: its arguments' stand-ins, its graph, its state, what it leaves behind, and the history of that.

It may import `structure` and `reads` of the compiler, and what stands below it.
"""
