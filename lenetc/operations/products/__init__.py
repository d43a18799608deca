"""Products of vectors, matrices and tensors: PyTorch's functions of the same names.

They may import `elementwise`, `reductions` and `shaping` beside this.
"""

from lenetc.operations.products.added import *
from lenetc.operations.products.covariance import *
from lenetc.operations.products.einsum import *
from lenetc.operations.products.matrices import *
from lenetc.operations.products.vectors import *
