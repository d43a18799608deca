"""Pictures of graphs and of training runs, and formats in which other programs read a graph.

It may import `ir` and nothing of lenetc but how files are written.
"""
