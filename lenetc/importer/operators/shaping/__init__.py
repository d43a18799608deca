"""Shapes: other shapes for the same elements, parts, joins, repetitions."""

from lenetc.importer.operators.shaping import cutting, padding, repeating, reshaping
