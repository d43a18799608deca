"""What windows see: convolutions, pools, regions of images, spectra of signals.

They may import what all operators may.
"""

from lenetc.importer.operators.windows import convolutions, folding, pools, regions, spectra
