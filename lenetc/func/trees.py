"""Tensors in tuples, lists and dicts: what functions of functions take and give back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lenetc.tensors.tensor import Tensor


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """`function` of each leaf, in the structure of `tree`."""
    if isinstance(tree, dict):
        return {key: mapped(function, value) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(mapped(function, value) for value in tree))
    if isinstance(tree, (tuple, list)):
        return type(tree)(mapped(function, value) for value in tree)
    return function(tree)


def leaves(tree: Any) -> list[Any]:
    """The leaves in order."""
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, (tuple, list)):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]


def tensors(tree: Any) -> list[Tensor]:
    """The leaves that are tensors."""
    return [leaf for leaf in leaves(tree) if isinstance(leaf, Tensor)]


def filled(tree: Any, values: Iterator[Any]) -> Any:
    """The structure of `tree` with the next of `values` for each tensor."""
    return mapped(lambda leaf: next(values) if isinstance(leaf, Tensor) else leaf, tree)
