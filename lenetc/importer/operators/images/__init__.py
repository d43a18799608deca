"""Images, lines and volumes: resized, and read at computed places.

They may import what all operators may, and `on_host`.
"""

from lenetc.importer.operators.images import resizing, sampling
