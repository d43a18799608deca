"""The operations as methods and operators of Tensor: tables of PyTorch's names, one for each room of operations."""

from __future__ import annotations

from lenetc.autograd import engine
from lenetc.operations.methods.casting import CastingMethods
from lenetc.operations.methods.creation import CreationMethods
from lenetc.operations.methods.elementwise import ElementwiseMethods
from lenetc.operations.methods.in_place import InPlaceMethods
from lenetc.operations.methods.operators import Operators
from lenetc.operations.methods.products import ProductMethods
from lenetc.operations.methods.reductions import ReductionMethods
from lenetc.operations.methods.shaping import ShapingMethods
from lenetc.operations.methods.sorting import SortingMethods
from lenetc.tensors.tensor import Tensor


class Methods(
    CastingMethods,
    CreationMethods,
    Operators,
    ElementwiseMethods,
    ProductMethods,
    ReductionMethods,
    ShapingMethods,
    SortingMethods,
    InPlaceMethods,
):
    """To a type checker the base of Tensor, which is given them below."""

    __slots__ = ()

    backward = engine.backward_from


for _table in reversed(Methods.__mro__[:-1]):
    for _name, _method in vars(_table).items():
        if callable(_method) or isinstance(_method, property):
            setattr(Tensor, _name, _method)
