"""Images, lines and volumes: resized, sampled, put together of windows."""

from lenetc.importer.operators.images import resizing, sampling, windows
