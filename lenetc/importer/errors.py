"""Errors of the importer."""

from ir.errors import LenetcError


class OnnxError(LenetcError, ValueError):
    """A file that is no ONNX model, or a broken one."""


class OnnxOperatorError(LenetcError, NotImplementedError):
    """Nodes that cannot be imported: which, of which operator and opset, and why. All of a file in one."""


class OnnxWarning(UserWarning):
    """Something about a file that its user should know: weights that are shared, tables that may not be weights."""
