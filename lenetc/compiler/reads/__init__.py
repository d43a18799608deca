"""What a function reads and does: names in its code, what ran, the values that these lead to, and whether they changed.

It may import what stands below the compiler; nothing of the rest of it.
"""
