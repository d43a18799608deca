"""Operators of shapes and places beside ONNX Runtime: on tensors, and computed of constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lenetc.importer.operators.single import compared

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4, 2)).astype(np.float32)
K = RNG.integers(-9, 9, (3, 4, 2))
COLUMNS = RNG.random((1, 4, 9), np.float32)
IMAGE = RNG.standard_normal((1, 2, 4, 5)).astype(np.float32)
FAR = 2**63 - 1


def _i(*numbers: int) -> Any:
    return np.array(numbers, np.int64)


def _f(*numbers: float) -> Any:
    return np.array(numbers, np.float32)


def _resize(opset: int, scales: Any = None, sizes: Any = None, roi: Any = None, **attributes: Any) -> Any:
    inputs = [IMAGE, roi, scales] if sizes is None else [IMAGE, roi, None, sizes]
    return ("Resize", inputs, attributes, opset, 1, range(1, 4))


# Operator, inputs, attributes, opset, outputs, and the inputs that are constants.
CASES: list[tuple[str, list[Any], dict[str, Any], int, int, Any]] = [
    ("Slice", [K, _i(-1, 5), _i(FAR, -FAR), _i(0, 1), _i(-1, -2)], {}, 13, 1, (1, 2, 3, 4)),
    ("Slice", [K, _i(-9), _i(FAR), _i(1), _i(-1)], {}, 10, 1, (1, 2, 3, 4)),
    ("Slice", [X], {"starts": [1, -1], "ends": [2**31 - 1, 9], "axes": [1, 2]}, 9, 1, ()),
    ("Split", [X], {"axis": -2, "split": [1, 0, 3]}, 11, 3, ()),
    ("Split", [K], {"axis": 0, "num_outputs": 2}, 18, 2, ()),
    ("Reshape", [K, _i(0, -1)], {}, 14, 1, (1,)),
    ("Squeeze", [X[:, None, :, :1], _i(-1)], {}, 13, 1, (1,)),
    ("Unsqueeze", [X, _i(-1, 1)], {}, 13, 1, (1,)),
    ("Expand", [X[:, :1], _i(2, 1, 4, 1)], {}, 13, 1, (1,)),
    ("Tile", [K, _i(1, 2, 3)], {}, 13, 1, (1,)),
    ("Pad", [K, _i(1, -1, 0, 2, 0, 1), np.array(7)], {}, 13, 1, (1, 2)),
    ("Pad", [X, _i(2, 1, 2, 3), None, _i(0, -2)], {"mode": "reflect"}, 18, 1, (1, 3)),
    ("Pad", [X, _i(4, 0, -1, 0, 5, 3)], {"mode": "wrap"}, 19, 1, (1,)),
    ("Pad", [X], {"mode": "edge", "pads": [0, 0, 1, 1, 2, 0]}, 10, 1, ()),
    ("Gather", [K, np.array([[0, -1]])], {"axis": 1}, 13, 1, (1,)),
    ("GatherElements", [X, np.array([[[0, -1]], [[1, 2]]])], {"axis": 1}, 13, 1, ()),
    ("GatherND", [X, np.array([[[0], [-1]], [[1], [3]], [[2], [2]]])], {"batch_dims": 1}, 13, 1, ()),
    (
        "ScatterElements",
        [K, np.array([[[1, -1]]]), _i(5, 6).reshape(1, 1, 2)],
        {"reduction": "mul"},
        16,
        1,
        (),
    ),
    ("ScatterND", [X, np.array([[0, 1], [0, 1]]), X[0, :2]], {"reduction": "min"}, 18, 1, ()),
    ("OneHot", [np.array([1, -1, 9]), np.array(4), _f(0.5, 2)], {"axis": 0}, 11, 1, (1,)),
    ("TopK", [X, _i(2)], {"axis": 1, "largest": 0}, 11, 2, (1,)),
    ("ArgMax", [np.sign(X)], {"axis": 1, "select_last_index": 1, "keepdims": 0}, 13, 1, ()),
    ("Unique", [np.sign(K)], {"axis": 1, "sorted": 0}, 11, 4, ()),
    ("Compress", [X, np.array([True, False, True])], {"axis": 1}, 11, 1, ()),
    ("Trilu", [X, np.array(-1)], {"upper": 0}, 14, 1, (1,)),
    ("Range", [np.array(7), np.array(-2), np.array(-3)], {}, 11, 1, (0, 1, 2)),
    ("EyeLike", [X[0]], {"k": -1, "dtype": 7}, 9, 1, ()),
    ("DepthToSpace", [np.tile(IMAGE, (1, 2, 1, 1))], {"blocksize": 2, "mode": "CRD"}, 13, 1, ()),
    ("CumSum", [X, np.array(1)], {"exclusive": 1, "reverse": 1}, 14, 1, (1,)),
    ("ReverseSequence", [X, _i(2, 1, 4)], {"batch_axis": 0, "time_axis": 1}, 10, 1, ()),
    ("CenterCropPad", [X, _i(5, 1)], {"axes": [0, 1]}, 18, 1, (1,)),
    ("Col2Im", [RNG.random((1, 6, 6), np.float32), _i(7), _i(2)], {}, 18, 1, (1, 2)),
    (
        "Col2Im",
        [RNG.random((1, 4, 9), np.float32), _i(5, 5), _i(2, 2)],
        {"pads": [0, 1, 1, 0], "strides": [2, 2]},
        18,
        1,
        (1, 2),
    ),
    (
        "GridSample",
        [IMAGE, RNG.uniform(-1.2, 1.2, (1, 2, 3, 2)).astype(np.float32)],
        {"mode": "cubic"},
        20,
        1,
        (),
    ),
    ("AffineGrid", [RNG.random((1, 2, 3), np.float32), _i(1, 2, 3, 4)], {"align_corners": 1}, 20, 1, (1,)),
    ("HammingWindow", [np.array(6)], {"periodic": 0}, 17, 1, (0,)),
    ("Upsample", [IMAGE, _f(1, 1, 1.5, 2)], {"mode": "linear"}, 9, 1, (1,)),
    ("Resize", [IMAGE, _f(1, 1, 0.6, 1.5)], {"mode": "nearest"}, 10, 1, (1,)),
    _resize(13, _f(1, 1, 0.7, 1.5), mode="linear", coordinate_transformation_mode="align_corners"),
    _resize(13, sizes=_i(1, 2, 3, 7), mode="cubic", coordinate_transformation_mode="pytorch_half_pixel"),
    _resize(13, _f(1, 1, 1, 2.5), nearest_mode="ceil", coordinate_transformation_mode="asymmetric"),
    _resize(18, sizes=_i(3, 3), axes=[2, 3], mode="cubic", antialias=1, exclude_outside=1),
    _resize(18, sizes=_i(8, 8), axes=[3, 2], mode="linear", keep_aspect_ratio_policy="not_larger"),
    _resize(19, _f(1, 1, 0.6, 1.3), mode="linear", coordinate_transformation_mode="half_pixel_symmetric"),
    _resize(
        13,
        sizes=_i(1, 2, 3, 3),
        roi=_f(0, 0, 0.2, -0.1, 1, 1, 0.8, 1.2),
        mode="linear",
        extrapolation_value=9.0,
        coordinate_transformation_mode="tf_crop_and_resize",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[3]}")
def test_results_are_those_of_onnx_runtime(case: Any) -> None:
    operator, inputs, attributes, opset, outputs, fixed = case
    assert compared(operator, inputs, attributes, opset, outputs, fixed) == ""
    # The same of the file's own values alone.
    assert compared(operator, inputs, attributes, opset, outputs, range(len(inputs))) == ""
