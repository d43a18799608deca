"""Backward from tensors (torch.autograd): gradients, user-written operations, anomaly detection.

It may import `tensors` and what that may.
"""

from lenetc.autograd.engine import backward, grad
from lenetc.autograd.function import Function
from lenetc.autograd.variable import Variable
from lenetc.evaluation.anomaly import AnomalyError, detect_anomaly, set_detect_anomaly
from lenetc.tensors.grad_fn import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)

__all__ = [
    "AnomalyError",
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
