// The group's cursor over a chart: a dotted line and a dot on each curve, in an SVG of our own. Moving it costs
// no Plotly call, so scrubbing stays smooth.
import { svg } from "./dom.js";
import { indexAt } from "./pack.js";

const ARROW = { length: 74, shorter: 11, head: 9 };
/** Radius [px] of a marked point. */
const MARK = 4.5;
/** Traces of the cursor alone: the overlay draws one step of them, Plotly knows no such types. */
const OF_CURSOR = new Set(["arrows", "outline", "marks"]);
const DASHES = { dash: "7 4", dot: "2 4", dashdot: "7 4 2 4" };

/** Whether a trace is the overlay's alone. */
export function followsCursor({ type }) {
  return OF_CURSOR.has(type);
}

export class CursorOverlay {
  /** @param {HTMLElement} host positioned element that holds the chart */
  constructor(host) {
    this.host = host;
    this.node = svg("svg", { class: "is-cursor", "aria-hidden": "true" });
  }

  colour(theme) {
    this.stroke = theme.muted;
    this.halo = theme.panel;
    this.casing = theme.text;
  }

  /**
   * Draw the cursor at iterate k.
   * @param {object|undefined} gd Plotly's graph element once it is drawn
   * @param {object[]} traces as given to Plotly; meta.k holds the iterate of each sample, otherwise x does
   * @param {number|null} k null draws nothing
   * @param {boolean} plane both axes are coordinates: trails up to the cursor instead of a line across
   */
  draw(gd, traces, k, plane) {
    if (!this.node.isConnected) this.host.append(this.node);
    const draw = plane ? this.trails : this.marks;
    const marks = gd?._fullLayout && k !== null ? draw.call(this, gd._fullLayout, traces, k) : [];
    this.node.replaceChildren(...marks);
  }

  marks(layout, traces, k) {
    const lines = new Map();
    const dots = [];
    // a curve that ended before k keeps its dot; the line belongs to those that still go on
    const ended = traces.map((trace) => lastOf(trace) < k);
    const allEnded = traces.every((trace, i) => ended[i] || !sample(trace, k));
    for (const [number, trace] of traces.entries()) {
      const point = sample(trace, k);
      const x = axis(layout, trace.xaxis ?? "x");
      const y = axis(layout, trace.yaxis ?? "y");
      if (!point || !x || !y || trace.visible === "legendonly" || trace.visible === false) continue;
      const left = x._offset + x.d2p(point.x);
      if (!(left >= x._offset - 1 && left <= x._offset + x._length + 1)) continue;
      if (!ended[number] || allEnded) lines.set(`${Math.round(left)} ${y._offset}`, { left, top: y._offset, bottom: y._offset + y._length });
      const height = y.d2p(point.y);
      if (!(height >= -1 && height <= y._length + 1)) continue;
      dots.push(svg("circle", {
        cx: left, cy: y._offset + height, r: 4, fill: trace.line?.color ?? this.stroke,
        stroke: this.halo, "stroke-width": 1.5,
      }));
    }
    const rules = [...lines.values()].slice(0, 8).map(({ left, top, bottom }) => svg("line", {
      x1: left, x2: left, y1: top, y2: bottom, stroke: this.stroke, "stroke-width": 1,
      "stroke-dasharray": "2 3",
    }));
    return [...rules, ...dots];
  }

  /** Every path up to the cursor, its newest point, and the step's arrows and shapes; all within the axes. */
  trails(layout, traces, k) {
    const { xaxis: x, yaxis: y } = layout;
    const shown = traces.filter(({ visible }) => visible !== "legendonly" && visible !== false);
    const lines = [];
    const arrows = [];
    const shapes = [];
    const dots = [];
    for (const trace of shown) {
      if (trace.type === "arrows") {
        const arrow = this.arrow(trace, k, x, y, arrows.length);
        if (arrow) arrows.push(arrow);
      } else if (trace.type === "outline") {
        shapes.push(...this.outline(trace, k, x, y));
      } else if (trace.type === "marks") {
        dots.push(...this.points(trace, k, x, y));
      } else if (trace.meta?.trail && trace.x.length) {
        const index = indexAt(trace.customdata, k);
        lines.push(...trail(trace, index, x, y, this));
        const [left, top] = [x.d2p(trace.x[index]), y.d2p(trace.y[index])];
        if (!Number.isFinite(left) || !Number.isFinite(top)) continue;
        dots.push(svg("circle", {
          cx: left, cy: top, r: 5.5, fill: trace.line.color, stroke: this.halo, "stroke-width": 2,
        }));
      }
    }
    return [svg(
      "svg", { x: x._offset, y: y._offset, width: x._length, height: y._length, overflow: "hidden" },
      ...shapes, ...lines, ...arrows, ...dots,
    )];
  }

  /** Ellipses of the step that leaves the cursor's iterate: circles of radius 1 that a matrix maps. */
  outline(trace, k, x, y) {
    if (!trace.customdata?.length) return [];
    const index = indexAt(trace.customdata, k);
    const centre = [trace.x[index], trace.y[index]];
    const [left, top] = [x.d2p(centre[0]), y.d2p(centre[1])];
    const along = (u, v) => [x.d2p(centre[0] + u) - left, y.d2p(centre[1] + v) - top];
    const matrix = [
      ...along(trace.ux[index], trace.uy[index]), ...along(trace.vx[index], trace.vy[index]), left, top,
    ];
    if (!matrix.every(Number.isFinite)) return [];
    return trace.meta.rings.flatMap((r) => [[this.halo, 4, 0.5], [trace.line.color, 1.75, 1]].map(
      ([stroke, width, opacity], under) => svg("circle", {
        r, transform: `matrix(${matrix})`, fill: "none", stroke, "stroke-width": width, "stroke-opacity": opacity,
        "stroke-dasharray": under ? DASHES[trace.line.dash] : undefined, "vector-effect": "non-scaling-stroke",
      }),
    ));
  }

  /** Points of the step that leaves the cursor's iterate. */
  points(trace, k, x, y) {
    if (!trace.customdata?.length) return [];
    const index = indexAt(trace.customdata, k);
    const found = [];
    for (let i = trace.first[index]; i < trace.first[index + 1]; i += 1) {
      const [left, top] = [x.d2p(trace.x[i]), y.d2p(trace.y[i])];
      if (!Number.isFinite(left + top)) continue;
      const colour = trace.line.color;
      found.push(svg("circle", {
        cx: left, cy: top, r: MARK, fill: trace.meta.hollow ? this.halo : colour,
        stroke: trace.meta.hollow ? colour : this.halo, "stroke-width": 2,
      }));
    }
    return found;
  }

  /** One term of the step that leaves the cursor's iterate; later ones are shorter, so that equal ones show. */
  arrow(trace, k, x, y, number) {
    if (!trace.customdata?.length) return null;
    const index = indexAt(trace.customdata, k);
    const from = [x.d2p(trace.x[index]), y.d2p(trace.y[index])];
    const along = [
      x.d2p(trace.x[index] + trace.u[index]) - from[0], y.d2p(trace.y[index] + trace.v[index]) - from[1],
    ];
    const size = Math.hypot(...along);
    if (!(size > 0) || !Number.isFinite(size + from[0] + from[1])) return null;
    const [u, v] = along.map((part) => part / size);
    const length = ARROW.length - ARROW.shorter * number;
    const [tipX, tipY] = [from[0] + u * length, from[1] + v * length];
    const { head } = ARROW;
    const wing = (side) => `L${tipX - head * u - side * 0.45 * head * v} ${tipY - head * v + side * 0.45 * head * u}`;
    const shaft = `M${from[0]} ${from[1]}L${tipX - 0.8 * head * u} ${tipY - 0.8 * head * v}`;
    const tip = `M${tipX} ${tipY}${wing(1)}${wing(-1)}Z`;
    const colour = trace.line.color;
    return svg(
      "g", {},
      svg("path", { d: shaft, stroke: this.halo, "stroke-width": 6, fill: "none" }),
      svg("path", { d: tip, fill: colour, stroke: this.halo, "stroke-width": 3, "paint-order": "stroke" }),
      svg("path", { d: shaft, stroke: colour, "stroke-width": 2.5, fill: "none" }),
    );
  }
}

/** A path up to a sample, as a line or as dots; where a number tints it, a part for each of its colours. */
function trail(trace, index, x, y, { casing, halo }) {
  const isLine = trace.meta.trail === "line";
  const { tint, scale } = trace.meta;
  const parts = new Map();
  let before = null;
  for (let i = 0; i <= index; i += 1) {
    const [left, top] = [x.d2p(trace.x[i]), y.d2p(trace.y[i])];
    if (!Number.isFinite(left) || !Number.isFinite(top)) {
      before = null;
      continue;
    }
    // far outside the browser's own arithmetic is not exact
    const here = [left, top].map((p) => Math.min(1e5, Math.max(-1e5, p)).toFixed(1)).join(" ");
    // a step has the colour of the iterate that it leaves
    const colour = tint ? shade(scale, tint[isLine ? Math.max(0, i - 1) : i]) : trace.line.color;
    const part = parts.get(colour) ?? parts.set(colour, { d: "", end: null }).get(colour);
    if (!isLine) part.d += `M${here}h0`;
    else if (before === null) part.d += `M${here}`;
    else part.d += part.end === before ? `L${here}` : `M${before}L${here}`;
    part.end = here;
    before = here;
  }
  // a light colour would be lost on a light ground, and any on a coloured one
  const under = isLine && (tint || trace.meta.cased) ? [svg("path", {
    d: [...parts.values()].map(({ d }) => d).join(""), fill: "none", stroke: tint ? casing : halo,
    "stroke-width": 5, "stroke-opacity": tint ? 0.55 : 0.85, "stroke-linejoin": "round",
  })] : [];
  return under.concat([...parts].map(([stroke, { d }]) => svg("path", {
    d, fill: "none", stroke, "stroke-linejoin": "round",
    "stroke-width": isLine ? (tint ? 3 : 2.25) : 5, "stroke-opacity": isLine ? 1 : 0.55,
    "stroke-linecap": isLine ? "butt" : "round",
    "stroke-dasharray": isLine && !tint ? DASHES[trace.line.dash] : undefined,
  })));
}

/** The colour of a share in 0…1. */
function shade(scale, share) {
  return scale[Math.round((Number.isFinite(share) ? share : 0) * (scale.length - 1))];
}

function sample(trace, k) {
  if ((trace.type ?? "scatter") !== "scatter" || trace.meta?.cursor === false || !trace.y?.length) return null;
  const ks = trace.meta?.k ?? trace.customdata ?? trace.x;
  if (!ks) return { x: Math.min(k, trace.y.length - 1), y: trace.y[Math.min(k, trace.y.length - 1)] };
  const index = indexAt(ks, k);
  return { x: trace.x[index], y: trace.y[index] };
}

/** The iterate at which a curve ends. */
function lastOf(trace) {
  const ks = trace.meta?.k ?? trace.customdata ?? trace.x;
  return ks?.length ? ks[ks.length - 1] : (trace.y?.length ?? 0) - 1;
}

function axis(layout, reference) {
  return layout[`${reference[0]}axis${reference.slice(1)}`];
}
