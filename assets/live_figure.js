// A Plotly chart that stays: one node, Plotly.react, zoom kept, the group's cursor drawn over it.
import { group, listen, emit, setCursor } from "./bus.js";
import { el, svg, instanceOf, perFrame, release as releaseNode } from "./dom.js";
import { CursorOverlay, followsCursor } from "./figure_cursor.js";
import { shortName } from "./names.js";
import { sameBytes, unpackFigure } from "./pack.js";
import { themedLayout, themedTrace, themeOf } from "./theme.js";

/** What a person set on a chart, by the chart's id; survives a remount. */
const views = new Map();
/** A second click within so many milliseconds makes the first one half of a double click. */
const CLICK_DELAY = 250;
let library = null;

/** Load plotly.js once, in the version that the Python package ships; a report brings it or says from where. */
function plotly() {
  library ??= new Promise((resolve, reject) => {
    if (window.Plotly) {
      resolve(window.Plotly);
      return;
    }
    const { plotly: elsewhere, integrity } = document.documentElement.dataset;
    const src = elsewhere ?? new URL("../vendor/plotly/plotly.min.js", import.meta.url).href;
    const failed = () => {
      library = null;
      reject(new Error(`The chart library could not be loaded from ${src}`));
    };
    const script = el("script", { src, integrity, crossorigin: integrity && "anonymous", onerror: failed });
    script.addEventListener("load", () => (window.Plotly ? resolve(window.Plotly) : failed()));
    document.head.append(script);
  });
  return library;
}

/** Entry point of the component. */
export const figure = {
  render(component) {
    instanceOf(component, (root) => new LiveFigure(root)).update(component.data, component.setTriggerValue);
  },
  release: releaseNode,
};

class LiveFigure {
  constructor(root) {
    this.root = root;
    root.classList.add("is-panel", "is-figure");
    this.title = el("span", { class: "is-title" });
    this.legend = el("span", { class: "is-legend" });
    this.plot = el("div", { class: "is-plot" });
    this.message = el("p", { class: "is-message", role: "alert", hidden: true });
    root.append(el("div", { class: "is-head" }, this.title, this.legend), this.plot, this.message);
    this.overlay = new CursorOverlay(this.plot);
    this.drawCursor = perFrame(() => this.overlay.draw(this.gd, this.traces, this.cursor(), this.meta.plane));
    this.resized = new ResizeObserver(perFrame(() => this.resize()));
    this.resized.observe(this.plot);
    this.busy = false;
  }

  /** Take new data or a new theme; while a draw is under way only the latest is kept. */
  update(bytes, trigger) {
    this.trigger = trigger;
    const theme = themeOf(this.root);
    const same = sameBytes(this.bytes, bytes) && JSON.stringify(theme) === JSON.stringify(this.theme);
    if (same && this.message.hidden) return;
    const { meta, data, layout } = unpackFigure(bytes);
    this.bytes = bytes.slice();
    this.theme = theme;
    this.follow(meta);
    this.meta = meta;
    this.spec = { data, layout };
    this.redraw();
  }

  follow({ group: id }) {
    if (this.meta?.group === id) return;
    this.stop?.();
    this.stop = listen("cursor", id, () => this.drawCursor());
  }

  cursor() {
    return this.meta?.cursor ? group(this.meta.group).k : null;
  }

  get view() {
    const { id, run } = this.meta;
    const known = views.get(id);
    if (known && known.run === run) return known;
    const fresh = { run, ranges: {}, types: known?.types ?? {}, hidden: known?.hidden ?? new Set() };
    views.set(id, fresh);
    return fresh;
  }

  async redraw() {
    this.stale = true;
    if (this.busy) return;
    this.busy = true;
    try {
      const Plotly = await plotly();
      while (this.stale) {
        this.stale = false;
        await this.draw(Plotly);
      }
      this.message.hidden = true;
    } catch (error) {
      this.message.textContent = `${error.message}. The numbers stay available in the table.`;
      this.message.hidden = false;
    }
    this.busy = false;
  }

  async draw(Plotly) {
    const { theme, view } = this;
    this.title.textContent = this.meta.title;
    this.title.title = this.meta.title;
    this.root.setAttribute("role", "figure");
    this.root.setAttribute("aria-label", this.meta.label);
    this.traces = this.spec.data.map((trace) => {
      const themed = themedTrace(trace, theme);
      if (view.hidden.has(traceKey(trace))) themed.visible = "legendonly";
      return themed;
    });
    this.drawLegend(theme);
    const layout = themedLayout(this.spec.layout, theme, this.plot.clientHeight);
    // a single iterate must not open an axis of negative ones
    if (this.meta.cursor && !this.meta.plane) layout.xaxis.rangemode ??= "tozero";
    layout.uirevision = this.meta.run;
    layout.selectionrevision = this.meta.run;
    for (const [axis, type] of Object.entries(view.types)) layout[axis] = { ...layout[axis], type };
    for (const [axis, range] of Object.entries(view.ranges)) {
      layout[axis] = { ...layout[axis], range: [...range], autorange: false };
    }
    for (const axis of Object.keys(layout).filter((key) => /^yaxis\d*$/.test(key))) {
      if (layout[axis].type === "log" && isNarrow(this.traces, axis)) layout[axis].dtick ??= "D2";
    }
    const first = !this.gd;
    // one configuration object for good: a changed one makes Plotly build the chart anew
    this.settings ??= this.config(Plotly);
    const drawn = this.traces.filter((trace) => !followsCursor(trace));
    await Plotly.react(this.plot, drawn, layout, this.settings);
    this.gd = this.plot;
    if (first) this.connect();
    this.overlay.colour(theme);
    this.drawCursor();
  }

  connect() {
    this.gd.on("plotly_relayout", (change) => this.remember(change));
    this.gd.on("plotly_relayouting", () => this.drawCursor());
    this.gd.on("plotly_afterplot", () => this.drawCursor());
    this.gd.on("plotly_click", ({ points }) => this.moveCursor(points[0]));
    if (this.meta.plane) this.listenToClicks();
    this.gd.on("plotly_hover", ({ points }) => {
      emit("hover", this.meta.group, { trace: points[0].curveNumber, index: points[0].pointIndex });
    });
  }

  /** Tell Python where in the plane a click was; a double click resets the zoom and is none. */
  listenToClicks() {
    this.gd.addEventListener("click", ({ clientX, clientY }) => {
      const { xaxis, yaxis } = this.gd._fullLayout;
      const box = this.gd.getBoundingClientRect();
      const [left, top] = [clientX - box.left - xaxis._offset, clientY - box.top - yaxis._offset];
      if (!(left >= 0 && left <= xaxis._length && top >= 0 && top <= yaxis._length)) return;
      clearTimeout(this.clicked);
      this.clicked = setTimeout(() => this.trigger?.("point", [xaxis.p2d(left), yaxis.p2d(top)]), CLICK_DELAY);
    });
    this.gd.on("plotly_doubleclick", () => clearTimeout(this.clicked));
  }

  moveCursor(point) {
    if (!this.meta.cursor || this.meta.plane || !point) return;
    const trace = this.traces[point.curveNumber];
    const ks = trace.meta?.k ?? trace.customdata ?? trace.x;
    if (ks) setCursor(this.meta.group, Number(ks[point.pointIndex]), "figure");
  }

  /** Keep the ranges that a person chose, also for a node that is made anew. */
  remember(change) {
    const { ranges } = this.view;
    for (const [key, value] of Object.entries(change)) {
      const [, axis, what] = /^([xy]axis\d*)\.(range|autorange)/.exec(key) ?? [];
      if (!axis) continue;
      if (what === "autorange" && value) delete ranges[axis];
      else if (what === "range") ranges[axis] = [...this.gd._fullLayout[axis].range];
    }
    this.drawCursor();
  }

  /** Switch every axis of one letter between linear and logarithmic. */
  toggleScale(letter) {
    const layout = this.gd._fullLayout;
    const { types, ranges } = this.view;
    const change = {};
    for (const axis of Object.keys(layout).filter((key) => new RegExp(`^${letter}axis\\d*$`).test(key))) {
      types[axis] = layout[axis].type === "log" ? "linear" : "log";
      delete ranges[axis];
      change[`${axis}.type`] = types[axis];
      change[`${axis}.autorange`] = true;
    }
    window.Plotly.relayout(this.gd, change);
  }

  config(Plotly) {
    const name = this.meta.id.replace(/[^\w-]+/g, "_");
    const save = (format) => Plotly.downloadImage(this.gd, {
      format, filename: name, scale: format === "png" ? 2 : 1,
      width: this.plot.clientWidth, height: this.plot.clientHeight,
    });
    const button = (title, icon, click) => ({ name: title, title, icon, click });
    return {
      displaylogo: false, showSendToCloud: false, responsive: false, scrollZoom: false,
      displayModeBar: "hover", doubleClick: "reset+autosize",
      modeBarButtons: [
        [
          button("Logarithmic or linear y", letterIcon("y"), () => this.toggleScale("y")),
          button("Logarithmic or linear x", letterIcon("x"), () => this.toggleScale("x")),
        ],
        [
          button("Save as PNG", Plotly.Icons.camera, () => save("png")),
          button("Save as SVG", Plotly.Icons.disk, () => save("svg")),
        ],
        ["resetScale2d"],
      ],
    };
  }

  /** One button a name: click hides and shows, double click shows it alone. */
  drawLegend(theme) {
    const entries = new Map();
    for (const trace of this.traces) {
      if (trace.name && trace.showlegend !== false && !entries.has(traceKey(trace))) {
        entries.set(traceKey(trace), trace);
      }
    }
    const { hidden } = this.view;
    const drawn = JSON.stringify([theme.name, [...hidden], [...entries].map(([k, t]) => [k, t.name, t.line])]);
    if (this.legendDrawn === drawn) return;
    this.legendDrawn = drawn;
    const toggle = (key) => {
      if (!hidden.delete(key)) hidden.add(key);
      this.redraw();
    };
    const isolate = (key) => {
      const others = [...entries.keys()].filter((other) => other !== key);
      const alone = others.every((other) => hidden.has(other));
      hidden.clear();
      if (!alone) others.forEach((other) => hidden.add(other));
      this.redraw();
    };
    const held = document.activeElement?.dataset?.trace;
    this.legend.replaceChildren(...[...entries].map(([key, trace]) => el(
      "button",
      {
        type: "button", class: "is-legend-entry", "data-trace": key,
        "aria-pressed": hidden.has(key) ? "false" : "true",
        title: `${trace.name}: click to hide or show, double click to show it alone`,
        onclick: (event) => event.detail < 2 && toggle(key), ondblclick: () => isolate(key),
      },
      swatch(trace), el("span", { text: shortName(trace.name) }),
    )));
    if (held) this.legend.querySelector(`[data-trace="${CSS.escape(held)}"]`)?.focus();
  }

  resize() {
    if (this.gd && this.plot.clientWidth > 0) window.Plotly.Plots.resize(this.gd).then(() => this.drawCursor());
  }

  dispose() {
    this.stop?.();
    clearTimeout(this.clicked);
    this.resized.disconnect();
    this.drawCursor.cancel();
    if (this.gd) window.Plotly.purge(this.gd);
  }
}

function traceKey(trace) {
  return trace.legendgroup ?? trace.name ?? "";
}

/** A short piece of the trace's line, or one of its points. */
function swatch(trace) {
  const dashes = { dash: "5 3", dot: "1.5 3", dashdot: "5 3 1.5 3" };
  const colour = trace.line?.color ?? trace.marker?.color ?? "currentColor";
  if (trace.type === "marks") {
    return svg("svg", { width: 10, height: 10, "aria-hidden": "true" }, svg("circle", {
      cx: 5, cy: 5, r: 3.5, stroke: colour, "stroke-width": 2, fill: trace.meta.hollow ? "none" : colour,
    }));
  }
  return svg("svg", { width: 18, height: 8, "aria-hidden": "true" }, svg("line", {
    x1: 1, x2: 17, y1: 4, y2: 4, stroke: colour, "stroke-width": 2,
    "stroke-dasharray": dashes[trace.line?.dash],
  }));
}

/** Mode-bar icon: the axis letter over a line with growing gaps. */
function letterIcon(letter) {
  const glyph = letter === "y"
    ? "M3 2 L6.4 8 V13 H8.6 V8 L12 2 H9.6 L7.5 6 L5.4 2 Z"
    : "M3 2 L6.3 7.4 L2.8 13 H5.2 L7.5 9.3 L9.8 13 H12.2 L8.7 7.4 L12 2 H9.6 L7.5 5.6 L5.4 2 Z";
  return { width: 20, height: 20, path: `${glyph} M2 16 H4 V18 H2 Z M5 16 H8 V18 H5 Z M9 16 H17 V18 H9 Z` };
}

/** Whether the values on a logarithmic axis span so few decades that 2 and 5 have to be labelled too. */
function isNarrow(traces, axis) {
  let low = Infinity, high = 0;
  for (const { y, yaxis, visible } of traces) {
    if (visible === "legendonly" || (yaxis ?? "y").replace("y", "yaxis") !== axis) continue;
    for (const value of y ?? []) {
      if (!(value > 0)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  const decades = Math.log10(high / low);
  return decades > 0.9 && decades < 1.7;
}
