// The training loop. It runs in a worker, so that the page answers while the net learns.
//
// Requests are {id, kind, ...} and are answered by {id, value} or {id, error}; news are {news, ...}.

import { Artifact } from "./artifact.js";
import { batches, images, loadDigits, pixelsOf } from "./digits.js";
import { bake } from "./onnx.js";
import { hasGpu, loadRuntime } from "./runtime.js";
import { readSafetensors, writeSafetensors } from "./safetensors.js";

const BATCH = 64;
const NEWS_EVERY = 250; // milliseconds
const EVALUATION_SHARE = 0.25; // of the time, at most
const CHUNK = 100; // digits evaluated at once

let artifact, digits, feed, drawing;
let running = false;
let step = 0;
let lr;
let losses = [];
let spent = 0; // milliseconds in training steps since the last news
let lastNews = 0;
let nextEvaluation = 0;
let evaluation; // {step, began, predictions, done}, where one is under way

const answers = {
  async open({ base, provider }) {
    const gpu = await hasGpu();
    const wanted = provider ?? (gpu ? "webgpu" : "wasm");
    const [runtime, loaded] = await Promise.all([
      loadRuntime(wanted, new URL("vendor/", base)),
      loadDigits(new URL("digits.bin", base)),
    ]);
    digits = loaded;
    feed = batches(digits, BATCH);
    artifact = await Artifact.open(new URL("model/", base), runtime);
    lr = artifact.manifest.hyperparameters.find(({ name }) => name === "lr").default;
    await artifact.start(seed());
    startEvaluation();
    return { provider: runtime.provider, gpu, lr, digits, batch: BATCH };
  },
  async restart() {
    await artifact.start(seed());
    jump(0);
  },
  async run(request) {
    running = request.running;
    if (running) return;
    await news();
    startEvaluation();
  },
  rate(request) {
    lr = request.lr;
  },
  async draw(request) {
    drawing = request.pixels;
    if (!running) await news();
  },
  async save() {
    return writeSafetensors(await artifact.readState(), { format: "pt", step: String(step) });
  },
  async load({ buffer }) {
    const { tensors, metadata } = readSafetensors(buffer);
    artifact.writeState(tensors);
    jump(Number(metadata.step) || 0);
  },
  async model() {
    const { file, state } = artifact.manifest.models.eval;
    const model = new Uint8Array(await (await fetch(new URL(file, artifact.folder))).arrayBuffer());
    const all = await artifact.readState();
    return bake(model, Object.fromEntries(state.map((name) => [name, all[name]])));
  },
};

function seed() {
  return Math.floor(Math.random() * 2 ** 31);
}

/** Another state than the last step's: start the curves at this step. */
function jump(to) {
  step = to;
  losses = [];
  postMessage({ news: "jump", step });
  startEvaluation();
}

async function train() {
  const began = performance.now();
  const { loss } = await artifact.step(feed.next().value, { lr });
  step += 1;
  losses.push(loss.data[0]);
  spent += performance.now() - began;
  if (performance.now() >= nextEvaluation) startEvaluation();
}

/** Tell the losses since the last time, and what the net now makes of the drawing. */
async function news() {
  const drawn = drawing && softmax(await scores([drawing]));
  postMessage({ news: "progress", step, losses, perSecond: losses.length / (spent / 1000), drawn });
  losses = [];
  spent = 0;
  lastNews = performance.now();
}

function startEvaluation() {
  evaluation = { step, began: performance.now(), predictions: new Uint8Array(digits.heldOut), done: 0 };
}

/** Recognize the next of the held-out digits; after the last, tell how many were right. */
async function evaluate() {
  const { predictions, done: start, began } = evaluation;
  const size = Math.min(CHUNK, digits.heldOut - start);
  const chunk = Array.from({ length: size }, (_, index) => pixelsOf(digits, digits.trained + start + index));
  const values = await scores(chunk);
  for (let index = 0; index < size; index++) {
    const row = values.subarray(index * 10, (index + 1) * 10);
    predictions[start + index] = row.indexOf(Math.max(...row));
  }
  evaluation.done += size;
  if (evaluation.done < digits.heldOut) return;
  evaluation = null;
  const right = predictions.filter((digit, index) => digit === digits.labels[digits.trained + index]).length;
  await news();
  postMessage({ news: "accuracy", step, accuracy: right / digits.heldOut, predictions });
  nextEvaluation = performance.now() + (performance.now() - began) / EVALUATION_SHARE;
}

async function scores(chosen) {
  const [result] = artifact.manifest.models.eval.results;
  return (await artifact.evaluate({ images: images(chosen) }))[result.name].data;
}

function softmax(values) {
  const largest = Math.max(...values);
  const exponentials = Array.from(values, (value) => Math.exp(value - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

// One thing at a time: requests come first, then the evaluation of this step, then the next step.
const requests = [];
let busy = false;
const { port1, port2 } = new MessageChannel();
const nextTask = () => new Promise((resolve) => ((port1.onmessage = resolve), port2.postMessage(null)));

async function work() {
  if (busy) return;
  busy = true;
  while (requests.length || evaluation || running) {
    if (requests.length) await answer(requests.shift());
    else {
      try {
        await (evaluation ? evaluate() : train());
        if (performance.now() - lastNews >= NEWS_EVERY) await news();
      } catch (error) {
        running = false;
        evaluation = null;
        postMessage({ news: "failed", error: String(error?.message ?? error) });
      }
    }
    await nextTask();
  }
  busy = false;
}

async function answer({ id, kind, ...request }) {
  try {
    postMessage({ id, value: await answers[kind](request) });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
}

onmessage = ({ data }) => {
  requests.push(data);
  work();
};
