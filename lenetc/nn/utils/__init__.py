"""Helpers for parameters, their gradients, and sequences (torch.nn.utils)."""

from typing import TYPE_CHECKING

from lenetc.missing import names_of
from lenetc.nn.utils import rnn
from lenetc.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_
from lenetc.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "rnn",
    "vector_to_parameters",
]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
