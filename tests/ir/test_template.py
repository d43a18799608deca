"""Templates: what is built over other inputs is what the formula itself builds."""

from __future__ import annotations

from ir import ops
from ir.node import Node, Where, building_at
from ir.op import leaf, literal
from ir.template import Template
from ir.types import Type, f32


def formula(x: Node, y: Node) -> tuple[Node, ...]:
    total = ops.sum(x * y + literal([1.0, 2.0], f32), axes=(0,))
    return total * 0.5, y, ops.reshape(x, shape=(2, 1))


def leaves(name: str) -> list[Node]:
    return [leaf(f"{name}{i}", Type(f32, (2,))) for i in range(2)]


def test_nodes_are_those_of_the_formula() -> None:
    given = leaves("x")
    template = Template(given, [*formula(*given), None])
    others = [leaves("y")[0], leaves("z")[1] * 2.0]
    assert template.is_closed
    found = template.over(others)
    assert all(a is b for a, b in zip(found, [*formula(*others), None], strict=True))


def test_what_an_input_is_made_of_is_not_built_again() -> None:
    (x, _) = leaves("x")
    square = x * x
    template = Template([square], [ops.sqrt(square)])
    (y, _) = leaves("y")
    assert template.over([y])[0] is ops.sqrt(y)


def test_a_template_that_reads_something_else_is_not_closed() -> None:
    x, y = leaves("x")
    assert not Template([x], [x + y]).is_closed


def test_provenance_is_the_first_one_or_what_is_given() -> None:
    x, y = leaves("x")
    first, then = Where("first"), Where("then")
    with building_at(first):
        template = Template([x], [ops.exp(x)])
    (found,) = template.over([y])
    assert found is not None and found.where == first
    (other,) = template.over([found], then)
    assert other is not None and other.where == then
