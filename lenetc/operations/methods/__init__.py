"""The operations as methods and operators of Tensor: tables of PyTorch's names, one for each room of operations.

They may import all of operations.
"""

from __future__ import annotations

from lenetc.autograd import engine, hooks
from lenetc.operations.methods.casting import CastingMethods
from lenetc.operations.methods.creation import CreationMethods
from lenetc.operations.methods.elementwise import ElementwiseMethods
from lenetc.operations.methods.in_place import InPlaceMethods
from lenetc.operations.methods.in_place_moves import InPlaceMoves
from lenetc.operations.methods.indexing import IndexingMethods
from lenetc.operations.methods.memory import MemoryMethods
from lenetc.operations.methods.operators import Operators
from lenetc.operations.methods.products import ProductMethods
from lenetc.operations.methods.reductions import ReductionMethods
from lenetc.operations.methods.shaping import ShapingMethods
from lenetc.operations.methods.softmaxes import SoftmaxMethods
from lenetc.operations.methods.sorting import SortingMethods
from lenetc.operations.methods.values import ValueMethods
from lenetc.tensors.tensor import Tensor


class Methods(
    CastingMethods,
    Operators,
    ElementwiseMethods,
    ProductMethods,
    ReductionMethods,
    IndexingMethods,
    ShapingMethods,
    SoftmaxMethods,
    SortingMethods,
    InPlaceMethods,
    InPlaceMoves,
    MemoryMethods,
    CreationMethods,
    ValueMethods,
):
    """To a type checker the base of Tensor, which is given them below."""

    __slots__ = ()

    backward = engine.backward_from
    register_hook = hooks.register_hook
    register_post_accumulate_grad_hook = hooks.register_post_accumulate_grad_hook


for _table in reversed(Methods.__mro__[:-1]):
    for _name, _method in vars(_table).items():
        if callable(_method) or isinstance(_method, property):
            setattr(Tensor, _name, _method)
