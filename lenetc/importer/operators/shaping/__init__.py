"""Shapes: other shapes for the same elements, parts, joins, repetitions.

They may import what all operators may.
"""

from lenetc.importer.operators.shaping import cutting, padding, repeating, reshaping
