// Heights over a rectangular grid: interpolation, normals, triangles and the point under a ray.
// Scene coordinates: the plane is centred at the origin with half sides of at most 1, heights run from 0 to TALL.

/** Height of the box above the plane's lowest value, in units of its longer half side. */
export const TALL = 0.95;
/** Cells along a side that even a coarse drawing has. */
const COARSEST = 40;

export class HeightField {
  /**
   * @param {Float64Array} x ascending, one a column @param {Float64Array} y ascending, one a row
   * @param {Float32Array} heights row by row; NaN is a hole
   * @param {number[]} sides half sides of the plane in the scene
   */
  constructor(x, y, heights, sides) {
    Object.assign(this, { x, y, heights, sides, columns: x.length, rows: y.length });
    let [low, high] = [Infinity, -Infinity];
    for (const h of heights) {
      if (h < low) low = h;
      if (h > high) high = h;
    }
    this.empty = low > high;
    this.low = this.empty ? 0 : low;
    this.high = this.empty ? 1 : high;
    this.rise = TALL / (this.high - this.low || 1);
    this.scaleX = (2 * sides[0]) / (x[x.length - 1] - x[0]);
    this.scaleY = (2 * sides[1]) / (y[y.length - 1] - y[0]);
  }

  sceneX(x) {
    return (x - this.x[0]) * this.scaleX - this.sides[0];
  }

  sceneY(y) {
    return (y - this.y[0]) * this.scaleY - this.sides[1];
  }

  sceneZ(height) {
    return (height - this.low) * this.rise;
  }

  /** Data coordinates of a scene position. */
  dataX(sx) {
    return this.x[0] + (sx + this.sides[0]) / this.scaleX;
  }

  dataY(sy) {
    return this.y[0] + (sy + this.sides[1]) / this.scaleY;
  }

  /** Height at a position of the plane: bilinear in the cell, NaN outside and in holes. */
  height(x, y) {
    const column = cellOf(this.x, x);
    const row = cellOf(this.y, y);
    if (column < 0 || row < 0) return NaN;
    const { heights, columns } = this;
    const tx = (x - this.x[column]) / (this.x[column + 1] - this.x[column]);
    const ty = (y - this.y[row]) / (this.y[row + 1] - this.y[row]);
    const at = row * columns + column;
    // a corner without weight may be a hole
    const mix = (a, b, t) => (t <= 0 ? a : t >= 1 ? b : a + t * (b - a));
    return mix(
      mix(heights[at], heights[at + 1], tx), mix(heights[at + columns], heights[at + columns + 1], tx), ty,
    );
  }

  /** Upward unit normal of the drawn surface at a position; straight up where there is none. */
  normal(x, y) {
    const dx = 0.25 * (this.x[this.columns - 1] - this.x[0]) / (this.columns - 1);
    const dy = 0.25 * (this.y[this.rows - 1] - this.y[0]) / (this.rows - 1);
    const centre = this.height(x, y);
    const slope = (forth, back, step) => {
      const [a, b] = [Number.isFinite(back) ? back : centre, Number.isFinite(forth) ? forth : centre];
      const span = (Number.isFinite(forth) ? step : 0) + (Number.isFinite(back) ? step : 0);
      return span > 0 ? ((b - a) / span) * this.rise : 0;
    };
    const gx = slope(this.height(x + dx, y), this.height(x - dx, y), dx) / this.scaleX || 0;
    const gy = slope(this.height(x, y + dy), this.height(x, y - dy), dy) / this.scaleY || 0;
    const size = Math.hypot(gx, gy, 1);
    return [-gx / size, -gy / size, 1 / size];
  }

  /** Triangles, fine and coarse, with a normal and the share of the height at every vertex. */
  mesh() {
    const { rows, columns, heights } = this;
    const positions = new Float32Array(3 * rows * columns);
    const normals = new Float32Array(3 * rows * columns);
    const values = new Float32Array(rows * columns);
    for (let row = 0, at = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1, at += 1) {
        const h = heights[at];
        const known = Number.isFinite(h);
        const z = known ? this.sceneZ(h) : 0;
        positions.set([this.sceneX(this.x[column]), this.sceneY(this.y[row]), z], 3 * at);
        values[at] = z / TALL;
        const gx = this.difference(at, column, columns, 1, this.x) / this.scaleX;
        const gy = this.difference(at, row, rows, columns, this.y) / this.scaleY;
        const size = Math.hypot(gx, gy, 1);
        normals.set([-gx / size, -gy / size, 1 / size], 3 * at);
      }
    }
    const strides = [1, 2, 4].filter((stride) => Math.min(rows, columns) / stride >= COARSEST || stride === 1);
    return { positions, normals, values, strides: strides.map((stride) => this.triangles(stride)) };
  }

  /** Slope in scene height for a step of an axis, between the known neighbours of a vertex. */
  difference(at, index, count, stride, axis) {
    const { heights } = this;
    let [low, high] = [index > 0 ? index - 1 : index, index < count - 1 ? index + 1 : index];
    if (!Number.isFinite(heights[at + (low - index) * stride])) low = index;
    if (!Number.isFinite(heights[at + (high - index) * stride])) high = index;
    if (low === high) return 0;
    const rise = heights[at + (high - index) * stride] - heights[at + (low - index) * stride];
    return (rise * this.rise) / (axis[high] - axis[low]) || 0;
  }

  /** Triangles of the complete cells between every so many vertices. */
  triangles(stride) {
    const { rows, columns, heights } = this;
    const indices = new Uint32Array(6 * Math.ceil(rows / stride) * Math.ceil(columns / stride));
    let used = 0;
    for (let row = 0; row < rows - 1; row += stride) {
      for (let column = 0; column < columns - 1; column += stride) {
        const a = row * columns + column;
        const b = a + Math.min(stride, columns - 1 - column);
        const down = columns * Math.min(stride, rows - 1 - row);
        const [c, d] = [a + down, b + down];
        if (!Number.isFinite(heights[a] + heights[b] + heights[c] + heights[d])) continue;
        // along the flatter diagonal ridges and valleys stay smooth
        const along = Math.abs(heights[a] - heights[d]) <= Math.abs(heights[b] - heights[c]);
        indices.set(along ? [a, b, d, a, d, c] : [a, b, c, b, d, c], used);
        used += 6;
      }
    }
    return indices.subarray(0, used);
  }

  /** The edge of the grid as segments of the scene. */
  border() {
    const { rows, columns, heights } = this;
    const across = Array.from({ length: columns }, (_, column) => column);
    const down = Array.from({ length: rows }, (_, row) => row);
    const sides = [
      across.map((column) => [0, column]), across.map((column) => [rows - 1, column]),
      down.map((row) => [row, 0]), down.map((row) => [row, columns - 1]),
    ];
    const segments = [];
    for (const side of sides) {
      const points = side.map(([row, column]) => [
        this.sceneX(this.x[column]), this.sceneY(this.y[row]), this.sceneZ(heights[row * columns + column]),
      ]);
      for (let i = 1; i < points.length; i += 1) {
        if (Number.isFinite(points[i - 1][2] + points[i][2])) segments.push(...points[i - 1], ...points[i]);
      }
    }
    return segments;
  }

  /**
   * First point of the surface along a ray of the scene.
   * @returns {{x: number, y: number, height: number, point: number[]}|null}
   */
  hit(origin, direction) {
    const reach = within(origin, direction, [...this.sides, TALL]);
    if (!reach) return null;
    const steps = 2 * (this.rows + this.columns);
    const at = (t) => origin.map((value, i) => value + t * direction[i]);
    const above = ([sx, sy, sz]) => sz - this.sceneZ(this.height(this.dataX(sx), this.dataY(sy)));
    let before = NaN;
    for (let i = 0; i <= steps; i += 1) {
      const t = reach[0] + ((reach[1] - reach[0]) * i) / steps;
      const now = above(at(t));
      const last = t - (reach[1] - reach[0]) / steps;
      if (now === 0 || before * now < 0) return this.found(at(crossing(last, t, before, (s) => above(at(s)))));
      before = now;
    }
    return null;
  }

  found(point) {
    const [x, y] = [this.dataX(point[0]), this.dataY(point[1])];
    const height = this.height(x, y);
    return Number.isFinite(height) ? { x, y, height, point } : null;
  }
}

/** Cell of an ascending axis that holds a value; −1 outside. A hair beyond the ends counts as inside. */
function cellOf(axis, value) {
  const last = axis.length - 1;
  const hair = 1e-9 * (axis[last] - axis[0]);
  if (!(value >= axis[0] - hair && value <= axis[last] + hair)) return -1;
  let [low, high] = [0, last - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (axis[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Where a ray is over the plane and between its lowest and highest value: from and to, or null. */
function within(origin, direction, [sx, sy, tall]) {
  const limits = [[-sx, sx], [-sy, sy], [-1e-3, tall + 1e-3]];
  let [from, to] = [0, Infinity];
  for (let axis = 0; axis < 3; axis += 1) {
    const [low, high] = limits[axis];
    if (Math.abs(direction[axis]) < 1e-12) {
      if (origin[axis] < low || origin[axis] > high) return null;
      continue;
    }
    const ends = [(low - origin[axis]) / direction[axis], (high - origin[axis]) / direction[axis]];
    from = Math.max(from, Math.min(...ends));
    to = Math.min(to, Math.max(...ends));
  }
  return from < to ? [from, to] : null;
}

/** Where a function changes its sign between a (where it has the sign of `before`) and b. */
function crossing(a, b, before, value) {
  if (value(b) === 0) return b;
  let [low, high] = [a, b];
  for (let i = 0; i < 24; i += 1) {
    const middle = 0.5 * (low + high);
    if (value(middle) * before > 0) low = middle;
    else high = middle;
  }
  return 0.5 * (low + high);
}
