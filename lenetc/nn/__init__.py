"""Parts of networks (torch.nn).

It may import `operations` and what that may.
"""

from typing import TYPE_CHECKING

from lenetc.missing import names_of
from lenetc.nn import functional, init, utils
from lenetc.nn.modules.activation import GELU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from lenetc.nn.modules.containers import ModuleDict, ModuleList, ParameterList, Sequential
from lenetc.nn.modules.conv import Conv2d
from lenetc.nn.modules.dropout import (
    AlphaDropout,
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
    FeatureAlphaDropout,
)
from lenetc.nn.modules.flatten import Flatten, Unflatten
from lenetc.nn.modules.linear import Embedding, Identity, Linear
from lenetc.nn.modules.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from lenetc.nn.modules.module import Module
from lenetc.nn.modules.normalization import BatchNorm1d, BatchNorm2d, LayerNorm
from lenetc.nn.modules.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from lenetc.nn.parameter import Parameter

__all__ = [
    "GELU",
    "AdaptiveAvgPool2d",
    "AlphaDropout",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Embedding",
    "FeatureAlphaDropout",
    "Flatten",
    "HuberLoss",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ParameterList",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Tanh",
    "Unflatten",
    "functional",
    "init",
    "utils",
]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
