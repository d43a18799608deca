"""`lenetc.compile`: tracing a function, the guards of a trace, the program made of it, and its calls.

It may import `nn`, `optim` and what they may.
"""
