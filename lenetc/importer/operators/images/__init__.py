"""Images, lines and volumes: resized, and read at computed places."""

from lenetc.importer.operators.images import resizing, sampling
