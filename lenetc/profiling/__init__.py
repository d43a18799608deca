"""How long a call takes, and where in the user's code that time goes.

It may import `compiler` and what that may.
"""
