"""The intermediate representation of lenetc: types, nodes, op records, text form, verifier, interpreter.

`dims`, `types`, `node` and `op` come one after the other, then `ops`, the records; `text`, `verify` and `interpret` are
over them, as is `template`. Needs NumPy and nothing of passes or lenetc.
"""

from ir import ops as ops
from ir.dims import Dim as Dim
from ir.dims import symbol as symbol
from ir.node import Graph as Graph
from ir.node import Node as Node
from ir.text import parse as parse
from ir.text import to_text as to_text
from ir.types import Type as Type
from ir.verify import verify as verify
