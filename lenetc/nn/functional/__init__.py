"""Functions that networks are made of (torch.nn.functional).

They know no modules: those of `nn.modules` call them.
"""

from typing import TYPE_CHECKING

from lenetc.evaluation.ranges import LabelError
from lenetc.missing import names_of
from lenetc.nn.functional.activation import (
    dropout,
    gelu,
    gumbel_softmax,
    log_softmax,
    logsigmoid,
    sigmoid,
    softmax,
    softmin,
    softplus,
    tanh,
)
from lenetc.nn.functional.convolution import adaptive_avg_pool2d, avg_pool2d, conv2d, max_pool2d
from lenetc.nn.functional.entropy import cross_entropy, nll_loss
from lenetc.nn.functional.labels import one_hot
from lenetc.nn.functional.linear import embedding, linear
from lenetc.nn.functional.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from lenetc.nn.functional.normalization import batch_norm, layer_norm, normalize
from lenetc.nn.functional.padding import pad
from lenetc.nn.functional.rectifiers import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    leaky_relu,
    leaky_relu_,
    prelu,
    relu,
    relu6,
    relu_,
    rrelu,
    rrelu_,
    softshrink,
    threshold,
    threshold_,
)
from lenetc.nn.functional.units import (
    celu,
    celu_,
    elu,
    elu_,
    glu,
    mish,
    selu,
    selu_,
    silu,
    softsign,
    tanhshrink,
)

__all__ = [
    "LabelError",
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "elu_",
    "embedding",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "huber_loss",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool2d",
    "mish",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
