"""The operators of ONNX, one function each, by topic; importing this fills `registry.TABLE`.

They are written with the operations that users have too (`lenetc.operations`, `lenetc.nn.functional`).
"""

from lenetc.importer.operators import (
    activations,
    attention,
    creation,
    dropout,
    elementwise,
    indexing,
    losses,
    microsoft,
    normalization,
    on_host,
    products,
    quantization,
    random,
    reductions,
    shaping,
    windows,
)
