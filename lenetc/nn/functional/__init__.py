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
from lenetc.nn.functional.attention import (
    multi_head_attention_forward,
    scaled_dot_product_attention,
)
from lenetc.nn.functional.convolution import adaptive_avg_pool2d, avg_pool2d, conv2d, max_pool2d
from lenetc.nn.functional.distance import (
    cosine_similarity,
    pairwise_distance,
    pdist,
)
from lenetc.nn.functional.embedding import (
    embedding,
    embedding_bag,
)
from lenetc.nn.functional.labels import one_hot
from lenetc.nn.functional.linear import (
    bilinear,
    linear,
)
from lenetc.nn.functional.losses.binary import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
)
from lenetc.nn.functional.losses.entropy import cross_entropy, nll_loss
from lenetc.nn.functional.losses.likelihood import (
    gaussian_nll_loss,
    kl_div,
    poisson_nll_loss,
)
from lenetc.nn.functional.losses.margin import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from lenetc.nn.functional.losses.regression import (
    huber_loss,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from lenetc.nn.functional.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    normalize,
    rms_norm,
)
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
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "conv2d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "margin_ranking_loss",
    "max_pool2d",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
