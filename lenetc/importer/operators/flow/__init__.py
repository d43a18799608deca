"""What is done many times, or only under a condition: control flow and recurrent layers.

They may import what all operators may.
"""

from lenetc.importer.operators.flow import control, recurrent
