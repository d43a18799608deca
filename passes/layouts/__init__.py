"""How values lie in memory: batch-first as in the IR, or batch-last.

`batch_last` stores single values, `assignment` decides for a whole graph, `lowering` rebuilds the graph.
May import ir, rewrite.
"""
