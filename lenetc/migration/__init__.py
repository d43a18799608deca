"""For those who come from onnxruntime-training: its calls and its checkpoints, and steps made of a file by its types.

It may import `artifact`, `importer` and what these may.
"""

from lenetc.migration.checkpoint import OrtCheckpoint as OrtCheckpoint
from lenetc.migration.checkpoint import load_ort_checkpoint as load_ort_checkpoint
from lenetc.migration.generate import LossType as LossType
from lenetc.migration.generate import OptimType as OptimType
from lenetc.migration.generate import generate_artifacts as generate_artifacts
