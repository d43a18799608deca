"""The Tensor: PyTorch's, lazy. An operation adds an IR node; a value is computed when somebody looks.

Only what makes a tensor is here: its parts, looking at values, autograd and in-place changes, and `apply`, which
makes every operation. The operations are functions of modules of their own; `lenetc.operations.methods` makes them
methods.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ir import ops
from ir.dims import Dim
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node, building_at
from ir.types import Array, DType, bf16
from lenetc.evaluation import lazy
from lenetc.evaluation.cell import Cell, Context, Counts, known, lock
from lenetc.evaluation.tracing import here, where_now
from lenetc.missing import missing
from lenetc.runtime.device import device
from lenetc.tensors import formats
from lenetc.tensors.arrays import array_of, axis_of, index_of
from lenetc.tensors.dtypes import get_default_dtype
from lenetc.tensors.grad_fn import AccumulateGrad, GradFn, is_grad_enabled, record, set_grad_enabled
from lenetc.tensors.printing import format_array
from lenetc.tensors.size import Size
from lenetc.tensors.views import Read, View, Write

if TYPE_CHECKING:
    from lenetc.operations.methods import Methods
    from lenetc.tensors.convert import Number
else:
    Methods = object  # `lenetc.operations.methods` puts them in: operations stand on the tensor


class Tensor(Methods):
    """An n-dimensional array of one dtype that remembers how it was computed.

    Shape and dtype are known at once; values are computed, together with everything else that waits, when they
    are looked at: print, item, numpy, float, bool, tolist.
    """

    __lenetc_tensor__ = True  # for numbers that stand before one in an operation
    __slots__ = (
        "__weakref__",
        "_accumulate",
        "_cell",
        "_grad",
        "_grad_fn",
        "_is_detached",
        "_requires_grad",
        "_shares",
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
        self._accumulate: weakref.ref[AccumulateGrad] | None = None
        self._view: View | None = None
        # Of a leaf: what is called with its gradient, and with it once `.grad` has that.
        self.hooks: dict[int, Callable[[Tensor], Any]] | None = None
        self.after_grad: dict[int, Callable[[Tensor], Any]] | None = None
        if cell.trace is not None:
            cell.trace.made.append(weakref.ref(self))

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
        self._grad_fn = None
        if found._grad_fn is not None:
            self._set_grad_fn(found._grad_fn)

    def _is_read_through(self) -> bool:
        """Whether it is a view from outside of the trace that is running, and no argument: then the program reads the
        base, which may be state that it changes."""
        trace = Context.trace
        return trace is not None and self._cell.trace is not trace and self._cell not in trace.arguments

    @property
    def node(self) -> Node:
        """The IR node of the present value. For .data and .detach(), one that gradients do not pass."""
        if self._view is not None:
            self._refresh()
            base = self._view.base() if self._is_read_through() else None
            if base is not None:
                node = self._view.read(base.node)
                return node if base.requires_grad and self.requires_grad else ops.stop_gradient(node)
        node = self._cell.node
        return ops.stop_gradient(node) if self._is_detached and node.op is not ops.stop_gradient else node

    @property
    def shape(self) -> Size:
        return Size(self._cell.type.shape)

    @property
    def dtype(self) -> DType:
        return self._cell.type.dtype

    @property
    def ndim(self) -> int:
        return self._cell.type.rank

    def type_text(self) -> str:
        """Type as messages show it, e.g. f32[6,1,5,5]."""
        return str(self._cell.type)

    @property
    def device(self) -> device:
        return device(lazy.default_device())

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def is_cpu(self) -> bool:
        return self.device.type == "cpu"

    @property
    def is_mps(self) -> bool:
        return False

    is_xpu = is_meta = is_sparse = is_quantized = is_mkldnn = is_nested = is_mps

    @property
    def layout(self) -> formats.layout:
        return formats.strided

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self._cell.type.shape[axis_of(dim, self.ndim, "size")]

    def dim(self) -> int:
        return self.ndim

    def numel(self) -> Dim:
        """Number of elements."""
        return self._cell.type.size

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return int(self._cell.type.shape[0])

    # Autograd.

    @property
    def requires_grad(self) -> bool:
        self._refresh()
        return self._requires_grad or self._grad_fn is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

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
        if requires_grad and self._grad_fn is None and not self._cell.is_leaf():
            # An identity of its own: two equal expressions must not share a gradient.
            self._cell.node = ops.alias(self._cell.node, uid=self._cell.number)
        if self._requires_grad != requires_grad:
            if Context.trace is not None:
                Context.trace.before_change(
                    functools.partial(setattr, self, "_requires_grad", self._requires_grad)
                )
            self._requires_grad = requires_grad
            Counts.epoch += 1
        return self

    @property
    def grad_fn(self) -> GradFn | None:
        self._refresh()
        return self._grad_fn

    def _set_grad_fn(self, fn: GradFn) -> None:
        self._grad_fn = fn
        self._cell.has_history = True

    @property
    def is_leaf(self) -> bool:
        return self._grad_fn is None

    @property
    def grad(self) -> Tensor | None:
        """The gradient accumulated by backward(), or None."""
        if Context.trace is not None:
            Context.trace.saw_grad(self, is_read=True)
        if isinstance(self._grad, Unreturned):
            raise LenetcError(
                "this gradient was computed inside a compiled function and not kept: return it from the function, "
                "or clear it with zero_grad()"
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        require_tensors("grad", optional=[value])
        if value is not None and (value._cell.type != self._cell.type):
            raise ShapeError(
                f"assigned grad has type {value.type_text()}, but the tensor is {self.type_text()}"
            )
        if Context.trace is not None:
            Context.trace.saw_grad(self, is_read=False)
        Counts.changes += 1
        self._grad = value

    def _accumulator(self) -> AccumulateGrad:
        fn = self._accumulate() if self._accumulate is not None else None
        if fn is None:
            fn = AccumulateGrad(self)
            self._accumulate = weakref.ref(fn)
        return fn

    def retain_grad(self) -> None:
        """Keep `.grad` of a tensor that is not a leaf."""
        if self._grad_fn is not None:
            self._grad_fn.retained = weakref.ref(self)

    def detach(self) -> Tensor:
        """The same storage, without history."""
        base = None if self._view is None else self._view.base()
        if self._view is not None and base is not None:
            self._refresh()
            result = Tensor._from_node(ops.stop_gradient(self.node))
            result._view = View(base.detach(), self._view.read, self._view.write, is_tracked=False)
        else:
            result = Tensor._from_cell(self._cell)
            result._view = self._view
        result._shares = self._shares
        result._is_detached = True
        return result

    def _become(self, value: Tensor) -> None:
        """Be `value`, a view of this tensor, from now on: the same elements under another shape."""
        view = value._view
        assert view is not None
        if self._view is None:
            base = Tensor._from_cell(self._cell)
            base._grad_fn, base._is_detached = self._grad_fn, self._is_detached
            view = View(base, view.read, view.write, view.is_tracked)
        self._cell, self._grad_fn, self._view, self._shares = value._cell, value._grad_fn, view, value._shares

    def _forget_history(self) -> None:
        """Be a leaf that does not require grad."""
        trace = Context.trace
        if trace is not None and self._cell.trace is not trace:
            for name in ("_grad_fn", "_is_detached", "_requires_grad"):
                trace.before_change(functools.partial(setattr, self, name, getattr(self, name)))
        self._grad_fn, self._is_detached, self._requires_grad = None, True, False
        Counts.epoch += 1

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        require_tensors("data", value)
        if self._view is not None:
            raise LenetcError("data: a view cannot be given other storage; change it with copy_()").at(here())
        if Context.trace is not None or value._cell.type == self._cell.type:
            with set_grad_enabled(False):
                self.detach().copy_(value)
        else:
            self._cell.become(value._cell.type, value._array())

    # Looking at values.

    def numpy(self) -> Array:
        """The values as an array of the caller's own. Raises LenetcError for a tensor that requires grad."""
        if self.requires_grad:
            raise LenetcError("can't call numpy() on a tensor that requires grad; use detach().numpy()").at(
                here()
            )
        if self.dtype is bf16:
            raise DTypeError("numpy: NumPy has no bfloat16; use .float().numpy()").at(here())
        return self._array()

    def _array(self) -> Array:
        self._refresh()
        return self._cell.numpy()

    def _held(self) -> Array:
        """The values for reading only."""
        self._refresh()
        return self._cell.held()

    # Operators with a NumPy scalar or array on the left are the tensor's, as PyTorch's are: the graph is kept.
    __array_priority__ = 1000

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """The values for NumPy's functions. Raises LenetcError for a tensor that requires grad, as numpy() does."""
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __array_wrap__(self, array: Array, context: Any = None, return_scalar: bool = False) -> Tensor:
        """What a NumPy function made of this tensor, as a tensor again."""
        return Tensor._from_array(array)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """A function of NumPy's, of the values: in a compiled function that is refused."""

        def hosted(value: Any) -> Any:
            if isinstance(value, Tensor):
                return value.numpy()
            if type(value) in (list, tuple):
                return type(value)(map(hosted, value))
            return value

        return function(*map(hosted, args), **{key: hosted(value) for key, value in kwargs.items()})

    def item(self) -> Number:
        """The value of a single element as a Python number."""
        if self.numel() != 1:
            raise LenetcError(f"item() wants a single element, but the tensor is {self.type_text()}").at(
                here()
            )
        self._refresh()
        return self._cell.item()

    def tolist(self) -> Any:
        return self._array().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.is_float:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise LenetcError(f"Boolean value of a tensor with {self.numel()} values is ambiguous").at(here())
        return bool(self.item())

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if Context.trace is not None:
            Context.trace.refuse_value(self._cell.type)
        suffixes = []
        if self.device != "cpu":
            suffixes.append(f"device='{self.device}:0'")
        if self._grad_fn is not None:
            suffixes.append(f"grad_fn=<{self._grad_fn.name()}>")
        elif self._requires_grad:
            suffixes.append("requires_grad=True")
        return format_array(self._array(), suffixes=suffixes)

    def __format__(self, spec: str) -> str:
        return format(repr(self) if self.ndim else self.item(), spec)

    # In-place changes: a new value for the cell.

    def _change(self, name: str, value: Tensor) -> Tensor:
        """Let `value`, computed from this tensor, be its value from now on."""
        base = None
        if self._shares:
            base = self._view.base() if self._view is not None and callable(self._view.write) else None
            is_argument = Context.trace is not None and self._cell in Context.trace.arguments
            if base is None or is_argument:
                raise LenetcError(
                    f"{name}: in-place changes of {self._shares} would not reach the tensor it was taken from; "
                    "write `x = x.operation(...)`, or change the whole tensor"
                ).at(here())
        if value.shape != self.shape:
            raise ShapeError(
                f"{name}: the result has shape {list(value.shape)}, the tensor {list(self.shape)}"
            ).at(here())
        if is_grad_enabled() and self._requires_grad and self._grad_fn is None:
            raise LenetcError(
                f"{name}: a leaf variable that requires grad is being used in an in-place operation; use "
                "no_grad() or .data"
            ).at(here())
        if value.dtype is not self.dtype:
            raise DTypeError(
                f"{name}: the result is {value.type_text()}, which cannot be stored in {self.type_text()}"
            ).at(here())
        if base is not None:
            return self._change_base(name, base, value)
        trace = Context.trace
        if trace is not None and self._cell.trace is not trace:
            trace.changed(self)
        self._cell.node = self._with_history(value)
        if value._grad_fn is not None:
            self._set_grad_fn(value._grad_fn)
            self._is_detached = False
        return self

    def _with_history(self, value: Tensor) -> Node:
        """The node of `value` with the gradient that there has to be: what is not recorded changes no history, and what
        is overwritten has a gradient of zeros."""
        node = value.node
        if value._grad_fn is not None or not self._cell.has_history or not node.dtype.is_float:
            return node
        before = self._cell.node
        if self._is_detached or not is_grad_enabled():
            return ops.with_gradient(node, before)
        return ops.where(ops.literal(np.True_), node, before)

    def _change_base(self, name: str, base: Tensor, value: Tensor) -> Tensor:
        """Let `value` be that of this view: the base changes where the view shows it."""
        view = self._view
        assert view is not None and callable(view.write)
        write = view.write

        def written(
            whole: Node, part: Node
        ) -> Node:  # what is overwritten altogether has a gradient of zeros
            found = write(whole, part)
            return ops.where(ops.literal(np.True_), found, whole) if base.requires_grad else found

        base._change(name, apply("CopySlices", written, base, value))
        if is_grad_enabled() and not self._is_detached and not self._is_read_through():
            self._cell.node = value.node
            view.seen = view.cell.present()
            if value._grad_fn is not None:
                self._set_grad_fn(value._grad_fn)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._grad_fn is not None:
            raise LenetcError("only leaf tensors support deepcopy; use detach() or clone()")
        copy = type(self).__new__(type(self))
        copy._init(known(self._array()))
        copy._requires_grad = self._requires_grad
        memo[id(self)] = copy
        return copy

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            error = missing("Tensor", name, dir(type(self)))
            if isinstance(error, LenetcError):
                raise error.at(here())
            place = "" if name.startswith("_") else here()
            raise AttributeError(f"{error}\n  at {place}" if place else str(error), name=name, obj=self)

    # Devices.

    def cpu(self) -> Tensor:
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Tensor:
        """The same tensor, computed on CUDA from now on. Raises DeviceError where CUDA cannot be used."""
        return self.to("cuda")


def _constructed(data: tuple[Any, ...]) -> Cell:
    """The storage of Tensor(*data)."""
    only = data[0] if len(data) == 1 else None
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
    """Stands for a gradient that a compiled function computed and did not return."""

    __slots__ = ()


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
    with building_at(where_now()):
        try:
            node = build(*nodes)
        except LenetcError as error:
            raise error.at(here()) from None
        if needs and not is_grad_enabled():
            node = ops.stop_gradient(node)
    result = Tensor._from_node(node)
    if needs and is_grad_enabled() and node.dtype.is_float:
        result._set_grad_fn(record(name, node, operands if edges is None else edges, saves))
    if view:
        result._shares = "a view"
        result._view = _view_of(operands[0], lambda first: build(first, *nodes[1:]), view)
    return result


def _view_of(x: Tensor, read: Read, write: Write) -> View:
    base = None if x._view is None else x._view.base()
    if x._view is None or base is None:
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
