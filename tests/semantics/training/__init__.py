"""Cases of training: networks and their weights, optimizers, modes, gradients of what was compiled."""
