"""The text form: `to_text` prints a graph as valid Python, `parse` reads it back to the same object.

    graph   := function+                       (bodies of scans first, the graph itself last)
    function:= "def" name "(" input,* ["*", hyper,*] ")" ":" state* ["inputs = [" ref,* "]"] line* return
    line    := ref ":" type "=" op "(" operand,* attr=value,* ")"  "#" phase [module]
    type    := dtype "[" dim,* "]" | dtype | "tuple" "[" type,* "]"
    return  := "return" "{" name: ref,* "}" "," "{" state: ref,* "}"

docs/ir.md has the whole grammar. Provenance is the comment, given back to nodes that are built anew.
"""

from __future__ import annotations

import ast
import io
import math
import tokenize
from typing import Any

import numpy as np

from ir import dims
from ir.dims import Dim, Poly
from ir.errors import LenetcError, ParseError
from ir.node import Graph, Node, Where, building_at, users
from ir.op import OPS, leaf, literal
from ir.types import DTYPES, DType, TupleType, Type

_LISTED = 64  # constants with more elements are written as hexadecimal bytes
_DIGITS = 96  # of them in a line


def to_text(graph: Graph) -> str:
    """`graph` as text, ending in a newline. `parse` gives the same object back."""
    bodies: dict[Graph, str] = {}
    _collect(graph, bodies)
    bodies[graph] = graph.name
    return "\n\n".join(_function(g, name, bodies) for g, name in bodies.items()) + "\n"


def _collect(graph: Graph, bodies: dict[Graph, str]) -> None:
    for node in graph.nodes():
        for attr in node.attrs.values():
            if isinstance(attr, Graph) and attr not in bodies:
                _collect(attr, bodies)
                bodies[attr] = f"{attr.name}__{len(bodies)}"


def _function(graph: Graph, name: str, bodies: dict[Graph, str]) -> str:
    names = {node: _reference(node.attrs["name"]) for node in graph.inputs}
    kinds: dict[str, list[Node]] = {"input": [], "hyper": [], "state": []}
    for node in graph.inputs:
        kinds[node.attrs["kind"]].append(node)
    arguments = [_argument(node) for node in kinds["input"]]
    if kinds["hyper"]:
        arguments += ["*", *map(_argument, kinds["hyper"])]
    lines = [f"def {name}({', '.join(arguments)}):"]
    lines += [f"    {names[node]}: {node.type} = state()" for node in kinds["state"]]
    if graph.inputs != (*kinds["input"], *kinds["hyper"], *kinds["state"]):
        lines.append(f"    inputs = [{', '.join(names[node] for node in graph.inputs)}]")
    readers = users(graph)
    outputs = set(graph.outputs)
    taken = set(names.values())
    number = 0
    for node in graph.nodes():
        if node in names:
            continue
        if node not in outputs and _fits_inline(node, readers[node]):
            names[node] = _numbers(node.attrs["value"].array)
            continue
        while f"v{number}" in taken:
            number += 1
        names[node] = f"v{number}"
        number += 1
        note = f"{node.where.phase} {node.where.module}".rstrip()
        lines.append(f"    {names[node]}: {node.type} = {_call(node, names, bodies)}  # {note}")
    returned = [
        ", ".join(f"{key!r}: {names[node]}" for key, node in pairs)
        for pairs in (graph.results, graph.updates)
    ]
    lines.append(f"    return {{{returned[0]}}}, {{{returned[1]}}}")
    return "\n".join(lines)


def _argument(node: Node) -> str:
    return f"{node.attrs['name']}: {node.type}"


def _reference(name: str) -> str:
    """`conv1.weight` as it is; `0.weight`, which Python cannot read, as state['0.weight']."""
    return name if all(map(dims.is_name, name.split("."))) else f"state[{name!r}]"


def _fits_inline(node: Node, readers: list[Node]) -> bool:
    """Whether a scalar constant can stand as a bare number, which takes the dtype of the first operand that is
    none: wherever it is read there is one that is no constant, and all have one dtype."""
    if node.op.name != "const" or node.shape or not np.isfinite(node.attrs["value"].array):
        return False
    return all(
        any(x.op.name != "const" for x in reader.inputs)
        and all(isinstance(x.type, Type) and x.dtype is node.dtype for x in reader.inputs)
        for reader in readers
    )


def _call(node: Node, names: dict[Node, str], bodies: dict[Graph, str]) -> str:
    if node.op.name == "const":
        return f"const({_array(node.attrs['value'].array)})"
    shown = {
        k: v
        for k, v in node.attrs.items()
        if v != node.op.attributes[k] or type(v) is not type(node.op.attributes[k])
    }
    values = [*(names[x] for x in node.inputs), *(f"{k}={_attr(v, bodies)}" for k, v in shown.items())]
    return f"{node.op.name}({', '.join(values)})"


def _array(array: np.ndarray[Any, Any]) -> str:
    if array.size > _LISTED or (
        array.dtype.kind == "f" and np.isnan(array).any()
    ):  # NaNs differ in their bits
        digits = array.tobytes().hex()
        pieces = [repr(digits[i : i + _DIGITS]) for i in range(0, len(digits), _DIGITS)] or ["''"]
        return f"hex={pieces[0]}" if len(pieces) == 1 else "\n        ".join(["hex=", *pieces])
    return _numbers(array)


def _numbers(array: np.ndarray[Any, Any]) -> str:
    """The elements in nested lists, each with no more digits than its dtype needs."""
    return f"[{', '.join(map(_numbers, array))}]" if array.ndim else str(array[()])


def _attr(value: Any, bodies: dict[Graph, str]) -> str:
    if isinstance(value, Graph):
        return bodies[value]
    if isinstance(value, tuple):
        return f"({''.join(_attr(item, bodies) + ', ' for item in value).rstrip(' ' if len(value) == 1 else ', ')})"
    return str(value) if isinstance(value, (Poly, DType)) else repr(value)


def parse(text: str) -> Graph:
    """The graph that `text` describes. Raises ParseError naming the line and what was expected."""
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise ParseError(f"line {error.lineno}: not valid Python: {error.msg}") from None
    comments = {
        token.start[0]: token.string[1:].split()
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    graphs: dict[str, Graph] = {}
    graph: Graph | None = None
    for item in module.body:
        if not isinstance(item, ast.FunctionDef):
            raise ParseError(f"line {item.lineno}: expected a function, found {ast.unparse(item)!r}")
        graph = _Reader(graphs, comments).function(item, is_last=item is module.body[-1])
        graphs[item.name] = graph
    if graph is None:
        raise ParseError("the text holds no graph")
    return graph


class _Reader:
    """Reads one function; `graphs` are the bodies read before it."""

    def __init__(self, graphs: dict[str, Graph], comments: dict[int, list[str]]) -> None:
        self.graphs = graphs
        self.comments = comments
        self.values: dict[str, Node] = {}

    def function(self, item: ast.FunctionDef, is_last: bool) -> Graph:
        inputs = [self._leaf(a.arg, a.annotation, "input", a) for a in item.args.args]
        inputs += [self._leaf(a.arg, a.annotation, "hyper", a) for a in item.args.kwonlyargs]
        order: list[Node] = []
        for line in item.body:
            match line:
                case ast.AnnAssign(
                    target=target, annotation=annotation, value=ast.Call(func=ast.Name("state"))
                ):
                    inputs.append(self._leaf(self._name(target), annotation, "state", line))
                case ast.Assign(targets=[ast.Name("inputs")], value=ast.List(elts=elements)):
                    inputs = [self._operand(e) for e in elements]  # type: ignore[misc]
                case ast.AnnAssign(target=ast.Name(name), annotation=annotation, value=ast.Call() as call):
                    declared = self._type(annotation)
                    node = self._node(call, declared)
                    if node.type != declared:
                        raise ParseError(
                            f"line {line.lineno}: {name} is declared {declared}, but is {node.type}"
                        )
                    self.values[name] = node
                    order.append(node)
                case ast.Return(value=ast.Tuple(elts=[ast.Dict() as results, ast.Dict() as updates])):
                    name = item.name if is_last else item.name.rsplit("__", 1)[0]
                    return Graph.make(name, inputs, self._pairs(results), self._pairs(updates), order)
                case _:
                    raise ParseError(f"line {line.lineno}: not a line of the IR: {ast.unparse(line)!r}")
        raise ParseError(f"line {item.lineno}: {item.name} has no return")

    def _leaf(self, name: str, annotation: ast.expr | None, kind: str, at: Any) -> Node:
        if annotation is None:
            raise ParseError(f"line {at.lineno}: the argument {name} has no type")
        node = leaf(name, self._type(annotation), kind)  # type: ignore[arg-type]
        self.values[name] = node
        return node

    def _name(self, target: ast.expr) -> str:
        match target:
            case ast.Subscript(value=ast.Name("state"), slice=ast.Constant(value=str() as name)):
                return name
            case ast.Name() | ast.Attribute():
                return ast.unparse(target)
        raise ParseError(f"line {target.lineno}: not a name: {ast.unparse(target)!r}")

    def _type(self, node: ast.expr) -> Type | TupleType:
        match node:
            case ast.Name(name) if name in DTYPES:
                return Type(DTYPES[name], ())
            case ast.Subscript(value=ast.Name("tuple"), slice=items):
                parts = items.elts if isinstance(items, ast.Tuple) else [items]
                return TupleType(tuple(self._type(part) for part in parts))  # type: ignore[misc]
            case ast.Subscript(value=ast.Name(name), slice=items) if name in DTYPES:
                parts = items.elts if isinstance(items, ast.Tuple) else [items]
                return Type(DTYPES[name], tuple(self._dim(part) for part in parts))
        raise ParseError(f"line {node.lineno}: not a type: {ast.unparse(node)!r}")

    def _dim(self, node: ast.expr) -> Dim:
        match node:
            case ast.Constant(value=int() as value):
                return value
            case ast.Name(name):
                return dims.symbol(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._dim(operand)
            case ast.BinOp(left=left, op=operator, right=right):
                a, b = self._dim(left), self._dim(right)
                if isinstance(operator, ast.Mult):
                    return a * b
                if isinstance(operator, (ast.Add, ast.Sub)):
                    return a + b if isinstance(operator, ast.Add) else a - b
        raise ParseError(f"line {node.lineno}: not a dim: {ast.unparse(node)!r}")

    def _node(self, call: ast.Call, declared: Type | TupleType) -> Node:
        name = ast.unparse(call.func)
        if name not in OPS:
            raise ParseError(f"line {call.lineno}: there is no op {name!r}")
        with building_at(self._where(call.end_lineno or call.lineno)):
            try:
                if name == "const":
                    return self._const(call, declared)
                attrs = {k.arg: self._attr(k.value) for k in call.keywords if k.arg}
                return OPS[name](*map(self._operand, call.args), **attrs)
            except ParseError:
                raise
            except (LenetcError, TypeError, ValueError) as error:
                raise ParseError(f"line {call.lineno}: {error}") from None

    def _where(self, line: int) -> Where:
        phase, module, *_ = [*self.comments.get(line, []), "", ""]
        return Where(module, phase or "forward")

    def _const(self, call: ast.Call, declared: Type | TupleType) -> Node:
        if not isinstance(declared, Type) or not declared.is_static:
            raise ParseError(f"line {call.lineno}: a constant has a dtype and a fixed shape, not {declared}")
        dtype, shape = declared.dtype.numpy, tuple(int(dim) for dim in declared.shape)
        match call:
            case ast.Call(
                args=[], keywords=[ast.keyword(arg="hex", value=ast.Constant(value=str() as data))]
            ):
                return literal(np.frombuffer(bytes.fromhex(data), dtype).reshape(shape))
            case ast.Call(args=[values], keywords=[]):
                return literal(np.asarray(self._attr(values), dtype).reshape(shape))
        raise ParseError(f'line {call.lineno}: const takes a list, or hex="..."')

    def _operand(self, node: ast.expr) -> Node | int | float | bool:
        match node:
            case ast.Constant(value=int() | float() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
        name = self._name(node)
        if name not in self.values:
            raise ParseError(f"line {node.lineno}: {name} is not defined above")
        return self.values[name]

    def _pairs(self, node: ast.Dict) -> list[tuple[str, Node]]:
        return [(ast.literal_eval(k), self._operand(v)) for k, v in zip(node.keys, node.values, strict=True)]  # type: ignore[arg-type,misc]

    def _attr(self, node: ast.expr) -> Any:
        match node:
            case ast.Name(name) if name in self.graphs:
                return self.graphs[name]
            case ast.Name(name) if name in DTYPES:
                return DTYPES[name]
            case ast.Name(("inf" | "nan") as name):
                return float(name)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Name("inf")):
                return -math.inf
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return tuple(self._attr(e) for e in elements)
        try:
            return ast.literal_eval(node)
        except ValueError:
            return self._dim(node)
