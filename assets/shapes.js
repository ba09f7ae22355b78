// Line-segment geometry (a flat array of endpoint pairs, six numbers a segment) of the overlays.
import { add, frameAround, scale } from "./matrix.js";

/** Join points to a line. */
export function polyline(points) {
  const segments = [];
  for (let i = 1; i < points.length; i += 1) segments.push(...points[i - 1], ...points[i]);
  return segments;
}

/** A shaft of a given half length both ways from a point; its two ends take arrow heads. */
export function doubleArrow(centre, direction, half) {
  const [tail, tip] = [add(centre, scale(direction, -half)), add(centre, scale(direction, half))];
  return { segments: [...tail, ...tip], heads: [...tip, ...centre, ...tail, ...centre] };
}

/** An arc about an axis with a head at both ends; angles in radians, gap at the back. */
export function arc(centre, axis, radius, sweep = 1.5 * Math.PI, steps = 48) {
  const [u, v] = frameAround(axis);
  const points = Array.from({ length: steps + 1 }, (_, i) => {
    const angle = -sweep / 2 + (sweep * i) / steps;
    return add(centre, add(scale(u, radius * Math.cos(angle)), scale(v, radius * Math.sin(angle))));
  });
  const heads = [...points[steps], ...points[steps - 4], ...points[0], ...points[4]];
  return { segments: polyline(points), heads };
}

/** The three principal ellipses of an ellipsoid with given half axes (3-vectors). */
export function ellipsoid(centre, halves, steps = 64) {
  const segments = [];
  for (const [a, b] of [[0, 1], [1, 2], [2, 0]]) {
    segments.push(...polyline(Array.from({ length: steps + 1 }, (_, i) => {
      const angle = (2 * Math.PI * i) / steps;
      return add(centre, add(scale(halves[a], Math.cos(angle)), scale(halves[b], Math.sin(angle))));
    })));
  }
  return segments;
}

/** Triangles of the unit sphere: positions and indices. */
export function unitSphere(rings = 16, sectors = 24) {
  const positions = [];
  const indices = [];
  for (let ring = 0; ring <= rings; ring += 1) {
    const polar = (Math.PI * ring) / rings;
    for (let sector = 0; sector <= sectors; sector += 1) {
      const angle = (2 * Math.PI * sector) / sectors;
      positions.push(Math.sin(polar) * Math.cos(angle), Math.sin(polar) * Math.sin(angle), Math.cos(polar));
      if (ring === rings || sector === sectors) continue;
      const at = ring * (sectors + 1) + sector;
      indices.push(at, at + 1, at + sectors + 1, at + 1, at + sectors + 2, at + sectors + 1);
    }
  }
  return { positions: new Float32Array(positions), indices: new Uint16Array(indices) };
}
