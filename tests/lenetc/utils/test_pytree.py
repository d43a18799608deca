"""Trees of containers, as torch.utils._pytree takes them apart."""

import collections

import pytest

from lenetc.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

Pair = collections.namedtuple("Pair", "first second")


@pytest.mark.parametrize(
    "tree",
    [
        1,
        [],
        {"b": [1, (2, None)], "a": Pair(3, {})},
        collections.OrderedDict(x=1),
        collections.deque([1, 2], 3),
    ],
)
def test_trees_are_put_together_as_they_were(tree):
    leaves, spec = tree_flatten(tree)
    again = tree_unflatten(leaves, spec)
    assert again == tree and type(again) is type(tree) and spec == tree_flatten(again)[1]
    assert spec.num_leaves == len(leaves) == len(tree_leaves(tree))


def test_several_trees_are_mapped_together_where_they_are_alike():
    assert tree_map(lambda a, b: a + b, {"a": 1, "b": (2, 3)}, {"b": (5, 5), "a": 4}) == {"a": 5, "b": (7, 8)}
    assert tree_map(len, {"a": [1, 2]}, is_leaf=lambda x: isinstance(x, list)) == {"a": 2}
    with pytest.raises(ValueError, match="differ"):
        tree_map(lambda a, b: a, [1, 2], [1])
    with pytest.raises(ValueError, match="leaves"):
        tree_unflatten([1], tree_flatten([1, 2])[1])
