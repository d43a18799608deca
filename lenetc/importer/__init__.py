"""From forward ONNX files to modules: read, sorted into what is trained and what is not, run over tensors.

It may import what stands below artifacts. `onnx` is imported in `files` alone, which is imported where a file is read.
"""

from lenetc.importer.door import from_onnx as from_onnx
from lenetc.importer.examine import examine as examine
