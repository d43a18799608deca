"""What is found out about a graph, and made of it, before it is a module: where gradients go, what is constant, a
part of it, another batch.

It may import the interpreter and what that may.
"""
