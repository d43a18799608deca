"""Writes keras.onnx: python from_keras.py (with tensorflow-cpu 2.21 and tf2onnx 1.17)"""

from pathlib import Path

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from keras import Sequential, layers

tf.random.set_seed(0)
model = Sequential(
    [
        layers.Input((12, 12, 1)),
        layers.Conv2D(6, 3, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.SeparableConv2D(8, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.2),
        layers.Dense(5),
    ]
)
model(np.random.rand(8, 12, 12, 1).astype("float32"), training=True)
signature = [tf.TensorSpec((None, 12, 12, 1), tf.float32, name="image")]
model.output_names = ["scores"]
made, _ = tf2onnx.convert.from_function(
    tf.function(lambda image: model(image, training=False)), signature, opset=17
)
onnx.save(made, Path(__file__).parent / "keras.onnx")
