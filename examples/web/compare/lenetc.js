import { Artifact } from "../dist/artifact.js";
import { loadRuntime } from "../dist/runtime.js";
import { RATE, race } from "./race.js";

race(async (tensors) => {
  const dist = new URL("../dist/", import.meta.url);
  const runtime = await loadRuntime("wasm", new URL("vendor/", dist));
  const artifact = await Artifact.open(new URL("model/", dist), runtime);
  artifact.writeState(tensors);
  return {
    async step(images, labels) {
      const targets = { shape: [labels.length], data: BigInt64Array.from(labels, BigInt) };
      return (await artifact.step({ images, labels: targets }, { lr: RATE })).loss.data[0];
    },
    scores: async (images) => (await artifact.evaluate({ images })).output.data,
  };
});
