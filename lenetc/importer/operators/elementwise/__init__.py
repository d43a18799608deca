"""Operators of single elements, by topic.

They may import what all operators may.
"""

from lenetc.importer.operators.elementwise import arithmetic, bits, casts, choosing, comparisons, functions
