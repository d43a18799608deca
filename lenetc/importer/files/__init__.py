"""Files: from a path, bytes or a model to checked records. `onnx` is imported here alone, when a file is read.

It may import `errors`, `names`, `records` and `registry` beside it.
"""
