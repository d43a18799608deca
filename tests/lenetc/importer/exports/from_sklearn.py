"""Writes sklearn_*.onnx: python from_sklearn.py (with scikit-learn 1.9 and skl2onnx 1.20)"""

from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

x, y = make_classification(400, 8, n_informative=6, n_classes=3, random_state=0)
x = x.astype(np.float32)
models = {
    "mlp": make_pipeline(StandardScaler(), MLPClassifier((16, 8), max_iter=80, random_state=0)),
    "logistic": LogisticRegression(),
}
for name, model in models.items():
    model.fit(x, y)
    made = to_onnx(model, x[:1], options={"zipmap": False}, target_opset=17)
    Path(__file__).with_name(f"sklearn_{name}.onnx").write_bytes(made.SerializeToString())
