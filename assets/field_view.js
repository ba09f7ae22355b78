// Fields of numbers side by side: colours, obstacles, colour bars, the cell under the pointer, the group's cursor.
import { group, listen, put } from "./bus.js";
import { el, instanceOf, perFrame, release, svg } from "./dom.js";
import { format } from "./numbers.js";
import { indexAt, sameBytes, unpack } from "./pack.js";
import { paletteBytes, rgb, roleColour, themeOf } from "./theme.js";

const SOLID = 1;
const FLUID = 2;
const LEVELS = 32767;
/** Powers of ten that the logarithmic colours span. */
const DECADES = 6;
const SIGNED = {
  light: ["#0A3A6B", "#2F7FBF", "#A9CCE6", "#FBFBFA", "#F3C08C", "#D0701A", "#7A3300"],
  dark: ["#A8DCFF", "#4C9FDB", "#1C4C74", "#0B0E11", "#75430F", "#E08A2C", "#FFD9A3"],
};
const SIZES = {
  light: ["#FBFBFA", "#C9DDEA", "#7FB2CF", "#3B7FA8", "#1E4C73", "#0B2238"],
  dark: ["#0B0E11", "#143247", "#1F5F80", "#3C97B5", "#8CCBD6", "#F0F6E6"],
};
/** How a person wants the colours, by group; survives a remount. */
const choices = new Map();

/** Panels with all their frames; data from pages/figures/field.py. */
export const fields = {
  render(component) {
    instanceOf(component, (root) => new Fields(root)).update(component.data, component.setTriggerValue);
  },
  release,
};

/** The newest frames of a run that goes on, for the view of the same group. */
export const newest = {
  render({ data }) {
    const message = unpack(data);
    const { store } = group(message.meta.group);
    if (store.get("fields.newest")?.meta.rev === message.meta.rev) return;
    put(message.meta.group, "fields.newest", message);
  },
  release() {},
};

/**
 * Place of a value in a palette of 256 colours.
 * @param {number} value
 * @param {number} scale value of the palette's end
 * @param {boolean} logarithmic size alone, over six powers of ten; otherwise linear around zero
 */
export function shade(value, scale, logarithmic) {
  if (!(scale > 0)) return logarithmic ? 0 : 127.5;
  if (!logarithmic) return Math.min(255, Math.max(0, 127.5 + (127.5 * value) / scale));
  const size = Math.abs(value) / scale;
  return size <= 0 ? 0 : Math.min(255, Math.max(0, 255 * (1 + Math.log10(size) / DECADES)));
}

class Fields {
  constructor(root) {
    this.root = root;
    root.classList.add("is-panel", "is-fields");
    this.title = el("span", { class: "is-title" });
    const button = (text, title, name) => el("button", {
      type: "button", class: "is-button", text, title,
      onclick: () => this.choose({ [name]: !this.choice[name] }),
    });
    this.common = button("common scale", "The same colours for the same numbers in all fields", "common");
    this.log = button("logarithm", "Colour by size over six powers of ten, without the sign", "log");
    this.body = el("div", { class: "is-field-row" });
    root.append(el("div", { class: "is-head" }, this.title, this.common, this.log), this.body);
    this.refresh = perFrame(() => this.draw());
    this.panels = [];
  }

  update(bytes, trigger) {
    this.trigger = trigger;
    const theme = themeOf(this.root);
    const same = sameBytes(this.bytes, bytes) && theme.name === this.theme?.name;
    if (same) return;
    this.theme = theme;
    this.bytes = bytes.slice();
    const { meta, arrays, shapes } = unpack(bytes);
    this.follow(meta.group);
    this.meta = meta;
    this.title.textContent = meta.quantity;
    if (!choices.has(meta.group)) choices.set(meta.group, { common: false, log: false });
    this.choice = choices.get(meta.group);
    const grouped = meta.panels.every(({ kind }) => kind === "groups");
    this.common.hidden = grouped || meta.panels.length < 2;
    this.log.hidden = grouped;
    const known = this.panels.map((panel) => panel.probe);
    this.panels = meta.panels.map((head, i) => new PanelView(this, head, {
      k: arrays[`${i}.k`], frames: arrays[`${i}.frames`], scales: arrays[`${i}.scales`],
      flags: arrays[`${i}.flags`], shape: shapes[`${i}.flags`],
    }));
    this.panels.forEach((panel, i) => { panel.probe = known[i] ?? null; });
    this.body.replaceChildren(...this.panels.map(({ node }) => node));
    this.draw();
  }

  follow(id) {
    if (this.id === id) return;
    this.stop?.();
    this.id = id;
    const stops = id ? [listen("cursor", id, this.refresh), listen("store", id, this.refresh)] : [];
    this.stop = () => stops.forEach((stop) => stop());
  }

  choose(change) {
    Object.assign(this.choice, change);
    this.draw();
  }

  /** The cell under the pointer is named in every field of the same shape. */
  point(cell, shape) {
    for (const panel of this.panels) panel.probe = panel.sameShape(shape) ? cell : null;
    this.refresh();
  }

  /** A click on a cell is told to the page where it asked for it. */
  pick([i, j]) {
    const { picks, stride } = this.meta;
    if (picks) this.trigger("cell", [i * stride, j * stride]);
  }

  draw() {
    if (!this.meta) return;
    const k = this.id ? group(this.id).k : 0;
    const late = this.meta.running ? group(this.id).store.get("fields.newest") : null;
    const fresh = late?.meta.run === this.meta.run ? late : null;
    this.panels.forEach((panel, i) => panel.take(k, fresh && {
      k: fresh.arrays[`${i}.k`], frames: fresh.arrays[`${i}.frames`], scales: fresh.arrays[`${i}.scales`],
    }));
    const largest = Math.max(0, ...this.panels.map(({ scale }) => scale));
    this.common.setAttribute("aria-pressed", String(this.choice.common));
    this.log.setAttribute("aria-pressed", String(this.choice.log));
    for (const panel of this.panels) panel.draw(this.choice.common ? largest : panel.scale);
    if (this.id) this.root.dataset.k = k;
  }

  dispose() {
    this.stop?.();
    this.refresh.cancel();
  }
}

class PanelView {
  constructor(owner, head, data) {
    Object.assign(this, { owner, head, ...data });
    [this.rows, this.columns] = data.shape;
    this.canvas = el("canvas", {
      class: "is-field", width: this.columns, height: this.rows, role: "img", "aria-label": head.title,
      onpointermove: (event) => this.pointed(event), onpointerdown: (event) => this.pointed(event),
      onclick: (event) => { const cell = this.cellAt(event); if (cell) owner.pick(cell); },
      onpointerleave: () => owner.point(null, data.shape),
    });
    this.canvas.style.aspectRatio = `${this.columns} / ${this.rows}`;
    this.cross = svg("rect", { width: 1, height: 1, class: "is-field-cell", visibility: "hidden" });
    const { cell, stride } = owner.meta;
    this.chosen = cell ? [svg("rect", {
      x: Math.floor(cell[1] / stride), y: this.rows - 1 - Math.floor(cell[0] / stride), width: 1, height: 1,
      class: "is-field-chosen",
    })] : [];
    this.outline = svg("svg", {
      class: "is-field-outline", viewBox: `0 0 ${this.columns} ${this.rows}`, preserveAspectRatio: "none",
      "aria-hidden": "true",
    }, svg("path", { d: this.edges() }), ...this.chosen, this.cross);
    const colour = head.index >= 0 ? roleColour(owner.theme, "method", head.index) : null;
    this.at = el("span", { class: "is-note is-mono" });
    this.value = el("p", { class: "is-note is-mono is-field-value" });
    this.bar = el("i", { class: "is-field-ramp" });
    this.ends = [el("span", {}), el("span", {}), el("span", {})];
    this.node = el(
      "figure", { class: "is-field-panel" },
      el(
        "figcaption", {},
        ...(colour ? [el("i", { class: "is-dot", style: `background: ${colour}` })] : []),
        el("span", { text: head.title }), this.at,
      ),
      el("div", { class: "is-field-frame" }, this.canvas, this.outline),
      ...(head.kind === "groups" ? [] : [
        el("div", { class: "is-field-scale" }, this.bar, el("div", { class: "is-field-ends is-mono" }, ...this.ends)),
      ]),
      this.value,
    );
  }

  sameShape([rows, columns]) {
    return rows === this.rows && columns === this.columns;
  }

  /** Lines between solid cells and others; row 0 is drawn at the bottom. */
  edges() {
    const { rows, columns, flags } = this;
    const solid = (i, j) => i >= 0 && j >= 0 && i < rows && j < columns && flags[i * columns + j] <= SOLID;
    const parts = [];
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        if (!solid(i, j)) continue;
        const y = rows - 1 - i;
        if (i + 1 < rows && !solid(i + 1, j)) parts.push(`M${j} ${y}h1`);
        if (i > 0 && !solid(i - 1, j)) parts.push(`M${j} ${y + 1}h1`);
        if (j > 0 && !solid(i, j - 1)) parts.push(`M${j} ${y}v1`);
        if (j + 1 < columns && !solid(i, j + 1)) parts.push(`M${j + 1} ${y}v1`);
      }
    }
    return parts.join("");
  }

  /** Choose the frame of iterate k, or the newest one of a run that goes on. */
  take(k, fresh) {
    const source = fresh?.frames?.length ? fresh : this;
    const index = indexAt(source.k, k);
    const size = this.rows * this.columns;
    this.frame = source.frames.subarray(index * size, (index + 1) * size);
    this.scale = source.scales[index];
    this.shown = source.k[index];
  }

  number(i, j) {
    const raw = this.frame[i * this.columns + j];
    return this.head.kind === "groups" ? raw : (raw * this.scale) / LEVELS;
  }

  draw(scale) {
    const { rows, columns, flags, owner } = this;
    const { log } = owner.choice;
    const groups = this.head.kind === "groups";
    const stops = (log ? SIZES : SIGNED)[owner.theme.name];
    const palette = paletteBytes(stops, null);
    const [solid, air] = [owner.theme.border, owner.theme.panel].map((c) => rgb(c).map((v) => Math.round(255 * v)));
    const image = new ImageData(columns, rows);
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        const at = i * columns + j;
        const to = 4 * ((rows - 1 - i) * columns + j);
        if (flags[at] !== FLUID) image.data.set(flags[at] <= SOLID ? solid : air, to);
        else if (groups) image.data.set(groupColour(this.frame[at], owner.theme.name), to);
        else {
          const place = 4 * Math.round(shade((this.frame[at] * this.scale) / LEVELS, scale, log));
          image.data.set(palette.subarray(place, place + 3), to);
        }
        image.data[to + 3] = 255;
      }
    }
    this.canvas.getContext("2d").putImageData(image, 0, 0);
    this.canvas.dataset.k = this.shown;
    const counts = owner.id && this.head.index >= 0;
    this.at.textContent = counts ? `k = ${this.shown}` : this.head.note;
    if (!groups) {
      this.bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
      const ends = log ? [scale * 10 ** -DECADES, scale * 10 ** (-DECADES / 2), scale] : [-scale, 0, scale];
      this.ends.forEach((end, i) => { end.textContent = format(ends[i], "sig3"); });
    }
    this.name();
  }

  /** Say which cell the pointer is on and its value. */
  name() {
    const cell = this.probe;
    this.cross.setAttribute("visibility", cell ? "visible" : "hidden");
    if (!cell) {
      this.value.textContent = "\u00a0";
      return;
    }
    const [i, j] = cell;
    this.cross.setAttribute("x", j);
    this.cross.setAttribute("y", this.rows - 1 - i);
    const { stride, axes } = this.owner.meta;
    const kind = this.flags[i * this.columns + j];
    const what = kind === FLUID ? format(this.number(i, j), "sig4") : kind <= SOLID ? "solid" : "air";
    this.value.textContent = `${axes[0]} = ${i * stride}, ${axes[1]} = ${j * stride}: ${what}`;
  }

  /** The cell under the pointer, null outside. */
  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const j = Math.floor(((event.clientX - box.left) / box.width) * this.columns);
    const i = this.rows - 1 - Math.floor(((event.clientY - box.top) / box.height) * this.rows);
    return i >= 0 && j >= 0 && i < this.rows && j < this.columns ? [i, j] : null;
  }

  pointed(event) {
    this.owner.point(this.cellAt(event), [this.rows, this.columns]);
  }
}

/** Neighbouring numbers get hues far apart. */
function groupColour(number, theme) {
  if (number < 0) return [128, 128, 128];
  const hue = (number * 0.61803398875) % 1;
  const value = theme === "dark" ? 0.62 : 0.86;
  return [0, 1 / 3, 2 / 3].map((offset) => {
    const distance = Math.abs((((hue + offset) % 1) * 6) - 3) - 1;
    const part = Math.min(1, Math.max(0, distance));
    return Math.round(255 * value * (1 - 0.4 * (1 - part)));
  });
}
