"""Trees of tuples, lists and dicts, taken apart and put together (torch.utils._pytree)."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = ["TreeSpec", "tree_all", "tree_any", "tree_flatten", "tree_leaves", "tree_map", "tree_map_", "tree_map_only",
           "tree_structure", "tree_unflatten"]  # fmt: skip
_DICTS = (dict, collections.OrderedDict, collections.defaultdict)


class TreeSpec(NamedTuple):
    """The structure of a tree. kind: None of a leaf; context: keys, or what else makes an empty container alike."""

    kind: type | None
    context: Any
    children: tuple[TreeSpec, ...]

    @property
    def num_leaves(self) -> int:
        return 1 if self.kind is None else sum(child.num_leaves for child in self.children)

    def is_leaf(self) -> bool:
        return self.kind is None


def _taken(tree: Any) -> tuple[type | None, Any, list[Any]]:
    """The kind of a container, its context and its children; of a leaf, no kind."""
    kind = type(tree)
    if kind in _DICTS:
        return kind, (list(tree), getattr(tree, "default_factory", None)), list(tree.values())
    if kind in (tuple, list) or (isinstance(tree, tuple) and hasattr(tree, "_fields")):
        return kind, None, list(tree)
    if kind is collections.deque:
        return kind, tree.maxlen, list(tree)
    return None, None, []


def _made(spec: TreeSpec, items: list[Any]) -> Any:
    kind: Any = spec.kind
    if kind in _DICTS:
        keys, factory = spec.context
        pairs = dict(zip(keys, items, strict=True))
        return collections.defaultdict(factory, pairs) if kind is collections.defaultdict else kind(pairs)
    if kind is collections.deque:
        return collections.deque(items, spec.context)
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves in order, and the structure (torch.utils._pytree.tree_flatten). None is a leaf."""
    kind, context, items = (None, None, []) if is_leaf is not None and is_leaf(tree) else _taken(tree)
    if kind is None:
        return [tree], TreeSpec(None, None, ())
    parts = [tree_flatten(item, is_leaf) for item in items]
    leaves = [leaf for found, _ in parts for leaf in found]
    return leaves, TreeSpec(kind, context, tuple(spec for _, spec in parts))


def tree_unflatten(leaves: Sequence[Any], treespec: TreeSpec) -> Any:
    """The tree of these leaves (torch.utils._pytree.tree_unflatten). Raises ValueError for another number of them."""
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): {len(leaves)} leaves for a treespec of {treespec.num_leaves}"
        )
    if treespec.kind is None:
        return leaves[0]
    items, start = [], 0
    for child in treespec.children:
        items.append(tree_unflatten(leaves[start : start + child.num_leaves], child))
        start += child.num_leaves
    return _made(treespec, items)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    return tree_flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """`func` of each leaf, with those of `rests` at its place (torch.utils._pytree.tree_map).

    Raises ValueError where another tree ends before `tree` does, or has another structure.
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [_leaves_as(spec, rest) for rest in rests]
    return tree_unflatten([func(*several) for several in zip(leaves, *others, strict=True)], spec)


def _leaves_as(spec: TreeSpec, tree: Any) -> list[Any]:
    """What of `tree` stands where a tree of `spec` has its leaves."""
    if spec.kind is None:
        return [tree]
    kind, context, items = _taken(tree)
    if kind is not spec.kind or len(items) != len(spec.children):
        raise ValueError(f"the trees differ: {spec.kind.__name__} of {len(spec.children)}, and {tree!r}")
    if kind in _DICTS:
        if set(context[0]) != set(spec.context[0]):
            raise ValueError(f"the trees differ: a dict of {spec.context[0]}, and one of {context[0]}")
        items = [tree[key] for key in spec.context[0]]
    return [
        leaf for child, item in zip(spec.children, items, strict=True) for leaf in _leaves_as(child, item)
    ]


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any) -> Any:
    """tree_map for what `func` does; the tree itself comes back (torch.utils._pytree.tree_map_)."""
    tree_map(func, tree, *rests)
    return tree


def tree_map_only(kind: Any, func: Callable[[Any], Any], tree: Any) -> Any:
    """`func` of the leaves of a type, or that a function picks; others as they are
    (torch.utils._pytree.tree_map_only)."""
    picks = kind if callable(kind) and not isinstance(kind, type) else lambda leaf: isinstance(leaf, kind)
    return tree_map(lambda leaf: func(leaf) if picks(leaf) else leaf, tree)


def tree_all(pred: Callable[[Any], bool], tree: Any) -> bool:
    return all(map(pred, tree_leaves(tree)))


def tree_any(pred: Callable[[Any], bool], tree: Any) -> bool:
    return any(map(pred, tree_leaves(tree)))
