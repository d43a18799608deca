"""Convolutions, pools, and regions of images."""

from lenetc.importer.operators.windows import convolutions, folding, pools, regions
