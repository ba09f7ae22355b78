// What the components of a page share: events by comparison group, and the state that a late comer reads.

const target = new EventTarget();
const groups = new Map();

/**
 * @typedef {object} GroupState
 * @property {number} k          iterate under the cursor
 * @property {number} newest     last recorded iterate
 * @property {boolean} playing   whether the cursor moves by itself
 * @property {Map<string, *>} store  what components leave for one another: "geometry", "poses", "scalars.0", "pairs.0", …
 */

/**
 * State of a group; made on first use and kept as long as the page lives.
 * @param {string} id
 * @returns {GroupState}
 */
export function group(id) {
  if (!groups.has(id)) groups.set(id, { k: 0, newest: 0, playing: false, store: new Map() });
  return groups.get(id);
}

/**
 * Announce something to a group.
 * @param {"cursor"|"camera"|"layers"|"hover"|"brush"|"store"|"play"} type
 * @param {string} id
 * @param {object} detail
 */
export function emit(type, id, detail = {}) {
  target.dispatchEvent(new CustomEvent(type, { detail: { ...detail, group: id } }));
}

/**
 * Listen to one kind of event of one group.
 * @param {string} type
 * @param {string} id
 * @param {function(object): void} handler receives the detail
 * @returns {function(): void} stops listening
 */
export function listen(type, id, handler) {
  const filtered = (event) => {
    if (event.detail.group === id) handler(event.detail);
  };
  target.addEventListener(type, filtered);
  return () => target.removeEventListener(type, filtered);
}

/**
 * Move the cursor of a group.
 * @param {string} id
 * @param {number} k
 * @param {string} origin who moved it: "transport", "figure", "play", …
 */
export function setCursor(id, k, origin) {
  const state = group(id);
  if (state.k === k) return;
  state.k = k;
  emit("cursor", id, { k, origin });
}

/** Leave a value for the other components of a group and tell them. */
export function put(id, name, value) {
  group(id).store.set(name, value);
  emit("store", id, { name });
}
