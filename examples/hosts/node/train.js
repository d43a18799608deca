// Train an exported LeNet in Node: node train.js onnxruntime-node ARTIFACT DIGITS OUT.safetensors
// With onnxruntime-web in its place the same runs in WebAssembly.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readDigits, safetensors } from "./files.js";

const [runtime, artifact, digits, out] = process.argv.slice(2);
const { InferenceSession, Tensor } = await import(runtime);
const manifest = JSON.parse(readFileSync(join(artifact, "manifest.json"), "utf8"));
const options = {
  executionProviders: ["cpu"],
  intraOpNumThreads: manifest.session_options.intra_op_num_threads,
  graphOptimizationLevel: manifest.session_options.graph_optimization_level,
  enableCpuMemArena: manifest.session_options.cpu_memory_arena,
};

/** A function of (state, inputs and hyperparameters by name) that gives [results, new state]. */
async function model(name) {
  const entry = manifest.models[name];
  const session = await InferenceSession.create(readFileSync(join(artifact, entry.file)), options);
  return async (state, feeds) => {
    const read = Object.fromEntries(entry.state.map((key) => [key, state[key]]));
    const found = await session.run({ ...feeds, ...read });
    const updates = Object.entries(entry.updates).map(([key, output]) => [key, found[output]]);
    return [found, { ...state, ...Object.fromEntries(updates) }];
  };
}

const [init, train, evaluate] = await Promise.all(["init", "train", "eval"].map(model));
const rates = Object.fromEntries(
  manifest.hyperparameters.map(({ name, dtype, default: value }) => [name, new Tensor(dtype, [value], [])]),
);
let results;
let [, state] = await init({}, { seed: new Tensor("int64", [0n], []) });
const learned = readDigits(digits, "train");
for (let step = 0; step < 50; step++) {
  const { images, labels } = learned.slice(64 * step, 64 * (step + 1));
  [results, state] = await train(state, {
    images: new Tensor("uint8", images, [64, 28, 28]),
    labels: new Tensor("int64", labels, [64]),
    ...rates,
  });
  console.log(`step ${step} loss ${results.loss.data[0].toFixed(6)}`);
}
const { images, labels, count } = readDigits(digits, "t10k").slice();
[results] = await evaluate(state, {
  images: new Tensor("uint8", images, [count, 28, 28]),
  labels: new Tensor("int64", labels, [count]),
});
console.log(`test loss ${results.loss.data[0].toFixed(6)}, ${results.correct.data[0]} of ${count} recognized`);
writeFileSync(out, safetensors(state));
