"""Time per training step against PyTorch, measured so that it can be believed: `make bench`."""
