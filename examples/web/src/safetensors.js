// Safetensors: u64 length of a JSON header, the header, the data. https://github.com/huggingface/safetensors#format

const DTYPES = {
  F64: Float64Array, F32: Float32Array, I64: BigInt64Array, I32: Int32Array, I16: Int16Array, I8: Int8Array,
  U64: BigUint64Array, U32: Uint32Array, U16: Uint16Array, U8: Uint8Array, BOOL: Uint8Array,
};
const NAMES = {
  float64: "F64", float32: "F32", int64: "I64", int32: "I32", int16: "I16", int8: "I8",
  uint64: "U64", uint32: "U32", uint16: "U16", uint8: "U8", bool: "BOOL",
};
const LONG_NAMES = Object.fromEntries(Object.entries(NAMES).map(([long, short]) => [short, long]));

/** {name: {dtype, shape, data}} -> the bytes of a file. dtype in NumPy's words, data a typed array. */
export function writeSafetensors(tensors, metadata = {}) {
  const header = Object.keys(metadata).length ? { __metadata__: metadata } : {};
  let end = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: NAMES[dtype], shape, data_offsets: [end, (end += data.byteLength)] };
  }
  let json = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 + Math.ceil(json.length / 8) * 8; // so that data are aligned
  const file = new Uint8Array(start + end).fill(32, 8, start);
  new DataView(file.buffer).setBigUint64(0, BigInt(start - 8), true);
  file.set(json, 8);
  for (const [name, { data }] of Object.entries(tensors)) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start + header[name].data_offsets[0]);
  }
  return file;
}

/** The bytes of a file (an ArrayBuffer) -> {tensors, metadata}, as `writeSafetensors` takes them. Throws where it is none. */
export function readSafetensors(buffer) {
  const length = buffer.byteLength < 8 ? NaN : Number(new DataView(buffer).getBigUint64(0, true));
  if (!(length <= buffer.byteLength - 8)) throw new Error("this is no safetensors file, or a truncated one");
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(buffer, 8, length)));
  } catch {
    throw new Error("this is no safetensors file: its header is not JSON");
  }
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(entries)) {
    const kind = DTYPES[dtype];
    if (!kind) throw new Error(`${name} has dtype ${dtype}, which this page does not read`);
    const [start, end] = data_offsets;
    const size = shape.reduce((product, dim) => product * dim, 1) * kind.BYTES_PER_ELEMENT;
    if (end - start !== size || 8 + length + end > buffer.byteLength) {
      throw new Error(`${name} is truncated, or its shape [${shape}] is not that of its data`);
    }
    tensors[name] = {
      dtype: LONG_NAMES[dtype],
      shape,
      data: new kind(buffer.slice(8 + length + start, 8 + length + end)),
    };
  }
  return { tensors, metadata };
}
