"""ONNX Runtime itself, or an error that says how to install it."""

from lenetc.installed import was_interrupted

try:
    import onnxruntime as ort
    from onnxruntime import InferenceSession  # an empty folder of that name imports as well
except ImportError as error:
    if was_interrupted(error):
        raise KeyboardInterrupt from error
    raise ImportError(
        f"lenetc needs ONNX Runtime, which cannot be imported ({error}): install it with `pip install onnxruntime-gpu` "
        "(Linux and Windows on x86-64, with or without CUDA) or `pip install onnxruntime` (elsewhere), never both"
    ) from error

__all__ = ["InferenceSession", "ort"]
