"""The operators of ONNX, one function each, by topic; importing this fills `registry.TABLE`.

They are written with the operations that users have too (`lenetc.operations`, `lenetc.nn.functional`).
"""

from lenetc.importer.operators import (
    activations,
    control,
    convolutions,
    creation,
    elementwise,
    indexing,
    normalization,
    on_host,
    pools,
    products,
    recurrent,
    reductions,
    shaping,
)
