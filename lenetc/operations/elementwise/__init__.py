"""Elementwise operations, as functions of tensors: PyTorch's functions of the same names, by topic.

`Tensor` takes them as its methods. `products`, `reductions`, `shaping` and `in_place` beside this have the rest,
`lenetc.nn.functional` what networks are made of.

They may import none of the rooms beside this.
"""

from lenetc.operations.elementwise import (
    arithmetic,
    bits,
    casting,
    choosing,
    comparisons,
    division,
    exponentials,
    powers,
    rounding,
    special,
    trigonometry,
)
from lenetc.operations.elementwise.arithmetic import *
from lenetc.operations.elementwise.bits import *
from lenetc.operations.elementwise.casting import *
from lenetc.operations.elementwise.choosing import *
from lenetc.operations.elementwise.comparisons import *
from lenetc.operations.elementwise.division import *
from lenetc.operations.elementwise.exponentials import *
from lenetc.operations.elementwise.operands import truth as truth
from lenetc.operations.elementwise.powers import *
from lenetc.operations.elementwise.rounding import *
from lenetc.operations.elementwise.special import *
from lenetc.operations.elementwise.trigonometry import *

__all__: list[str] = []
__all__ += arithmetic.__all__
__all__ += bits.__all__
__all__ += casting.__all__
__all__ += choosing.__all__
__all__ += comparisons.__all__
__all__ += division.__all__
__all__ += exponentials.__all__
__all__ += powers.__all__
__all__ += rounding.__all__
__all__ += special.__all__
__all__ += trigonometry.__all__
