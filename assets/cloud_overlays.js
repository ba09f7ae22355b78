// What is drawn over the clouds at one iterate: path, weak motions, ellipsoid, sensor axes. Pure geometry.
import { format, length } from "./numbers.js";
import {
  add, rotate, rotationAbout, scale, transform, translation,
} from "./matrix.js";
import { arc, doubleArrow, ellipsoid, polyline } from "./shapes.js";

const DEGREES = 180 / Math.PI;

/** Path of the anchor over a track, split at the shown iterate. */
export function path(track, anchor, index) {
  const points = Array.from({ length: track.length }, (_, i) => transform(track.pose(i), anchor).slice(0, 3));
  return { done: polyline(points.slice(0, index + 1)), ahead: polyline(points.slice(index)) };
}

/**
 * Double arrows along the weak translations and arcs about the weak rotations, at the anchor. Their size says only
 * which one is weaker; the label says how much.
 * @param {{translation: object[], rotation: object[]}} weak
 * @param {number[]} pose @param {number[]} anchor @param {number} radius of the scene
 */
export function weakMotions(weak, pose, anchor, radius) {
  const centre = transform(pose, anchor).slice(0, 3);
  const segments = [];
  const heads = [];
  const labels = [];
  const take = (shape) => {
    segments.push(...shape.segments);
    heads.push(...shape.heads);
  };
  for (const { axis, std, flagged } of weak.translation) {
    if (!flagged) continue;
    const direction = rotate(pose, axis);
    const half = radius * shown(std / radius);
    take(doubleArrow(centre, direction, half));
    labels.push({ at: add(centre, scale(direction, half)), text: Number.isFinite(std) ? `± ${length(std)}` : "free" });
  }
  for (const { axis, std, flagged } of weak.rotation) {
    if (!flagged) continue;
    const direction = rotate(pose, axis);
    const size = 0.6 * radius * shown(std);
    take(arc(centre, direction, size));
    const text = Number.isFinite(std) ? `± ${format(std * DEGREES, "sig2")}°` : "free";
    labels.push({ at: add(centre, scale(direction, 0.25 * size)), text });
  }
  return { segments, heads, labels };
}

/** Share of the scene's radius for a weakness: 0.22 for the slightest, 0.4 for a free motion. */
function shown(weakness) {
  if (!Number.isFinite(weakness)) return 0.4;
  return 0.22 + 0.18 * Math.min(1, Math.max(0, 1 + Math.log10(Math.max(weakness, 1e-9)) / 4));
}

/** Ellipsoid of the translation's standard deviation, true in shape, enlarged so that one can see it. */
export function uncertainty(weak, pose, anchor, radius) {
  const centre = transform(pose, anchor).slice(0, 3);
  const finite = weak.translation.map(({ std }) => std).filter(Number.isFinite);
  const largest = Math.max(...finite, 0);
  if (!(largest > 0)) return null;
  const factor = (0.22 * radius) / largest;
  const halves = weak.translation.map(({ axis, std }) => {
    const half = Number.isFinite(std) ? std * factor : 0.4 * radius;
    return scale(rotate(pose, axis), Math.max(half, 0.004 * radius));
  });
  const axes = weak.translation
    .map(({ flagged }, j) => (flagged ? [...add(centre, scale(halves[j], -1)), ...add(centre, halves[j])] : []));
  const model = [...halves[0], 0, ...halves[1], 0, ...halves[2], 0, ...centre, 1];
  return { segments: ellipsoid(centre, halves), weakAxes: axes.flat(), model, factor };
}

/**
 * The weak motion that sliding shows, as a motion in the source frame: amount in -1…1.
 * @returns {{motion: function(number): number[], reach: string}|null}
 */
export function slidingMotion(weak, anchor, radius) {
  const weakest = (block) => block.filter(({ flagged }) => flagged)
    .sort((a, b) => (b.condition || 0) - (a.condition || 0))[0];
  const shift = weakest(weak.translation);
  if (shift) {
    const wanted = Number.isFinite(shift.std) ? Math.max(shift.std, 0.06 * radius) : 0.15 * radius;
    const reach = Math.min(wanted, 0.25 * radius);
    return { motion: (amount) => translation(scale(shift.axis, reach * amount)), reach: length(reach) };
  }
  const turn = weakest(weak.rotation);
  if (!turn) return null;
  const reach = Math.min(0.35, Math.max(0.15, turn.std || 0));
  return {
    motion: (amount) => rotationAbout(turn.axis, reach * amount, anchor),
    reach: `${format(reach * DEGREES, "sig2")}°`,
  };
}

/**
 * Segments between the points of some pairs.
 * @param {Float32Array} ends six numbers a pair: source point, target point, each in its own frame
 * @param {number[]} pose of the source
 */
export function pairSegments(ends, pose) {
  const segments = Float32Array.from(ends);
  for (let at = 0; at < ends.length; at += 6) {
    segments.set(transform(pose, ends.subarray(at, at + 3)).slice(0, 3), at);
  }
  return segments;
}

/** Axes x, y, z of a frame as one set of segments each. */
export function frameAxes(origin, size) {
  return [0, 1, 2].map((axis) => {
    const tip = [...origin];
    tip[axis] += size;
    return [...origin, ...tip];
  });
}

