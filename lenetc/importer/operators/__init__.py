"""The operators of ONNX, one function each, by topic; importing this fills `registry.TABLE`.

They are written with the operations that users have too (`lenetc.operations`, `lenetc.nn.functional`).
"""

from lenetc.importer.operators import (
    activations,
    attention,
    control,
    creation,
    cumulative,
    dropout,
    elementwise,
    images,
    indexing,
    losses,
    microsoft,
    normalization,
    on_host,
    products,
    quantization,
    random,
    recurrent,
    reductions,
    sequences,
    shaping,
    windows,
)
