"""Functions of functions: gradients, Jacobians, products with vectors (torch.func, torch.autograd.functional).

It may import `operations` and what that may. `functional` and `gradcheck` are under `lenetc.autograd` as well, where
PyTorch has them; they stand on operations, and autograd below.
"""

import sys
from typing import TYPE_CHECKING

from lenetc import autograd as _autograd
from lenetc.func import functional
from lenetc.func.derivatives import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    vjp,
    vmap,
)
from lenetc.func.gradcheck import GradcheckError, gradcheck, gradgradcheck
from lenetc.func.stateless import functional_call, stack_module_state
from lenetc.missing import names_of

__all__ = [
    "GradcheckError",
    "functional",
    "functional_call",
    "grad",
    "grad_and_value",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "stack_module_state",
    "vjp",
    "vmap",
]

sys.modules["lenetc.autograd.functional"] = functional
for _name, _value in (("functional", functional), ("gradcheck", gradcheck), ("gradgradcheck", gradgradcheck)):
    setattr(_autograd, _name, _value)

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
