// The box around a surface: floor, the two walls behind it, ticks and titles on the edges in front.
import { svg } from "./dom.js";
import { TALL } from "./height_field.js";
import { polyline } from "./shapes.js";

/** The floor lies under the lowest value, so that the contour lines on it show. */
export const FLOOR = -0.2;
/** An edge shorter than this on the screen has no room for ticks [px]. */
const SHORTEST = 46;
/** Elevation of the eye above which the view is one from above [rad]. */
const STEEP = 1.1;
/** From an edge to its ticks and to its title [px]; the room that a character takes. */
const [TICK, TITLE, CHARACTER] = [13, 34, 6.7];

/** On which side of the plane the walls are, seen from the eye: the far ones. */
export function farSides(back) {
  return [back[0] > 0 ? -1 : 1, back[1] > 0 ? -1 : 1];
}

/**
 * Lines of the box.
 * @param {import("./height_field.js").HeightField} field
 * @param {Array<Array<[number, string]>>} ticks of x, y and height
 * @param {number[]} far sides of the walls, ±1
 * @returns {{frame: number[], grid: number[]}} segments
 */
export function boxLines(field, ticks, far) {
  const [ax, ay] = field.sides;
  const [wx, wy] = [far[0] * ax, far[1] * ay];
  const line = (a, b) => [...a, ...b];
  const frame = [
    ...polyline([[-ax, -ay, FLOOR], [ax, -ay, FLOOR], [ax, ay, FLOOR], [-ax, ay, FLOOR], [-ax, -ay, FLOOR]]),
    ...polyline([[wx, -wy, FLOOR], [wx, -wy, TALL], [wx, wy, TALL], [-wx, wy, TALL], [-wx, wy, FLOOR]]),
    ...line([wx, wy, FLOOR], [wx, wy, TALL]),
  ];
  const grid = [
    ...ticks[0].flatMap(([value]) => {
      const x = field.sceneX(value);
      return polyline([[x, -wy, FLOOR], [x, wy, FLOOR], [x, wy, TALL]]);
    }),
    ...ticks[1].flatMap(([value]) => {
      const y = field.sceneY(value);
      return polyline([[-wx, y, FLOOR], [wx, y, FLOOR], [wx, y, TALL]]);
    }),
    ...ticks[2].flatMap(([height]) => {
      const z = field.sceneZ(height);
      return polyline([[wx, -wy, z], [wx, wy, z], [-wx, wy, z]]);
    }),
  ];
  return { frame, grid };
}

/**
 * Ticks and titles as SVG nodes.
 * @param {object} view field, ticks, titles, theme, project (scene point to {x, y} in CSS pixels), far, elevation, width, height
 */
export function boxLabels(view) {
  const { field, far, project } = view;
  const [ax, ay] = field.sides;
  const [fx, fy] = [-far[0] * ax, -far[1] * ay];
  // from above the top of the box is its outline, otherwise the floor
  const level = view.elevation > STEEP ? TALL : FLOOR;
  const out = { x: [0, -far[1] * 0.1, 0], y: [-far[0] * 0.1, 0, 0] };
  return [
    ...edge(view, 0, (value) => [field.sceneX(value), fy, level], [[-ax, fy, level], [ax, fy, level]], out.x),
    ...edge(view, 1, (value) => [fx, field.sceneY(value), level], [[fx, -ay, level], [fx, ay, level]], out.y),
    ...upright(view),
  ];
}

/** One of the two axes of the floor. */
function edge(view, axis, place, ends, outward) {
  const { project, ticks, titles } = view;
  const [a, b] = ends.map(project);
  if (!a || !b || Math.hypot(a.x - b.x, a.y - b.y) < SHORTEST) return [];
  const middle = ends[0].map((value, i) => (value + ends[1][i]) / 2);
  const from = project(middle);
  const to = project(middle.map((value, i) => value + outward[i]));
  const away = direction(from, to, b.x - a.x, b.y - a.y);
  const widest = Math.max(...ticks[axis].map(([, text]) => text.length)) * CHARACTER;
  // sideways a label needs its width, up and down its height
  const room = (gap, width) => gap + Math.abs(away.x) * 0.5 * width;
  const apart = spacing(ticks[axis].map(([value]) => project(place(value))));
  const every = Math.max(1, Math.ceil((Math.abs(b.x - a.x) > Math.abs(b.y - a.y) ? widest + 8 : 16) / apart));
  const nodes = ticks[axis].filter((_, i) => i % every === 0).map(([value, text]) => {
    const at = project(place(value));
    return label(view, at.x + away.x * room(TICK, widest), at.y + away.y * TICK + 4, text, view.theme.muted);
  });
  const title = titles[axis];
  const half = 0.5 * title.length * CHARACTER;
  const far = TITLE + Math.abs(away.x) * (widest + 1.2 * half);
  const x = from.x + away.x * far;
  // a title that would leave the view goes below the edge instead of over its ticks
  const leaves = x < half || x > view.width - half;
  const y = leaves ? Math.max(a.y, b.y) + 0.7 * TITLE : from.y + away.y * TITLE + 4;
  nodes.push(label(view, x, y, title, view.theme.text));
  return nodes;
}

/** The height axis, on the edge that stands farthest to the left. */
function upright(view) {
  const { field, far, project, ticks, titles, theme } = view;
  const [ax, ay] = field.sides;
  const corners = [[far[0] * ax, -far[1] * ay], [-far[0] * ax, far[1] * ay]];
  const stands = corners.map(([x, y]) => ({ x, y, foot: project([x, y, 0]), top: project([x, y, TALL]) }));
  if (stands.some(({ foot, top }) => !foot || !top)) return [];
  const stand = stands.sort((a, b) => a.foot.x - b.foot.x)[0];
  const size = Math.hypot(stand.top.x - stand.foot.x, stand.top.y - stand.foot.y);
  if (size < SHORTEST) return [];
  const apart = spacing(ticks[2].map(([height]) => project([stand.x, stand.y, field.sceneZ(height)])));
  const every = Math.max(1, Math.ceil(16 / apart));
  const nodes = ticks[2].filter((_, i) => i % every === 0).map(([height, text]) => {
    const at = project([stand.x, stand.y, field.sceneZ(height)]);
    return label(view, at.x - 8 - 0.5 * text.length * CHARACTER, at.y + 4, text, theme.muted);
  });
  const x = stand.top.x - 0.3 * titles[2].length * CHARACTER;
  // a title pushed inwards by the view's edge stands higher, over the surface
  const gap = x < 0.5 * titles[2].length * CHARACTER ? 42 : 16;
  const up = stand.top.y < stand.foot.y ? -gap : 24;
  nodes.push(label(view, x, stand.top.y + up, titles[2], theme.text));
  return nodes;
}

function direction(from, to, dx, dy) {
  const [x, y] = [to.x - from.x, to.y - from.y];
  const size = Math.hypot(x, y);
  if (size > 1) return { x: x / size, y: y / size };
  // seen along the floor: below the edge
  return Math.abs(dx) >= Math.abs(dy) ? { x: 0, y: 1 } : { x: 1, y: 0 };
}

function spacing(places) {
  const gaps = places.slice(1).map(({ x, y }, i) => Math.hypot(x - places[i].x, y - places[i].y));
  return Math.max(1, Math.min(...gaps, 1e6));
}

/** A text centred at a place, kept within the view. */
function label({ width, height, theme }, x, y, text, colour) {
  const half = 0.5 * text.length * CHARACTER + 4;
  const within = Math.min(Math.max(x, half), Math.max(half, width - half));
  return svg("text", {
    x: within.toFixed(1), y: Math.min(Math.max(y, 12), height - 6).toFixed(1), fill: colour, stroke: theme.view,
    class: "is-axis is-haloed", text,
  });
}
