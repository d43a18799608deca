"""The operators of ONNX, one function each, by topic; importing this fills `registry.TABLE`.

They are written with the operations that users have too (`lenetc.operations`, `lenetc.nn.functional`).

They may import `registry`, `records`, `values`, `dtypes` and `errors` beside this.
"""

from lenetc.importer.operators import (
    activations,
    attention,
    creation,
    cumulative,
    dropout,
    elementwise,
    flow,
    images,
    indexing,
    losses,
    microsoft,
    ml,
    normalization,
    on_host,
    products,
    quantization,
    random,
    reductions,
    sequences,
    shaping,
    windows,
)
