"""Networks that come as ONNX files, timed while they train: `python -m benchmarks.imported`."""
