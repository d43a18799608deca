"""Kullback-Leibler divergences, by the kinds of two distributions (torch.distributions.kl).

It may import all distributions but `mixture`.
"""

from lenetc.distributions.kl import alike, mixed
from lenetc.distributions.kl.registry import kl_divergence, register_kl
from lenetc.missing import names_of

__all__ = ["kl_divergence", "register_kl"]
__getattr__ = names_of(__name__)
