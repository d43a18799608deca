"""Elements found, picked and put by their places."""

from lenetc.importer.operators.indexing import finding, gathering, scattering
