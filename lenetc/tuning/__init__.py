"""What strategies cost on this machine, by measuring them.

It may import `compiler` and what that may.
"""
