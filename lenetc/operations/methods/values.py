"""Looking at values and changing them, as methods of Tensor: what Python and NumPy ask of numbers and arrays, too."""

from __future__ import annotations

from lenetc.tensors import changes, values


class ValueMethods:
    __slots__ = ()

    numpy = values.numpy
    item = values.item
    tolist = values.tolist
    __array__ = values.as_array
    __array_wrap__ = values.from_array
    __array_function__ = values.hosted
    __float__ = values.as_float
    __int__ = values.as_int
    __index__ = values.as_index
    __bool__ = values.as_bool
    __iter__ = values.rows
    __repr__ = values.text
    __format__ = values.formatted

    _change = changes.change
    _become = changes.become
    _forget_history = changes.forget_history
