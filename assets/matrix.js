// 4×4 matrices (column-major, Float32Array or plain array), 3-vectors and poses.

export const identity = () => [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** a · b */
export function multiply(a, b) {
  const out = new Array(16);
  for (let column = 0; column < 4; column += 1) {
    for (let row = 0; row < 4; row += 1) {
      let sum = 0;
      for (let i = 0; i < 4; i += 1) sum += a[4 * i + row] * b[4 * column + i];
      out[4 * column + row] = sum;
    }
  }
  return out;
}

/** m · (x, y, z, 1), all four components */
export function transform(m, [x, y, z]) {
  return [0, 1, 2, 3].map((row) => m[row] * x + m[4 + row] * y + m[8 + row] * z + m[12 + row]);
}

/** Rotate a direction by the upper left block. */
export function rotate(m, [x, y, z]) {
  return [0, 1, 2].map((row) => m[row] * x + m[4 + row] * y + m[8 + row] * z);
}

export function translation([x, y, z]) {
  return [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, x, y, z, 1];
}

export function scaling([x, y, z]) {
  return [x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0, 0, 0, 0, 1];
}

/** Rotation about a unit axis through a point, angle in radians (Rodrigues). */
export function rotationAbout(axis, angle, point = [0, 0, 0]) {
  const [x, y, z] = axis;
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  const t = 1 - c;
  const r = [
    t * x * x + c, t * x * y + s * z, t * x * z - s * y, 0,
    t * x * y - s * z, t * y * y + c, t * y * z + s * x, 0,
    t * x * z + s * y, t * y * z - s * x, t * z * z + c, 0,
    0, 0, 0, 1,
  ];
  return multiply(multiply(translation(point), r), translation(scale(point, -1)));
}

export const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const subtract = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const scale = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const norm = (a) => Math.hypot(a[0], a[1], a[2]);
export const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0],
];
export const normalised = (a) => scale(a, 1 / (norm(a) || 1));

/** Two unit vectors that make a right-handed frame with a unit axis. */
export function frameAround(axis) {
  const other = Math.abs(axis[2]) < 0.9 ? [0, 0, 1] : [1, 0, 0];
  const u = normalised(cross(axis, other));
  return [u, cross(axis, u)];
}

/** Perspective projection; field of view in radians, vertical. */
export function perspective(fov, aspect, near, far) {
  const f = 1 / Math.tan(fov / 2);
  const depth = 1 / (near - far);
  return [f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (near + far) * depth, -1, 0, 0, 2 * near * far * depth, 0];
}

/** Unit quaternion (x, y, z, w) of a pose's rotation. */
export function quaternion(m) {
  const trace = m[0] + m[5] + m[10];
  let q;
  if (trace > 0) {
    const s = 2 * Math.sqrt(1 + trace);
    q = [(m[6] - m[9]) / s, (m[8] - m[2]) / s, (m[1] - m[4]) / s, s / 4];
  } else if (m[0] > m[5] && m[0] > m[10]) {
    const s = 2 * Math.sqrt(1 + m[0] - m[5] - m[10]);
    q = [s / 4, (m[4] + m[1]) / s, (m[8] + m[2]) / s, (m[6] - m[9]) / s];
  } else if (m[5] > m[10]) {
    const s = 2 * Math.sqrt(1 + m[5] - m[0] - m[10]);
    q = [(m[4] + m[1]) / s, s / 4, (m[9] + m[6]) / s, (m[8] - m[2]) / s];
  } else {
    const s = 2 * Math.sqrt(1 + m[10] - m[0] - m[5]);
    q = [(m[8] + m[2]) / s, (m[9] + m[6]) / s, s / 4, (m[1] - m[4]) / s];
  }
  const size = Math.hypot(...q);
  return q.map((value) => value / size);
}

/** Pose between two poses: rotation on the great arc, translation on the line. t = 0 and 1 give them exactly. */
export function between(a, b, t) {
  if (t <= 0) return a;
  if (t >= 1) return b;
  const p = quaternion(a);
  let q = quaternion(b);
  let cosine = p[0] * q[0] + p[1] * q[1] + p[2] * q[2] + p[3] * q[3];
  if (cosine < 0) {
    q = q.map((value) => -value);
    cosine = -cosine;
  }
  let [wp, wq] = [1 - t, t];
  if (cosine < 0.9995) {
    const angle = Math.acos(cosine);
    wp = Math.sin((1 - t) * angle) / Math.sin(angle);
    wq = Math.sin(t * angle) / Math.sin(angle);
  }
  const raw = p.map((value, i) => wp * value + wq * q[i]);
  const size = Math.hypot(...raw);
  const [x, y, z, w] = raw.map((value) => value / size);
  return [
    1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w), 0,
    2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w), 0,
    2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y), 0,
    a[12] + t * (b[12] - a[12]), a[13] + t * (b[13] - a[13]), a[14] + t * (b[14] - a[14]), 1,
  ];
}
