// The curves: the loss of each step, its running mean, and the accuracy on held-out digits.

import uPlot from "./vendor/uPlot.esm.js";

const SMOOTHING = 0.9;
const MOST_POINTS = 4000; // then every other one is dropped

export class Chart {
  #plot;
  #host;
  #rows = []; // [step, loss, mean, accuracy]
  #mean;
  #waiting = false;

  constructor(host) {
    this.#host = host;
    this.#make();
    new ResizeObserver(() => this.#plot.setSize(this.#size())).observe(host);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#make());
  }

  clear() {
    this.#rows = [];
    this.#mean = undefined;
    this.#show();
  }

  /** Losses of the steps up to `step`. */
  losses(step, losses) {
    losses.forEach((loss, index) => {
      this.#mean = this.#mean === undefined ? loss : SMOOTHING * this.#mean + (1 - SMOOTHING) * loss;
      this.#rows.push([step - losses.length + 1 + index, loss, this.#mean, null]);
    });
    if (this.#rows.length > MOST_POINTS) {
      this.#rows = this.#rows.filter(([, , , accuracy], index) => index % 2 || accuracy !== null);
    }
    this.#show();
  }

  accuracy(step, accuracy) {
    const last = this.#rows.at(-1);
    if (last?.[0] === step) last[3] = 100 * accuracy;
    else this.#rows.push([step, null, null, 100 * accuracy]);
    this.#show();
  }

  #show() {
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      this.#plot.setData(this.#columns());
    });
  }

  #columns() {
    return [0, 1, 2, 3].map((column) => this.#rows.map((row) => row[column]));
  }

  #size() {
    return { width: this.#host.clientWidth, height: this.#host.clientHeight };
  }

  #make() {
    this.#plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const font = `12px ${style.fontFamily}`;
    const axis = { stroke: colour("muted"), font, ticks: { show: false }, grid: { stroke: colour("line"), width: 1 } };
    const options = {
      ...this.#size(),
      scales: {
        x: { time: false, range: (_, low, high) => [0, Math.max(high ?? 0, 50)] },
        loss: { range: (_, low, high) => [0, Math.max(high ?? 0, 0.5) * 1.02] },
        accuracy: { range: [0, 100] },
      },
      axes: [
        { ...axis, size: 32, space: 60, grid: { show: false } },
        { ...axis, scale: "loss", size: 44, space: 50, values: (_, ticks) => ticks.map((tick) => tick.toFixed(1)) },
        {
          ...axis, scale: "accuracy", side: 1, size: 50, space: 50, grid: { show: false },
          values: (_, ticks) => ticks.map((tick) => `${tick} %`),
        },
      ],
      series: [
        {},
        { scale: "loss", stroke: colour("loss-faint"), width: 1, spanGaps: true, points: { show: false } },
        { scale: "loss", stroke: colour("loss"), width: 2, spanGaps: true, points: { show: false } },
        {
          scale: "accuracy", stroke: colour("accent"), width: 2, spanGaps: true,
          points: { show: true, size: 6, fill: colour("accent") },
        },
      ],
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      legend: { show: false }, // the page has one
    };
    this.#plot = new uPlot(options, this.#columns(), this.#host);
  }
}
