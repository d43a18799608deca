// The digits that hosts train on, and the state that they leave.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeSafetensors } from "../../web/src/safetensors.js";

/** MNIST's files: a header of 16 or 8 bytes, then one byte for each pixel or label. */
export function readDigits(folder, part) {
  const pixels = readFileSync(join(folder, `${part}-images-idx3-ubyte`)).subarray(16);
  const labels = readFileSync(join(folder, `${part}-labels-idx1-ubyte`)).subarray(8);
  return {
    slice: (start = 0, end = labels.length) => ({
      images: pixels.subarray(28 * 28 * start, 28 * 28 * end),
      labels: BigInt64Array.from(labels.subarray(start, end), BigInt),
      count: end - start,
    }),
  };
}

/** The bytes of a safetensors file. state: {name: a tensor of ONNX Runtime}. */
export function safetensors(state) {
  const described = Object.entries(state).map(([name, { type, dims, data }]) => [
    name,
    { dtype: type, shape: dims, data },
  ]);
  return writeSafetensors(Object.fromEntries(described));
}
