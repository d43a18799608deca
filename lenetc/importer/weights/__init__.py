"""What a file's values become: parameters, buffers, constants; which are tied, and what all of them are called.

It may import `graph` and what that may.
"""
