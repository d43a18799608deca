"""Helpers for parameters, their gradients, and sequences (torch.nn.utils).

They may import `nn.modules` and what that may.
"""

from typing import TYPE_CHECKING

from lenetc.missing import names_of
from lenetc.nn.utils import parametrizations, parametrize, prune, rnn
from lenetc.nn.utils.clip_grad import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from lenetc.nn.utils.clip_grad import clip_grad_norm_ as clip_grad_norm
from lenetc.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from lenetc.nn.utils.fusion import (
    fuse_conv_bn_eval,
    fuse_conv_bn_weights,
    fuse_linear_bn_eval,
    fuse_linear_bn_weights,
)
from lenetc.nn.utils.init import skip_init
from lenetc.nn.utils.norms import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "prune",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
