// The same net and optimizer in TensorFlow.js. Its images are [N,H,W,C], and so are the weights here.

/* global tf */
import { MOMENTUM, RATE, race } from "./race.js";

race(async (tensors) => {
  const backend = new URLSearchParams(location.search).get("backend");
  if (backend === "wasm") tf.wasm.setWasmPaths("node_modules/@tensorflow/tfjs-backend-wasm/dist/");
  if (backend) await tf.setBackend(backend);
  await tf.ready();
  const optimizer = tf.train.momentum(RATE, MOMENTUM);
  const weights = {};
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    if (name.endsWith("momentum_buffer")) continue;
    weights[name] = tf.tidy(() => {
      let value = tf.tensor(data, shape);
      if (shape.length === 4) value = value.transpose([2, 3, 1, 0]);
      // It flattens [H,W,C] where PyTorch flattens [C,H,W].
      if (name === "fc1.weight") value = value.reshape([120, 16, 5, 5]).transpose([0, 2, 3, 1]).reshape([120, 400]);
      if (shape.length === 2) value = value.transpose();
      return tf.variable(value);
    });
  }
  const convolved = (x, name) =>
    tf.maxPool(tf.relu(tf.add(tf.conv2d(x, weights[`${name}.weight`], 1, "valid"), weights[`${name}.bias`])), 2, 2, "valid");
  const dense = (x, name) => tf.add(tf.matMul(x, weights[`${name}.weight`]), weights[`${name}.bias`]);
  const forward = ({ shape: [count], data }) => {
    const pixels = tf.pad(tf.tensor(data, [count, 28, 28, 1]), [[0, 0], [2, 2], [2, 2], [0, 0]]);
    const images = tf.div(tf.sub(tf.div(pixels, 255), 0.1307), 0.3081);
    const x = convolved(convolved(images, "conv1"), "conv2").reshape([count, 400]);
    return dense(tf.relu(dense(tf.relu(dense(x, "fc1")), "fc2")), "fc3");
  };
  return {
    async step(images, labels) {
      const loss = tf.tidy(() => {
        const targets = tf.oneHot(tf.tensor1d(Int32Array.from(labels), "int32"), 10);
        return optimizer.minimize(() => tf.losses.softmaxCrossEntropy(targets, forward(images)), true);
      });
      const [value] = await loss.data();
      loss.dispose();
      return value;
    },
    async scores(images) {
      const output = tf.tidy(() => forward(images));
      const values = await output.data();
      output.dispose();
      return values;
    },
  };
});
