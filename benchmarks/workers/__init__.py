"""The peers, each a program that `benchmarks.worker` serves; only that one's environment has what it imports."""
