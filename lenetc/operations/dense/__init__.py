"""Linear algebra of small dense matrices: PyTorch's functions of the same names, of which `lenetc.linalg` has most.

They may import the rooms beside this but `creation`, `indexing` and `methods`.
"""

from lenetc.operations.dense.cholesky import *
from lenetc.operations.dense.determinants import *
from lenetc.operations.dense.equations import *
from lenetc.operations.dense.orthogonal import *
from lenetc.operations.dense.powers import *
from lenetc.operations.dense.refused import *
