"""What is done many times, or only under a condition: control flow and recurrent layers."""

from lenetc.importer.operators.flow import control, recurrent
