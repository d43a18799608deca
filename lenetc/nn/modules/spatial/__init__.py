"""Layers over lines, images and volumes: convolutions, pools, padding, resizing (parts of torch.nn.modules).

They may import `module` beside this, and `nn.functional`.
"""
