"""How values come to be: the cells that hold them, traces, and lazy evaluation of what waits.

It knows IR nodes and cells, and nothing of the Tensor around them. It may import `runtime`.
"""
