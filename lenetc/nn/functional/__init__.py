"""Functions that networks are made of (torch.nn.functional).

They know no modules: those of `nn.modules` call them.
"""

from typing import TYPE_CHECKING

from lenetc.evaluation.ranges import LabelError
from lenetc.missing import names_of
from lenetc.nn.functional.activation import (
    gelu,
    log_softmax,
    logsigmoid,
    relu,
    sigmoid,
    softmax,
    softplus,
    tanh,
)
from lenetc.nn.functional.convolution import adaptive_avg_pool2d, avg_pool2d, conv2d, max_pool2d
from lenetc.nn.functional.dropout import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
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

__all__ = [
    "LabelError",
    "adaptive_avg_pool2d",
    "alpha_dropout",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "embedding",
    "feature_alpha_dropout",
    "gelu",
    "huber_loss",
    "l1_loss",
    "layer_norm",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "sigmoid",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
