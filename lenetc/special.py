"""torch.special: other names of elementwise functions, and some that have no other."""

from lenetc.missing import names_of
from lenetc.nn.functional import log_softmax, softmax
from lenetc.operations.elementwise.exponentials import exp2, expit, expm1, log1p, logit, xlog1py, xlogy
from lenetc.operations.elementwise.gaussian import entr, erfcx, log_ndtr, ndtr, ndtri
from lenetc.operations.elementwise.rounding import round
from lenetc.operations.elementwise.special import digamma, erf, erfc, erfinv, polygamma
from lenetc.operations.elementwise.special import digamma as psi
from lenetc.operations.elementwise.special import lgamma as gammaln
from lenetc.operations.elementwise.special import mvlgamma as multigammaln
from lenetc.operations.elementwise.trigonometry import sinc
from lenetc.operations.out import give_out

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammaln",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
]
give_out(globals())
__getattr__ = names_of(__name__)
