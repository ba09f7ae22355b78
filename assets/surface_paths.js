// The methods' paths on a surface: where an iterate is, the line over the surface, and how far its ball has rolled.
import { add, cross, dot, identity, multiply, norm, rotationAbout, scale, scaling, subtract, translation } from "./matrix.js";
import { indexAt, unpack } from "./pack.js";

/** Radius that a ball rolls with, in units of the scene. */
export const BALL = 0.04;
/** Height of a line over the surface, so that the surface doesn't cut it. */
const LIFT = 0.004;
/** Pieces of a line between two iterates, and of a whole path, at most. */
const PIECES = 48;
const ALL_PIECES = 8000;
/** A piece shorter than this joins the next one. */
const SHORTEST = 0.003;

/**
 * @param {Uint8Array} bytes
 * @returns {{group: string, rev: *, members: object[]}} members: title, colour, k, x, y, z
 */
export function decodePaths(bytes) {
  const { meta, arrays } = unpack(bytes);
  const members = meta.members.map((member, i) => ({
    ...member, ...Object.fromEntries(["k", "x", "y", "z"].map((name) => [name, arrays[`${i}.${name}`]])),
  }));
  return { ...meta, members: members.filter(({ k }) => k.length > 0) };
}

/** The iterates of a method and the line between them; `starts[i]` pieces of the line lie before iterate i. */
class Path {
  /** @param {object} track a member of the paths message */
  constructor(track) {
    Object.assign(this, track);
    this.length = this.k.length;
  }

  /** Position of the iterate shown for k. */
  at(k) {
    return indexAt(this.k, k);
  }

  /** Values at a fractional position. */
  mixed(values, position) {
    const i = Math.min(Math.floor(position), this.length - 1);
    const j = Math.min(i + 1, this.length - 1);
    const t = Math.min(1, position - i);
    return t > 0 ? values[i] + t * (values[j] - values[i]) : values[i];
  }

  /** How many pieces of the line lie before a fractional position. */
  piecesBefore(position) {
    const i = Math.min(Math.floor(position), this.length - 1);
    const next = this.starts[Math.min(i + 1, this.length - 1)];
    return this.starts[i] + Math.floor((position - i) * (next - this.starts[i]));
  }
}

/** One method's path through space, where points are points and no heights over a plane. */
export class SpacePath extends Path {
  /** @param {object} track @param {function(number[]): number[]} inScene position in the scene of a point */
  constructor(track, inScene) {
    super(track);
    this.inScene = inScene;
    const ends = [];
    this.starts = new Uint32Array(this.length);
    for (let i = 1; i < this.length; i += 1) {
      const [from, to] = [this.place(i - 1), this.place(i)];
      if (from && to) ends.push(...from.point, ...to.point);
      this.starts[i] = ends.length / 6;
    }
    this.segments = new Float32Array(ends);
  }

  told(position) {
    const [x, y, z] = [this.x, this.y, this.z].map((values) => this.mixed(values, position));
    return { x, y, z };
  }

  /** @returns {{x: number, y: number, z: number, point: number[]}|null} null where there is no iterate */
  place(position) {
    const { x, y, z } = this.told(position);
    return Number.isFinite(x + y + z) ? { x, y, z, point: this.inScene([x, y, z]) } : null;
  }

  ball(position, radius = BALL) {
    const place = this.place(position);
    return place && multiply(translation(place.point), scaling([radius, radius, radius]));
  }
}

/** One method's path over one surface. */
export class SurfacePath extends Path {
  /**
   * @param {object} track a member of the paths message
   * @param {import("./height_field.js").HeightField} field
   * @param {function(number): number} shown height as drawn of a value
   */
  constructor(track, field, shown) {
    super(track);
    this.field = field;
    this.own = Float64Array.from(this.z, shown);
    // an iterate may stand off the surface; between two iterates the offset fades from one to the other
    this.off = this.own.map((h, i) => h - field.height(this.x[i], this.y[i]) || 0);
    this.spins = [identity()];
    this.drape();
  }

  /**
   * Where the path is at a fractional position.
   * @returns {{x: number, y: number, height: number, point: number[]}|null} null outside the surface
   */
  place(position) {
    const mix = (values) => this.mixed(values, position);
    const [x, y] = [mix(this.x), mix(this.y)];
    const { field } = this;
    const under = field.height(x, y);
    const height = Number.isNaN(under) ? mix(this.own) : under + mix(this.off);
    const [sx, sy] = [field.sceneX(x), field.sceneY(y)];
    const [ax, ay] = field.sides;
    if (!Number.isFinite(height) || Math.abs(sx) > ax + 1e-6 || Math.abs(sy) > ay + 1e-6) return null;
    return { x, y, height, point: [sx, sy, field.sceneZ(height)] };
  }

  /** An iterate with its own value, where it has one. */
  told(index) {
    const place = this.place(index) ?? { x: this.x[index], y: this.y[index], height: NaN };
    return Number.isFinite(this.z[index]) ? { ...place, value: this.z[index] } : place;
  }

  /** Cut the line between iterates into pieces that follow the surface. */
  drape() {
    const { field, length } = this;
    const cell = 0.6 * Math.min((2 * field.sides[0]) / (field.columns - 1), (2 * field.sides[1]) / (field.rows - 1));
    const wanted = (i) => {
      const dx = field.sceneX(this.x[i + 1]) - field.sceneX(this.x[i]);
      const dy = field.sceneY(this.y[i + 1]) - field.sceneY(this.y[i]);
      return Math.min(PIECES, Math.max(1, Math.ceil(Math.hypot(dx, dy) / cell) || 1));
    };
    let total = 0;
    for (let i = 0; i + 1 < length; i += 1) total += wanted(i);
    const thinning = Math.max(1, total / ALL_PIECES);
    const ends = [];
    this.starts = new Uint32Array(length);
    let from = this.place(0)?.point;
    for (let i = 0; i + 1 < length; i += 1) {
      const pieces = Math.ceil(wanted(i) / thinning);
      for (let piece = 1; piece <= pieces; piece += 1) {
        const to = this.place(i + piece / pieces)?.point;
        if (from && to && norm(subtract(to, from)) < SHORTEST) continue;
        if (from && to) ends.push(from[0], from[1], from[2] + LIFT, to[0], to[1], to[2] + LIFT);
        from = to;
      }
      this.starts[i + 1] = ends.length / 6;
    }
    this.segments = new Float32Array(ends);
  }

  /** Model matrix of the ball that has rolled here from the first iterate without slipping; null off the surface. */
  ball(position, radius = BALL) {
    const place = this.place(position);
    if (!place) return null;
    const normal = this.field.normal(place.x, place.y);
    const centre = add(place.point, scale(normal, radius));
    return multiply(multiply(translation(centre), this.spin(position)), scaling([radius, radius, radius]));
  }

  /** Orientation of the ball: one turn about the axis across each step, as long as the step. */
  spin(position) {
    const whole = Math.min(Math.floor(position), this.length - 1);
    for (let i = this.spins.length; i <= whole; i += 1) this.spins.push(this.turned(i - 1, 1));
    return position > whole ? this.turned(whole, position - whole) : this.spins[whole];
  }

  turned(i, share) {
    const before = this.spins[i];
    const [from, to] = [this.place(i), this.place(Math.min(i + 1, this.length - 1))];
    if (!from || !to) return before;
    const step = subtract(to.point, from.point);
    const normal = this.field.normal(0.5 * (from.x + to.x), 0.5 * (from.y + to.y));
    const along = subtract(step, scale(normal, dot(step, normal)));
    const length = norm(along);
    if (length < 1e-9) return before;
    const axis = cross(normal, scale(along, 1 / length));
    return multiply(rotationAbout(axis, (share * length) / BALL), before);
  }
}
