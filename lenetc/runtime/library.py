"""ONNX Runtime itself, or an error that says how to install it."""

try:
    import onnxruntime as ort
    from onnxruntime import InferenceSession  # an empty folder of that name imports as well
except ImportError as error:
    raise ImportError(
        f"lenetc needs ONNX Runtime, which cannot be imported ({error}): install it with `pip install onnxruntime-gpu` "
        "(Linux and Windows on x86-64, with or without CUDA) or `pip install onnxruntime` (elsewhere), never both"
    ) from error

__all__ = ["InferenceSession", "ort"]
