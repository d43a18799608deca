"""What runtimes have, and what runs there: the tables that `lenetc check` reads, and docs/runtimes.md.

    python -m runtimes.tables            makes lenetc/artifact/kernels/*.json anew from the runtimes themselves
    python -m runtimes.versions --write  trains an exported folder in old and new versions of ONNX Runtime
    python -m runtimes.page              writes docs/runtimes.md from both

Each runtime is in an environment of its own in `.runtimes`, made when it is first needed.
"""
