"""The main job, training LeNet on digits, and what it shows and writes.

It may import all rooms but `cli`.
"""
