"""Operators of single elements, by topic."""

from lenetc.importer.operators.elementwise import arithmetic, bits, casts, choosing, comparisons, functions
