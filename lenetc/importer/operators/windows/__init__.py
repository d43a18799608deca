"""What windows see: convolutions, pools, regions of images, spectra of signals."""

from lenetc.importer.operators.windows import convolutions, folding, pools, regions, spectra
