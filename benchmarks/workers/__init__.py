"""The peers, each a program that `protocol` serves; only that one's environment has what it imports."""
