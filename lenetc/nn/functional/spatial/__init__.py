"""Functions over lines [N,C,L], images [N,C,H,W] and volumes [N,C,D,H,W]: convolutions, pools, padding, resizing.

The IR knows windows over images only: a line is an image of height 1, and what moves over a volume moves over its
planes first and then through the depth.

They may import `linear` beside this.
"""
