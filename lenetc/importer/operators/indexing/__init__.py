"""Elements found, picked and put by their places.

They may import what all operators may.
"""

from lenetc.importer.operators.indexing import finding, gathering, scattering
