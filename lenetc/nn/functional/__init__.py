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
from lenetc.nn.functional.spatial.folding import (
    channel_shuffle,
    fold,
    pixel_shuffle,
    pixel_unshuffle,
    unfold,
)
from lenetc.nn.functional.spatial.max_pool import (
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from lenetc.nn.functional.spatial.padding import pad
from lenetc.nn.functional.spatial.refused import fractional_max_pool2d, fractional_max_pool3d
from lenetc.nn.functional.spatial.resize import interpolate, upsample, upsample_bilinear, upsample_nearest
from lenetc.nn.functional.spatial.response import local_response_norm
from lenetc.nn.functional.spatial.sampling import affine_grid, grid_sample

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
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "embedding",
    "feature_alpha_dropout",
    "fold",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "gelu",
    "grid_sample",
    "huber_loss",
    "interpolate",
    "l1_loss",
    "layer_norm",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "relu",
    "sigmoid",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
