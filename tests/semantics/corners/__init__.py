"""Cases that are rarely written and must hold all the same."""
