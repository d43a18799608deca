"""Functions that networks are made of (torch.nn.functional).

They know no modules: those of `nn.modules` call them.

They may import `operations` and what that may, and each other.
"""

from typing import TYPE_CHECKING

from lenetc.evaluation.ranges import LabelError
from lenetc.missing import names_of
from lenetc.nn.functional.activation import (
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
from lenetc.nn.functional.attention import multi_head_attention_forward, scaled_dot_product_attention
from lenetc.nn.functional.distance import cosine_similarity, pairwise_distance, pdist
from lenetc.nn.functional.dropout import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from lenetc.nn.functional.embedding import embedding, embedding_bag
from lenetc.nn.functional.labels import one_hot
from lenetc.nn.functional.linear import bilinear, linear
from lenetc.nn.functional.losses.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from lenetc.nn.functional.losses.ctc import ctc_loss
from lenetc.nn.functional.losses.entropy import cross_entropy, nll_loss
from lenetc.nn.functional.losses.likelihood import gaussian_nll_loss, kl_div, poisson_nll_loss
from lenetc.nn.functional.losses.linear import linear_cross_entropy
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
from lenetc.nn.functional.losses.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from lenetc.nn.functional.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    normalize,
    rms_norm,
)
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
from lenetc.nn.functional.spatial.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from lenetc.nn.functional.spatial.avg_pool import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
)
from lenetc.nn.functional.spatial.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from lenetc.nn.functional.spatial.folding import channel_shuffle, fold, pixel_shuffle, pixel_unshuffle, unfold
from lenetc.nn.functional.spatial.fractional import fractional_max_pool2d, fractional_max_pool3d
from lenetc.nn.functional.spatial.max_pool import (
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from lenetc.nn.functional.spatial.padding import pad
from lenetc.nn.functional.spatial.resize import interpolate, upsample, upsample_bilinear, upsample_nearest
from lenetc.nn.functional.spatial.sampling import affine_grid, grid_sample
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
from lenetc.operations.out import with_out

__all__ = [
    "LabelError",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fold",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
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
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
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
    "pixel_shuffle",
    "pixel_unshuffle",
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
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]

if not TYPE_CHECKING:
    for _name in ("gelu", "hardshrink", "linear", "logsigmoid", "softplus", "softshrink"):
        globals()[_name] = with_out(globals()[_name])  # as PyTorch's, which are of C
    __getattr__ = names_of(__name__)
