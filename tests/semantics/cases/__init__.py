"""Cases that are written out, or made of small tables of expressions: one file for each part of the contract."""
