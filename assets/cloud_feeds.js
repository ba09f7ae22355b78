// What feeds the 3-D views of a group from outside: poses, residual colours, pairs. No component here has a height.
import { emit, group, put } from "./bus.js";
import { unpack } from "./pack.js";
import { decodePoses } from "./pose_tracks.js";

/** Poses so far, at every tick. */
export const pose = feeder((bytes) => {
  const message = decodePoses(bytes);
  put(message.group, "poses", message);
});

/** Colours of the source's points for one method, by its place in the run. */
export const scalars = feeder((bytes) => {
  const { meta, arrays } = unpack(bytes);
  const name = `scalars.${meta.slot ?? 0}`;
  const before = group(meta.group).store.get(name);
  put(meta.group, name, { ...meta, codes: arrays.scalars });
  // what was asked for outside the view is shown in it
  if (before && before.show !== meta.show) emit("store", meta.group, { name: "colour" });
});

/** Ends of some pairs of one method: six numbers a pair, source point and target point, each in its frame. */
export const pairs = feeder((bytes) => {
  const { meta, arrays } = unpack(bytes);
  put(meta.group, `pairs.${meta.slot}`, { ...meta, ends: arrays.ends });
});

/** A component that only hands its message on. */
export function feeder(take) {
  return {
    render({ parentElement, data }) {
      const slot = parentElement.closest('[data-testid="stElementContainer"]');
      if (slot) Object.assign(slot.style, { position: "absolute", height: "0", overflow: "hidden" });
      if (data) take(data);
    },
    release() {},
  };
}
