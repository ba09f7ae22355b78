// The byte container of all live components; pages/figures/pack.py writes it.

const VIEWS = {
  f4: Float32Array, f8: Float64Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array,
  i1: Int8Array, i2: Int16Array, i4: Int32Array,
};

/**
 * Decode a container. The message's bytes arrive at an arbitrary offset in a larger buffer, so they are copied
 * once; the arrays are views of that copy.
 * @param {Uint8Array} bytes
 * @returns {{meta: object, arrays: Object<string, ArrayBufferView>, shapes: Object<string, number[]>}}
 */
export function unpack(bytes) {
  const { buffer } = bytes.slice();
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  const shapes = {};
  for (const { name, dtype, shape, offset } of header.arrays) {
    const count = shape.reduce((product, n) => product * n, 1);
    arrays[name] = new VIEWS[dtype](buffer, 4 + length + offset, count);
    shapes[name] = shape;
  }
  return { meta: header.meta, arrays, shapes };
}

/** Whether two messages hold the same bytes: Streamlit calls again for a theme or an unchanged rerun. */
export function sameBytes(a, b) {
  if (a === b) return true;
  if (!a || !b || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Decode a figure: every {"$array": name} of the specification becomes its typed array.
 * @param {Uint8Array} bytes
 * @returns {{meta: object, data: object[], layout: object}}
 */
export function unpackFigure(bytes) {
  const { meta, arrays } = unpack(bytes);
  const { figure, ...rest } = meta;
  return { meta: rest, ...restore(figure, arrays) };
}

function restore(value, arrays) {
  if (Array.isArray(value)) return value.map((item) => restore(item, arrays));
  if (value === null || typeof value !== "object") return value;
  if ("$array" in value) return arrays[value.$array];
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, restore(item, arrays)]));
}

/**
 * Position of the last recorded iterate that is not after k (0 when all are after it).
 * @param {ArrayLike<number>} ks ascending
 * @param {number} k
 */
export function indexAt(ks, k) {
  let low = 0;
  let high = ks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ks[middle] <= k) low = middle;
    else high = middle - 1;
  }
  return low;
}
