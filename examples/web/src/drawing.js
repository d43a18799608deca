// A pad to draw a digit on. What the net gets is made as MNIST was: the digit fits into 20x20 pixels of the 28x28,
// with its centre of mass in the middle.

import { SIDE } from "./digits.js";

const BOX = 20;
const PEN = 0.085; // of the pad's width
const MNIST_PEN = 2.4; // pixels of 28

export class Pad {
  #canvas;
  #context;
  #strokes = []; // lists of [x, y], 0 to 1
  #shown; // pixels of a digit that was not drawn

  /** changed(pixels): called while one draws, and with null for an empty pad. */
  constructor(canvas, changed) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.changed = changed;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      if (this.#shown) this.clear();
      this.#strokes.push([this.#point(event)]);
      this.#drew();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!event.buttons || !this.#strokes.length || !canvas.hasPointerCapture(event.pointerId)) return;
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.#strokes.at(-1).push(this.#point(each));
      this.#drew();
    });
    new ResizeObserver(() => this.#paint()).observe(canvas);
  }

  clear() {
    this.#strokes = [];
    this.#shown = null;
    this.#paint();
    this.changed(null);
  }

  /** Put a digit of 28x28 pixels on the pad. */
  show(pixels) {
    this.#strokes = [];
    this.#shown = pixels;
    this.#paint();
    this.changed(pixels);
  }

  #point(event) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  #drew() {
    this.#paint();
    this.changed(toPixels(this.#strokes));
  }

  #paint() {
    const canvas = this.#canvas;
    const side = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.width = canvas.height = side;
    if (this.#shown) {
      this.#context.imageSmoothingEnabled = false;
      this.#context.drawImage(toCanvas(this.#shown), 0, 0, side, side);
    } else {
      trace(this.#context, this.#strokes, ([x, y]) => [x * side, y * side], PEN * side);
    }
  }
}

/** A canvas of 28x28 with the digit in white. */
export function toCanvas(pixels) {
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const image = new ImageData(SIDE, SIDE);
  pixels.forEach((value, index) => image.data.set([255, 255, 255, value], 4 * index));
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function toPixels(strokes) {
  const points = strokes.flat();
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const scale = (BOX - MNIST_PEN) / Math.max(right - left, bottom - top, 0.2); // a dot stays a dot
  const centre = SIDE / 2;
  const render = (shiftX, shiftY) => {
    const context = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
    const place = ([x, y]) => [
      (x - (left + right) / 2) * scale + centre + shiftX,
      (y - (top + bottom) / 2) * scale + centre + shiftY,
    ];
    trace(context, strokes, place, MNIST_PEN);
    return Uint8Array.from({ length: SIDE * SIDE }, ((data) => (_, index) => data[4 * index + 3])(
      context.getImageData(0, 0, SIDE, SIDE).data,
    ));
  };
  const pixels = render(0, 0);
  let [sum, sumX, sumY] = [0, 0, 0];
  pixels.forEach((value, index) => {
    sum += value;
    sumX += value * ((index % SIDE) + 0.5);
    sumY += value * (Math.floor(index / SIDE) + 0.5);
  });
  return render(centre - sumX / sum, centre - sumY / sum);
}

function trace(context, strokes, place, width) {
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = width;
  context.strokeStyle = "white";
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...place(stroke[0]));
    for (const point of stroke) context.lineTo(...place(point));
    context.stroke();
  }
}
