"""An exported folder as found on disk: its files, its models as sessions, what they take, weights put into one.

It may import `checkpoint` and `manifest` beside it, and what stands below artifacts.
"""
