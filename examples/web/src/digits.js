// The digits that the net learns from and is tested on, and what it sees of them.

export const SIDE = 28;

/** Digits of a gzipped file: u32 number of digits to train with, u32 number of the others; pixels; labels. */
export async function loadDigits(url) {
  const packed = (await fetch(url)).body.pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(packed).arrayBuffer();
  const [trained, heldOut] = new Uint32Array(buffer, 0, 2);
  const count = trained + heldOut;
  const pixels = new Uint8Array(buffer, 8, count * SIDE * SIDE);
  const labels = new Uint8Array(buffer, 8 + pixels.length, count);
  return { pixels, labels, trained, heldOut };
}

/** Images for the net. digits: list of 28x28 pixels, 0 to 255 each. */
export function images(digits) {
  const data = new Float32Array(digits.length * SIDE * SIDE);
  digits.forEach((pixels, index) => data.set(pixels, index * SIDE * SIDE));
  return { shape: [digits.length, SIDE, SIDE], data };
}

/** Endless batches {images, labels} of the digits to train with, in a new order each epoch. */
export function* batches(digits, size) {
  const order = Uint32Array.from({ length: digits.trained }, (_, index) => index);
  for (;;) {
    for (let last = order.length - 1; last > 0; last--) {
      const other = Math.floor(Math.random() * (last + 1));
      [order[last], order[other]] = [order[other], order[last]];
    }
    for (let start = 0; start + size <= order.length; start += size) {
      const chosen = Array.from(order.subarray(start, start + size));
      yield {
        images: images(chosen.map((index) => pixelsOf(digits, index))),
        labels: { shape: [size], data: BigInt64Array.from(chosen, (index) => BigInt(digits.labels[index])) },
      };
    }
  }
}

export function pixelsOf(digits, index) {
  return digits.pixels.subarray(index * SIDE * SIDE, (index + 1) * SIDE * SIDE);
}
