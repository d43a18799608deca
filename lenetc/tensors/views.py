"""Views: tensors that show elements of another one, their base, and write there when they are changed in place.

Every tensor has a cell of its own. That of a view holds what the base was when somebody looked last; when the base has
changed since, it is read again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ir.node import Node
from lenetc.evaluation.cell import Cell, Context

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

Read: TypeAlias = Callable[[Node], Node]  # base -> view
# (base, view) -> base with the view put back; True where an element of the base stands for several of the view, which
# are not changed in place.
Write: TypeAlias = "Callable[[Node, Node], Node] | bool"


class View:
    """What a view is of. cell: the base's; seen: what told the value of it that the view shows; is_tracked: whether
    what is read again is recorded for backward."""

    __slots__ = ("_base", "cell", "is_tracked", "read", "seen", "write")

    def __init__(self, base: Tensor, read: Read, write: Write, is_tracked: bool) -> None:
        trace = Context.trace
        self._base: Tensor | weakref.ref[Tensor] | None
        if trace is None:
            self._base = base
        else:  # what a trace made and nobody but its views holds does not come out of it
            trace.bases.append(base)
            self._base = weakref.ref(base)
        self.cell: Cell = base._cell
        self.read = read
        self.write = write
        self.is_tracked = is_tracked
        self.seen: object = self.cell.present()

    def base(self) -> Tensor | None:
        """The base; None where it is gone, or has become a tensor of another shape."""
        base = self._base() if isinstance(self._base, weakref.ref) else self._base
        return base if base is not None and base._cell is self.cell else None

    def of(self, read: Read, write: Write) -> tuple[Read, Write]:
        """How a view of this view is read and written."""
        outer_read, outer_write = self.read, self.write

        def both(base: Node) -> Node:
            return read(outer_read(base))

        if isinstance(write, bool) or isinstance(outer_write, bool):
            return both, True

        def back(base: Node, value: Node) -> Node:
            return outer_write(base, write(outer_read(base), value))

        return both, back
