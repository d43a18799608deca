"""Every operation of the IR, by name: `ops.add(x, y)`."""

from ir.node import arithmetic
from ir.op import OPS as OPS
from ir.op import leaf as leaf
from ir.op import literal as literal
from ir.op import scalar as scalar
from ir.ops.control import *
from ir.ops.elementwise import *
from ir.ops.fused import *
from ir.ops.nn import *
from ir.ops.reduce import *
from ir.ops.shape import *

arithmetic.update({name: OPS[name] for name in ("add", "sub", "mul", "div", "neg", "matmul")})
