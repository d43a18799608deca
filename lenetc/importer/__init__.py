"""From forward ONNX files to modules: read, sorted into what is trained and what is not, run over tensors.

It may import what stands below the compiler. `onnx` is imported by `reading` alone, which is imported where a file is
read.
"""

from lenetc.importer.door import from_onnx as from_onnx
