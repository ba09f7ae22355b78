// The poses message: one track per member, with its weak motions. pages/figures/cloud.py writes it.
import { normalised } from "./matrix.js";
import { indexAt, unpack } from "./pack.js";

/**
 * @typedef {object} Direction
 * @property {number[]} axis unit vector in the source frame
 * @property {number} std predicted standard deviation, m or rad
 * @property {number} condition @property {boolean} flagged
 */

/** The poses of one member of a run. */
export class PoseTrack {
  constructor({ key, title, index }, field) {
    Object.assign(this, { key, title, index, field });
    this.ks = field("k");
    this.length = this.ks.length;
  }

  /** Position in the track of the iterate that is shown for k. */
  at(k) {
    return indexAt(this.ks, k);
  }

  /** T_target_source of the display frame, 16 numbers column-major. */
  pose(index) {
    return Array.from(this.field("poses").subarray(16 * index, 16 * index + 16));
  }

  /**
   * @param {number} index
   * @returns {{translation: Direction[], rotation: Direction[]}|null}
   */
  weak(index) {
    if (!this.field("translation_axes")) return null;
    const block = (kind) => [0, 1, 2].map((j) => {
      const at = 9 * index + 3 * j;
      const number = (what) => this.field(`${kind}_${what}`)[3 * index + j];
      return {
        axis: normalised(Array.from(this.field(`${kind}_axes`).subarray(at, at + 3))),
        std: number("std"), condition: number("condition"), flagged: number("flagged") === 1,
      };
    });
    return { translation: block("translation"), rotation: block("rotation") };
  }
}

/**
 * @param {Uint8Array} bytes
 * @returns {{group: string, rev: *, anchor: number[], members: PoseTrack[]}}
 */
export function decodePoses(bytes) {
  const { meta, arrays } = unpack(bytes);
  const members = meta.members.map((member, i) => new PoseTrack(member, (name) => arrays[`${i}.${name}`]));
  return { ...meta, members: members.filter((track) => track.length > 0) };
}
