"""The Tensor: PyTorch's, lazy. An operation adds an IR node; a value is computed when somebody looks.

Only what makes a tensor is here: its parts, views and autograd, and `apply`, which makes every operation. Looking at
values (`values`), in-place changes (`changes`) and the operations are functions of modules of their own;
`lenetc.operations.methods` makes them methods.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node, building_at
from ir.types import Array
from lenetc.evaluation.cell import Cell, Context, Counts, fresh_uid, known, lock, numbers
from lenetc.evaluation.tracing import here, where_now
from lenetc.missing import missing
from lenetc.tensors.arrays import array_of, index_of
from lenetc.tensors.described import Described
from lenetc.tensors.dtypes import get_default_dtype
from lenetc.tensors.grad_fn import (
    AccumulateGrad,
    GradFn,
    is_grad_enabled,
    is_recorded,
    record,
    set_grad_enabled,
)
from lenetc.tensors.size import Size
from lenetc.tensors.storage import set_data, share
from lenetc.tensors.views import Read, View, Write

if TYPE_CHECKING:
    from lenetc.operations.methods import Methods
else:
    Methods = object  # `lenetc.operations.methods` puts them in: operations stand on the tensor


class Tensor(Described, Methods):
    """An n-dimensional array of one dtype that remembers how it was computed.

    Shape and dtype are known at once; values are computed, together with everything else that waits, when they
    are looked at: print, item, numpy, float, bool, tolist.
    """

    __lenetc_tensor__ = True  # for numbers that stand before one in an operation
    _is_number = False  # whether it stands for a number of NumPy's, which counts as one of Python's
    __slots__ = (
        "__dict__",  # of attributes of the user's own
        "__weakref__",
        "_accumulate",
        "_cell",
        "_grad",
        "_grad_fn",
        "_is_detached",
        "_requires_grad",
        "_shares",
        "_uid",
        "_view",
        "after_grad",
        "hooks",
    )

    def __init__(self, *data: Any) -> None:
        """The default dtype whatever the values are, as in PyTorch: of nested lists or an array; of
        sizes, zeros of that shape. A tensor gives its storage, in its dtype. Raises DTypeError for anything else.

        lenetc.tensor keeps dtypes, and takes numbers.
        """
        self._init(_constructed(data))

    def _init(self, cell: Cell) -> None:
        self._cell = cell
        self._grad: Tensor | None = None
        self._grad_fn: GradFn | None = None
        self._requires_grad = False
        self._shares = ""  # why in-place changes must be refused: "a view"
        self._is_detached = False  # by .data or .detach(): gradients end here, whatever it shares
        self._uid: int | None = None  # of a leaf that others share a node with
        self._accumulate: weakref.ref[AccumulateGrad] | None = None
        self._view: View | None = None
        # Of a leaf: what is called with its gradient, and with it once `.grad` has that.
        self.hooks: dict[int, Callable[[Tensor], Any]] | None = None
        self.after_grad: dict[int, Callable[[Tensor], Any]] | None = None
        if cell.trace is not None:
            cell.trace.made.append(weakref.ref(self))
        elif Context.trace is not None:
            Context.trace.sharers.append(weakref.ref(self))

    @classmethod
    def _from_node(cls, node: Node) -> Tensor:
        return Tensor._from_cell(Cell(node.ty, node))

    @classmethod
    def _from_array(cls, array: Any) -> Tensor:
        """A tensor with a copy of `array`, of its dtype."""
        return Tensor._from_cell(known(np.asarray(array)))

    @classmethod
    def _from_cell(cls, cell: Cell) -> Tensor:
        tensor = Tensor.__new__(Tensor)
        tensor._init(cell)
        return tensor

    # What it is.

    def _refresh(self) -> None:
        """Of a view: read the base again if it has changed since."""
        view = self._view
        if view is None or self._is_read_through():
            return
        base = view.base()
        if base is not None and base._view is not None:
            base._refresh()
            # An argument that no longer stands for itself: this is a view of what it is a view of.
            if base._is_read_through() and (root := base._view.base()) is not None:
                self._view = view = View(root, *base._view.of(view.read, view.write), view.is_tracked)
                base, view.seen = root, None
        if view.cell.present() == view.seen:
            return
        if base is None or self._cell.trace is not Context.trace:
            raise LenetcError(
                f"this {self.type_text()} is a view of a tensor that has been changed in place since; take it again, "
                "or keep the old values with clone()"
            ).at(here())
        with set_grad_enabled(view.is_tracked):
            found = apply("AsStridedBackward0", view.read, base)
        view.seen = view.cell.present()
        self._cell.node = found._cell.node
        if found._grad_fn is not None:  # else the base has stopped requiring gradients, its views have not
            self._set_grad_fn(found._grad_fn)

    def _is_read_through(self) -> bool:
        """Whether it is a view from outside of the trace that is running, and no argument: then the program reads the
        base, which may be state that it changes."""
        trace = Context.trace
        return trace is not None and self._cell.trace is not trace and not trace.is_fed(self._cell)

    def _root(self) -> Tensor:
        """What it is a view of in the end; itself where that is gone, and of one that is no view."""
        found = self
        while found._view is not None and (base := found._view.base()) is not None:
            found = base
        return found

    @property
    def node(self) -> Node:
        """The IR node of the present value. For .data and .detach(), and for a tensor without history whose storage got
        one by these, one that gradients do not pass."""
        if self._view is not None:
            self._refresh()
            base = self._view.base() if self._is_read_through() else None
            if base is not None:
                node = self._view.read(base.node)
                is_passed = base.requires_grad and (self._requires_grad or self._grad_fn is not None)
                return node if is_passed else ops.stop_gradient(node)
        node = self._cell.node
        if self._requires_grad and self._grad_fn is None:
            if self._is_detached or self._cell.has_history or self._uid is not None:
                # What else shows this storage, or has used it before, has a gradient of its own, or none.
                return ops.alias(ops.stop_gradient(node), uid=self._own_uid())
            return node
        is_constant = self._grad_fn is None and (self._cell.has_history or self._uid is not None)
        is_constant = is_constant or self._is_detached
        # An optimizer's step gives a leaf such a node, which what shares its storage must not be.
        is_own = node.op is ops.stop_gradient and self._cell.sharers is None
        return ops.stop_gradient(node) if is_constant and not is_own else node

    def _own_uid(self, anew: bool = False) -> int:
        """What tells this leaf from what it shares a node with."""
        anew |= self._uid is None
        if anew:
            self._uid = next(numbers)
        trace = Context.trace
        if trace is None:
            return cast(int, self._uid)
        if anew or id(self) not in trace.leaves:
            trace.leaves[id(self)] = next(trace.uids)
        return trace.leaves[id(self)]

    @property
    def requires_grad(self) -> bool:
        """Whether gradients reach this: asked for, or through its history; of a view that was made without recording,
        whether its base does (torch.Tensor.requires_grad)."""
        self._refresh()
        return self._requires_grad or self._grad_fn is not None or self._is_leaf_view()

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def _is_leaf_view(self) -> bool:
        """Whether it is a view of what requires grad, made without recording or before that did: whose own gradients go
        nowhere."""
        view = self._view
        if view is None or self._grad_fn is not None or self._is_detached or not self.dtype.is_float:
            return False
        base = view.base()
        return base is not None and base.requires_grad

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set whether gradients are recorded. Raises LenetcError for a tensor that is not a leaf, or not float."""
        if requires_grad and not self.dtype.is_float:
            raise LenetcError(
                f"only tensors of floating point dtype can require gradients, not {self.type_text()}"
            ).at(here())
        if not requires_grad and self._grad_fn is not None:
            raise LenetcError("you can only change requires_grad flags of leaf variables; use detach()").at(
                here()
            )
        if self._requires_grad != requires_grad:
            if self._cell.is_read():
                # What was computed from it before, or is computed alike, has no part in its gradient.
                self._own_uid(anew=True)
            if Context.trace is not None:
                Context.trace.before_change(
                    functools.partial(_put_back, weakref.ref(self), self._requires_grad)
                )
            self._requires_grad = requires_grad
            Counts.epoch += 1
        return self

    @property
    def grad_fn(self) -> GradFn | None:
        """What backward goes through from here, None for a leaf (torch.Tensor.grad_fn)."""
        self._refresh()
        return self._grad_fn

    def _set_grad_fn(self, fn: GradFn) -> None:
        before = self._grad_fn
        if (
            before is not None and before is not fn and self.retains_grad
        ):  # of what it is now, after a change in place
            fn.retained, before.retained = before.retained, None
        self._grad_fn = fn
        self._cell.has_history = True

    @property
    def is_leaf(self) -> bool:
        """Whether it has no history (torch.Tensor.is_leaf)."""
        return self._grad_fn is None

    @property
    def grad(self) -> Tensor | None:
        """The gradient accumulated by backward(), or None."""
        if isinstance(self._grad, Unreturned):
            self._grad.recover()
        if Context.trace is not None:
            Context.trace.saw_grad(self, is_read=True)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        require_tensors("grad", optional=[value])
        if value is not None and (value._cell.type != self._cell.type):
            raise ShapeError(
                f"assigned grad has type {value.type_text()}, but the tensor is {self.type_text()}"
            )
        trace = Context.trace
        if trace is not None:
            trace.saw_grad(self, is_read=False)
            is_same = value is self._grad and self in trace.grads_read
            is_given = value is not None and id(value) in trace.given
            trace.given_grads.pop(self, None)
            if is_given:
                trace.given_grads[self] = None
            if value is not None and value._cell.trace is not trace and not (is_same or is_given):
                # One that was there before: which, another run does not know.
                trace.effect("it gives a tensor from outside to a .grad")
        Counts.changes += 1
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    def _known_grad(self) -> Tensor | None:
        """The gradient for code that is about to fill it: any where a compiled function has not kept it."""
        if isinstance(self._grad, Unreturned):
            if Context.trace is not None:
                Context.trace.saw_grad(self, is_read=True)
            self.grad = self.detach() * 1.0
        return self.grad

    def _accumulator(self) -> AccumulateGrad:
        fn = self._accumulate() if self._accumulate is not None else None
        if fn is None:
            fn = AccumulateGrad(self)
            self._accumulate = weakref.ref(fn)
        return fn

    def retain_grad(self) -> None:
        """Keep `.grad` of a tensor that is not a leaf. Raises LenetcError for one that does not require grad."""
        if not self.requires_grad:
            raise LenetcError("can't retain_grad on Tensor that has requires_grad=False").at(here())
        if self._grad_fn is not None:
            self._grad_fn.require_last("retain_grad()")
            self._grad_fn.retained = weakref.ref(self)

    @property
    def retains_grad(self) -> bool:
        """Whether `.grad` of a tensor that is not a leaf is kept (torch.Tensor.retains_grad)."""
        retained = None if self._grad_fn is None else self._grad_fn.retained
        return retained is not None and retained() is self

    def detach(self) -> Tensor:
        """The same storage, without history."""
        base = None if self._view is None else self._view.base()
        if self._view is not None and base is not None:
            self._refresh()
            result = Tensor._from_node(ops.stop_gradient(self.node))
            trace = Context.trace
            is_fed = trace is not None and trace.is_fed(self._cell)
            if is_fed and not self.requires_grad:  # another call's argument may be another view
                result._view = View(self, lambda x: x, lambda _, value: value, is_tracked=False)
            else:
                if trace is not None and is_fed:
                    trace.effect("it detaches an argument that is a view")
                result._view = View(base.detach(), self._view.read, self._view.write, is_tracked=False)
        else:
            result = Tensor._from_cell(self._cell)
            result._view = self._view
            share(self._cell, self, result)
        result._shares = self._shares
        result._is_detached = True
        if Context.trace is not None:
            Context.trace.aliases.append(weakref.ref(result))
        return result

    @property
    def data(self) -> Tensor:
        """The same numbers without history (torch.Tensor.data)."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        require_tensors("data", value)
        if self._view is not None:
            raise LenetcError("data: a view cannot be given other storage; change it with copy_()").at(here())
        set_data(self, value)

    # Looking at values.

    def _array(self) -> Array:
        self._refresh()
        return self._cell.numpy()

    def _held(self) -> Array:
        """The values for reading only."""
        self._refresh()
        return self._cell.held()

    # Operators with a NumPy scalar or array on the left are the tensor's, as PyTorch's are: the graph is kept.
    __array_priority__ = 1000

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._grad_fn is not None:
            raise LenetcError("only leaf tensors support deepcopy; use detach() or clone()")
        copy = type(self).__new__(type(self))
        copy._init(known(self._array()) if Context.trace is None else self.detach().clone()._cell)
        copy._requires_grad = self._requires_grad
        memo[id(self)] = copy
        if type(self) is Tensor:  # as in PyTorch, not of parameters
            copy.__dict__.update(deepcopy(self.__dict__, memo))
            if (gradient := self.grad) is not None:
                copy.grad = deepcopy(gradient, memo)
        return copy

    def __copy__(self) -> Tensor:
        """Another tensor of the same storage, which is a leaf of its own."""
        make, args, (own, fields), *_ = cast(Any, object.__reduce_ex__(self, 4))
        copy: Tensor = make(*args)
        shown = self.detach()
        for name, value in {**(own or {}), **fields}.items():
            setattr(copy, name, getattr(shown, name) if name in Tensor.__slots__ else value)
        copy._requires_grad = self.requires_grad
        share(self._cell, self, copy)
        if Context.trace is not None:
            Context.trace.aliases.append(weakref.ref(copy))
            Context.trace.sharers.append(weakref.ref(copy))
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        """What pickles a tensor: its values, and that it requires grad, as PyTorch's; not how it was computed."""
        return _restored, (type(self), self._array(), self.requires_grad)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            error = missing("Tensor", name, dir(type(self)))
            if isinstance(error, LenetcError):
                raise error.at(here())
            place = "" if name.startswith("_") else here()
            raise AttributeError(f"{error}\n  at {place}" if place else str(error), name=name, obj=self)

    # Devices.

    def cpu(self) -> Tensor:
        """`to("cpu")` (torch.Tensor.cpu)."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Tensor:
        """The same tensor, computed on CUDA from now on. Raises DeviceError where CUDA cannot be used."""
        return self.to("cuda")


def of_array(value: Any) -> Tensor | None:
    """A tensor with a copy of a NumPy array of the function that is being traced; None for all else."""
    return Tensor._from_node(value.node) if getattr(type(value), "__lenetc_array__", False) else None


def _put_back(tensor: weakref.ref[Tensor], requires_grad: bool) -> None:
    found = tensor()
    if found is not None:
        found._requires_grad = requires_grad


def _restored(kind: type[Tensor], array: Array, requires_grad: bool) -> Tensor:
    """What was pickled."""
    made = kind.__new__(kind)
    made._init(known(array))
    made._requires_grad = requires_grad
    return made


def _constructed(data: tuple[Any, ...]) -> Cell:
    """The storage of Tensor(*data)."""
    only = data[0] if len(data) == 1 else None
    if (copy := of_array(only)) is not None:
        return copy.to(get_default_dtype())._cell
    if isinstance(only, Tensor):
        return only._cell
    if isinstance(only, (list, tuple, range, np.ndarray)) and not isinstance(only, Size) and np.ndim(only):
        return known(array_of(only).astype(get_default_dtype().numpy))
    sizes = only if isinstance(only, Size) else data
    shape = [index_of("Tensor(...): a size", size) for size in sizes] or [0]
    if min(shape, default=0) < 0:
        raise ShapeError(f"Tensor(...): a size among {shape} is negative").at(here())
    return known(np.zeros(shape, get_default_dtype().numpy))


class Unreturned(Tensor):
    """Stands for a gradient that a compiled function computed and did not return. recover: puts it in its place, or
    raises LenetcError."""

    __slots__ = ("recover",)

    recover: Callable[[], None]


def apply(
    name: str,
    build: Callable[..., Node],
    *operands: Tensor,
    saves: bool = True,
    view: Write = False,
    edges: Sequence[Any] | None = None,
) -> Tensor:
    """The tensor build(*nodes), recorded for backward as `name` where an operand requires grad.

    saves: whether PyTorch's node of that name keeps values, so that a second backward through it is an error.
    edges: operands of the GradFn where PyTorch's differ from ours. view: for a view of the first operand how a change
    of it goes back, (first operand, new value of the view) -> first operand; True where it cannot.
    """
    with lock:
        return _applied(name, build, operands, saves, view, edges)


def _applied(
    name: str,
    build: Callable[..., Node],
    operands: tuple[Any, ...],
    saves: bool,
    view: Write,
    edges: Sequence[Any] | None,
) -> Tensor:
    needs = False
    nodes = []
    for operand in operands:
        if not isinstance(operand, Tensor):
            require_tensors(name.partition("Backward")[0].lower() or "this operation", operand)
        nodes.append(operand.node)  # first: it brings a view up to date
        needs = needs or operand._requires_grad or operand._grad_fn is not None
        needs = needs or (operand._view is not None and is_grad_enabled() and operand._is_leaf_view())
    with building_at(where_now()):
        try:
            node = build(*nodes)
        except LenetcError as error:
            raise error.at(here()) from None
        if needs and not is_grad_enabled():
            node = ops.stop_gradient(node)
        elif needs and node in nodes:  # an identity of its own, for gradients by one of the two
            node = ops.alias(node, uid=fresh_uid())
        elif needs and is_recorded(node):  # so for another tensor that is computed alike
            node = build(*(ops.alias(x, uid=fresh_uid()) if x.dtype.is_float else x for x in nodes))
    result = Tensor._from_node(node)
    if needs and is_grad_enabled() and node.dtype.is_float:
        result._set_grad_fn(record(name, node, operands if edges is None else edges, saves))
    if view:
        result._shares = "a view"
        result._view = _view_of(operands[0], lambda first: build(first, *nodes[1:]), view)
        share(result._view.cell, result)
    return result


def _view_of(x: Tensor, read: Read, write: Write) -> View:
    base, trace = None if x._view is None else x._view.base(), Context.trace
    # An argument stands for itself, whatever it shows outside.
    is_fed = trace is not None and trace.is_fed(x._cell)
    if x._view is None or base is None or is_fed:
        return View(x, read, write, is_grad_enabled())
    return View(base, *x._view.of(read, write), is_grad_enabled())


def require_tensors(what: str, *operands: object, optional: Sequence[object] = ()) -> None:
    """Raise DTypeError for an operand of the function `what` that is no tensor; `optional` ones may be None."""
    for operand in (*operands, *(given for given in optional if given is not None)):
        if not isinstance(operand, Tensor):
            shape = f" of shape {list(operand.shape)}" if isinstance(operand, np.ndarray) else ""
            kind = (
                "None" if operand is None else f"a {type(operand).__module__}.{type(operand).__name__}{shape}"
            )
            raise DTypeError(
                f"{what} takes tensors, not {kind}; make one with lenetc.tensor(...) or lenetc.from_numpy(...)"
            ).at(here())
