"""Copies and other dtypes as methods of Tensor: a table of their own, for their names are those of Python's types."""

from __future__ import annotations

from ir.types import bf16, bool_, f16, f32, f64, i8, i16, i32, i64, u8
from lenetc.operations.elementwise import casting


class CastingMethods:
    __slots__ = ()

    clone = casting.clone
    to = casting.to
    type = casting.type_of
    type_as = casting.type_as
    is_floating_point = casting.is_floating_point
    is_complex = casting.is_complex
    is_signed = casting.is_signed
    is_conj = casting.is_conj
    real = property(casting.real)
    imag = property(casting.imag)
    conj = casting.conj
    conj_physical = casting.conj
    resolve_conj = casting.conj
    resolve_neg = casting.conj
    element_size = casting.element_size
    float = casting.conversion(f32)
    double = casting.conversion(f64)
    half = casting.conversion(f16)
    bfloat16 = casting.conversion(bf16)
    long = casting.conversion(i64)
    int = casting.conversion(i32)
    short = casting.conversion(i16)
    char = casting.conversion(i8)
    byte = casting.conversion(u8)
    bool = casting.conversion(bool_)
