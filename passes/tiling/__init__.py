"""Parts of the batch: tiles that fit the caches, ranges that run side by side, and what need not be done in each part.

May import ir, rewrite, strategies (for costs).
"""
