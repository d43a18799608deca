// What both sides do: train on the digits in their order, ask about the held-out ones every 25 steps, stop at 95 %.

import { images, loadDigits, pixelsOf } from "../dist/digits.js";
import { readSafetensors } from "../dist/safetensors.js";

export const BATCH = 64;
export const RATE = 0.03;
export const MOMENTUM = 0.9;
const EVERY = 25;
const GOAL = 0.95;
const CHUNK = 500;

/**
 * prepare(tensors): makes {step(images, labels) -> loss, scores(images) -> [N,10], flat} of the weights to begin from;
 * images are {shape, data}, labels a Uint8Array. What comes out is put where measure.js finds it.
 */
export async function race(prepare) {
  const digits = await loadDigits(new URL("../dist/digits.bin", import.meta.url));
  const state = await (await fetch(new URL("../dist/model/state.safetensors", import.meta.url))).arrayBuffer();
  const { step, scores } = await prepare(readSafetensors(state).tensors);
  const chosen = (start, size) => ({
    images: images(Array.from({ length: size }, (_, index) => pixelsOf(digits, start + index))),
    labels: digits.labels.subarray(start, start + size),
  });
  const losses = [];
  const times = []; // of steps, in milliseconds
  // Seconds count from the beginning of the navigation.
  const result = (globalThis.result = { losses, times, accuracy: 0, readyAfter: performance.now() / 1000 });
  while (result.accuracy < GOAL) {
    const { images, labels } = chosen((losses.length * BATCH) % digits.trained, BATCH);
    const began = performance.now();
    losses.push(await step(images, labels));
    times.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve)); // so that measure.js can look
    if (losses.length % EVERY) continue;
    let right = 0;
    for (let start = 0; start < digits.heldOut; start += CHUNK) {
      const { images, labels } = chosen(digits.trained + start, CHUNK);
      const values = await scores(images);
      labels.forEach((label, index) => {
        const row = values.subarray(index * 10, (index + 1) * 10);
        right += row.indexOf(Math.max(...row)) === label;
      });
    }
    result.accuracy = right / digits.heldOut;
    console.log(`step ${losses.length}: loss ${losses.at(-1).toFixed(4)}, ${(100 * result.accuracy).toFixed(1)} %`);
  }
  result.goalAfter = performance.now() / 1000;
}
