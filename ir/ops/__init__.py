"""Every operation of the IR, by name: `ops.add(x, y)`.

A file for each kind of operation; `rules` and `windows` are what their type rules share. May import the rest of ir but
`text` and `verify`.
"""

from ir.node import arithmetic
from ir.op import OPS as OPS
from ir.op import leaf as leaf
from ir.op import literal as literal
from ir.op import scalar as scalar
from ir.ops.control import *  # noqa: F403
from ir.ops.dense import *  # noqa: F403
from ir.ops.elementwise import *  # noqa: F403
from ir.ops.fused import *  # noqa: F403
from ir.ops.lanes import *  # noqa: F403
from ir.ops.nn import *  # noqa: F403
from ir.ops.reduce import *  # noqa: F403
from ir.ops.shape import *  # noqa: F403

arithmetic.update({name: OPS[name] for name in ("add", "sub", "mul", "div", "neg", "matmul")})
