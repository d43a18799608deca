"""Writes jax.onnx: python from_jax.py (with jax 0.10 and jax2onnx)"""

from pathlib import Path

import jax
import jax.numpy as jnp
import onnx
from jax2onnx import to_onnx

keys = jax.random.split(jax.random.key(0), 4)
W1, B1 = jax.random.normal(keys[0], (8, 32)) * 0.3, jax.random.normal(keys[1], (32,)) * 0.1
W2, B2 = jax.random.normal(keys[2], (32, 3)) * 0.3, jax.random.normal(keys[3], (3,)) * 0.1


def network(x):
    x = jax.nn.gelu(x @ W1 + B1)
    x = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x @ W2 + B2


onnx.save(to_onnx(network, inputs=[("B", 8)], model_name="jax"), Path(__file__).with_name("jax.onnx"))
