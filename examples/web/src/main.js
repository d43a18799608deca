// The page: what is shown, and what the buttons do. The training itself is in worker.js.

import { Chart } from "./chart.js";
import { pixelsOf } from "./digits.js";
import { Pad, toCanvas } from "./drawing.js";
import { Trainer } from "./trainer.js";

const SAMPLE = 48; // digits in the grid
const $ = (id) => document.getElementById(id);
const percent = (part, digits = 1) => `${(100 * part).toFixed(digits)} %`;
const base = new URL("./", document.baseURI);

const PROMPT = $("answer").textContent;

let trainer, opened, predictions;
let drawing = null; // pixels on the pad
let running = false;
let mistakesOnly = false;

const chart = new Chart($("chart"));
const pad = new Pad($("pad"), drew);

$("bars").append(
  ...Array.from({ length: 10 }, (_, digit) => {
    const row = document.createElement("li");
    row.innerHTML = `<span>${digit}</span><div><i></i></div><b></b>`;
    return row;
  }),
);

async function open(provider, state) {
  setBusy(true);
  say(state ? "Changing where it runs …" : "Loading ONNX Runtime and the digits …");
  trainer?.close();
  trainer = new Trainer(news);
  try {
    opened = await trainer.ask("open", { base: base.href, provider });
  } catch (error) {
    if (provider) throw error;
    return open("wasm"); // there is a GPU, but it does not do
  }
  if (state) await trainer.ask("load", { buffer: state.buffer });
  await trainer.ask("draw", { pixels: drawing });
  $("provider").value = opened.provider;
  $("provider").querySelector("[value=webgpu]").disabled = !opened.gpu;
  if (!state) {
    $("rate").value = Math.log10(opened.lr);
    showRate(opened.lr);
  } else {
    trainer.ask("rate", { lr: rate() });
  }
  showGrid();
  setBusy(false);
  await setRunning(true);
}

const news = {
  jump() {
    chart.clear();
    $("speed").textContent = $("loss").textContent = "–";
  },
  progress({ step, losses, perSecond, drawn }) {
    const epochs = (step * opened?.batch) / opened?.digits.trained || 0;
    $("step").textContent = step.toLocaleString("en");
    $("epoch").textContent = `(epoch ${epochs.toFixed(1)})`;
    if (losses.length) {
      chart.losses(step, losses);
      $("loss").textContent = (losses.reduce((sum, loss) => sum + loss, 0) / losses.length).toFixed(3);
      $("speed").textContent = Math.round(perSecond * opened.batch).toLocaleString("en");
    }
    if (drawn) showAnswer(drawn);
  },
  accuracy({ step, accuracy, predictions: digits }) {
    predictions = digits;
    $("accuracy").textContent = percent(accuracy);
    $("accuracy").dataset.step = step;
    chart.accuracy(step, accuracy);
    showGrid();
  },
  failed({ error }) {
    running = false;
    $("run").textContent = "Train";
    failed(`Training stopped: ${error}`);
  },
};

async function setRunning(value) {
  running = value;
  $("run").textContent = running ? "Pause" : "Train";
  await trainer.ask("run", { running });
  say(running ? "Learning" : "Paused");
}

function setBusy(busy) {
  for (const id of ["run", "restart", "rate", "provider", "save", "load", "model"]) $(id).disabled = busy;
}

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").dataset.kind = wrong ? "wrong" : running ? "running" : "";
}

function failed(error) {
  say(`${error.message ?? error}`, true);
}

const rate = () => Number((10 ** $("rate").value).toPrecision(2));
function showRate(value) {
  $("rate-value").textContent = value;
}

let asking = false;
/** Ask about the latest drawing, one question at a time: a pen moves faster than the net answers. */
async function drew(pixels) {
  drawing = pixels;
  $("pad-hint").hidden = Boolean(pixels);
  $("clear").hidden = !pixels;
  if (!pixels) showAnswer(null);
  if (asking || !opened) return;
  asking = true;
  for (let asked; asked !== drawing; ) {
    asked = drawing;
    await trainer.ask("draw", { pixels: asked }).catch(failed);
  }
  asking = false;
}

function showAnswer(parts) {
  const best = parts?.indexOf(Math.max(...parts));
  [...$("bars").children].forEach((row, digit) => {
    const part = parts?.[digit] ?? 0;
    row.classList.toggle("best", digit === best);
    row.querySelector("i").style.width = `${100 * part}%`;
    row.querySelector("b").textContent = parts ? percent(part, 0) : "";
  });
  const said = best === undefined ? PROMPT : `It sees a <strong>${best}</strong>`;
  if ($("answer").innerHTML !== said) $("answer").innerHTML = said; // or a screen reader says it again and again
}

function showGrid() {
  const { digits } = opened ?? {};
  if (!digits || !predictions) return;
  const label = (index) => digits.labels[digits.trained + index];
  const all = Array.from(predictions, (_, index) => index);
  const chosen = (mistakesOnly ? all.filter((index) => predictions[index] !== label(index)) : all).slice(0, SAMPLE);
  $("grid-empty").hidden = chosen.length > 0;
  const cells = $("grid").children;
  while (cells.length > chosen.length) cells[cells.length - 1].remove();
  while (cells.length < chosen.length) $("grid").append(newCell());
  chosen.forEach((index, place) => {
    const button = cells[place].firstChild;
    const right = predictions[index] === label(index);
    if (button.dataset.index !== String(index)) {
      button.dataset.index = index;
      const context = button.firstChild.getContext("2d");
      context.clearRect(0, 0, 28, 28);
      context.drawImage(toCanvas(pixelsOf(digits, digits.trained + index)), 0, 0);
    }
    button.classList.toggle("wrong", !right);
    button.lastChild.textContent = right ? predictions[index] : `${predictions[index]} ✗`;
    button.ariaLabel = `A ${label(index)}, taken for a ${predictions[index]}. Put it on the pad`;
  });
}

function newCell() {
  const cell = document.createElement("li");
  cell.innerHTML = '<button><canvas width="28" height="28"></canvas><span></span></button>';
  cell.firstChild.addEventListener("click", ({ currentTarget }) => {
    pad.show(pixelsOf(opened.digits, opened.digits.trained + Number(currentTarget.dataset.index)));
  });
  return cell;
}

function download(bytes, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const on = (id, event, action) => $(id).addEventListener(event, (happened) => action(happened)?.catch?.(failed));

on("run", "click", () => setRunning(!running));
on("restart", "click", async () => {
  await trainer.ask("restart");
  if (!running) await setRunning(true);
});
on("rate", "input", () => {
  showRate(rate());
  return trainer.ask("rate", { lr: rate() });
});
on("provider", "change", async () => {
  const state = await trainer.ask("save");
  await open($("provider").value, state);
});
on("clear", "click", () => pad.clear());
for (const [id, value] of [["show-sample", false], ["show-mistakes", true]]) {
  on(id, "click", () => {
    mistakesOnly = value;
    $("show-sample").ariaPressed = String(!value);
    $("show-mistakes").ariaPressed = String(value);
    showGrid();
  });
}
on("save", "click", async () => download(await trainer.ask("save"), "lenet.safetensors"));
on("model", "click", async () => download(await trainer.ask("model"), "lenet.onnx"));
on("load", "click", () => $("file").click());
on("file", "change", async () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (!file) return;
  await setRunning(false);
  try {
    await trainer.ask("load", { buffer: await file.arrayBuffer() });
    say(`Loaded ${file.name}`);
  } catch (error) {
    failed(new Error(`${file.name} was not loaded: ${error.message}`));
  }
});

// A service worker keeps the files, so that the page opens without a network from then on.
if ("serviceWorker" in navigator) {
  await navigator.serviceWorker.register("sw.js").then(() => navigator.serviceWorker.ready, () => null);
}
open(new URLSearchParams(location.search).get("provider") ?? undefined).catch(failed);
