// Put weights into an ONNX model: its inputs of these names become initializers.
//
// Protocol buffers are a sequence of (field number << 3 | wire type, content); what is not understood is copied.
// Numbers of fields: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

const MODEL_GRAPH = 7;
const GRAPH_INITIALIZER = 5;
const GRAPH_INPUT = 11;
const VALUE_NAME = 1;
const TYPES = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9, float64: 11, uint32: 12, uint64: 13 };

/** model: Uint8Array, with the weights among its inputs. weights: {name: {dtype, shape, data}}. */
export function bake(model, weights) {
  const parts = [];
  for (const field of fields(model)) {
    if (field.number !== MODEL_GRAPH) {
      parts.push(field.bytes);
      continue;
    }
    const graph = [];
    for (const inner of fields(field.content)) {
      if (inner.number === GRAPH_INPUT && valueName(inner.content) in weights) continue;
      graph.push(inner.bytes);
    }
    for (const [name, tensor] of Object.entries(weights)) graph.push(message(GRAPH_INITIALIZER, initializer(name, tensor)));
    parts.push(message(MODEL_GRAPH, join(graph)));
  }
  return join(parts);
}

function initializer(name, { dtype, shape, data }) {
  return join([
    ...shape.map((dim) => join([varint(1 << 3), varint(dim)])),
    join([varint(2 << 3), varint(TYPES[dtype])]),
    message(8, new TextEncoder().encode(name)),
    message(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ]);
}

function valueName(value) {
  for (const field of fields(value)) if (field.number === VALUE_NAME) return new TextDecoder().decode(field.content);
}

function* fields(bytes) {
  let at = 0;
  const number = () => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const start = at;
    const tag = number();
    const wire = tag & 7;
    let from = at;
    if (wire === 0) number();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = number();
      from = at;
      at += length;
    } else throw new Error(`this is no ONNX model: wire type ${wire}`);
    yield { number: tag >>> 3, content: bytes.subarray(from, at), bytes: bytes.subarray(start, at) };
  }
}

function message(number, content) {
  return join([varint((number << 3) | 2), varint(content.length), content]);
}

function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Uint8Array.of(...bytes, value);
}

function join(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
