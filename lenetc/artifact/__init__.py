"""What is kept in files: exported folders, which run without this package, and checkpoints.

It may import `compiler` and what that may.
"""
