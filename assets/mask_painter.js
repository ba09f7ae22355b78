// A grid that a person paints: solid, fluid and air cells. Data from pages/ui/mask_painter.py.
import { el, instanceOf, perFrame, release, svg } from "./dom.js";
import { unpack } from "./pack.js";
import { rgb, themeOf } from "./theme.js";

const KINDS = [["solid", 1], ["fluid", 2], ["air", 3]];
const BRUSHES = [1, 3, 7];
/** Steps that can be taken back. */
const UNDO = 30;
/** Milliseconds after a key until the painting is sent: keys that follow each other go together. */
const KEY_DELAY = 200;

export const painter = {
  render(component) {
    instanceOf(component, (root) => new Painter(root)).update(component.data, component.setTriggerValue);
  },
  release,
};

/** Value, length, value, length, … of equal neighbours. */
export function runsOf(cells) {
  const runs = [];
  for (const cell of cells) {
    if (runs.length && runs[runs.length - 2] === cell) runs[runs.length - 1] += 1;
    else runs.push(cell, 1);
  }
  return runs;
}

/** Cells [row, column] on the way between two cells, both included. */
export function line([i0, j0], [i1, j1]) {
  const steps = Math.max(Math.abs(i1 - i0), Math.abs(j1 - j0), 1);
  return Array.from({ length: steps + 1 }, (_, s) => [
    Math.round(i0 + ((i1 - i0) * s) / steps), Math.round(j0 + ((j1 - j0) * s) / steps),
  ]);
}

class Painter {
  constructor(root) {
    this.root = root;
    root.classList.add("is-panel", "is-fields", "is-painter");
    this.kind = 1;
    this.brush = 3;
    this.past = [];
    this.cell = null;
    this.kinds = KINDS.map(([name, kind]) => el("button", {
      type: "button", class: "is-button", text: name, title: `Paint ${name} cells`,
      onclick: () => this.set({ kind }),
    }));
    this.brushes = BRUSHES.map((brush) => el("button", {
      type: "button", class: "is-button", text: String(brush), title: `A brush ${brush} cells wide`,
      onclick: () => this.set({ brush }),
    }));
    this.back = el("button", { type: "button", class: "is-button", text: "undo", onclick: () => this.undo() });
    this.canvas = el("canvas", {
      class: "is-field", tabindex: 0, role: "application", "aria-roledescription": "painting",
      "aria-label": "Grid to paint: arrow keys move, space paints, hold shift to move by eight cells",
      onpointerdown: (event) => this.down(event),
      onpointermove: (event) => this.move(event),
      onpointerup: () => this.up(),
      onpointercancel: () => this.up(),
      onpointerleave: () => { if (!this.last) this.point(null); },
      onkeydown: (event) => this.key(event),
    });
    this.cross = svg("rect", { class: "is-field-cell", visibility: "hidden" });
    this.outline = svg("svg", {
      class: "is-field-outline", preserveAspectRatio: "none", "aria-hidden": "true",
    }, this.cross);
    this.note = el("p", { class: "is-note is-mono is-field-value", "aria-live": "polite" });
    root.append(
      el(
        "div", { class: "is-head" }, el("span", { class: "is-title", text: "Paint" }),
        el("span", { class: "is-tools", role: "group", "aria-label": "Kind of cell" }, ...this.kinds),
        el("span", { class: "is-tools", role: "group", "aria-label": "Width of the brush [cells]" }, ...this.brushes),
        this.back,
      ),
      el("div", { class: "is-field-row" }, el(
        "figure", { class: "is-field-panel" },
        el("div", { class: "is-field-frame" }, this.canvas, this.outline), this.note,
      )),
    );
    this.refresh = perFrame(() => this.draw());
  }

  update(bytes, trigger) {
    this.trigger = trigger;
    const { meta, arrays, shapes } = unpack(bytes);
    this.theme = themeOf(this.root);
    // what comes back after a stroke may be older than what is on screen: only a new mask replaces it
    if (meta.rev !== this.rev) {
      this.rev = meta.rev;
      this.cells = arrays.flags.slice();
      [this.rows, this.columns] = shapes.flags;
      this.past = [];
      Object.assign(this.canvas, { width: this.columns, height: this.rows });
      this.canvas.style.aspectRatio = `${this.columns} / ${this.rows}`;
      this.outline.setAttribute("viewBox", `0 0 ${this.columns} ${this.rows}`);
    }
    this.draw();
  }

  set(change) {
    Object.assign(this, change);
    this.draw();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const clamp = (value, count) => Math.min(count - 1, Math.max(0, Math.floor(value)));
    return [
      this.rows - 1 - clamp(((event.clientY - box.top) / box.height) * this.rows, this.rows),
      clamp(((event.clientX - box.left) / box.width) * this.columns, this.columns),
    ];
  }

  down(event) {
    if (event.button > 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.remember();
    this.last = this.place(event);
    this.stroke(this.last, this.last);
    this.point(this.last);
  }

  move(event) {
    const cell = this.place(event);
    if (this.last) {
      this.stroke(this.last, cell);
      this.last = cell;
    }
    this.point(cell);
  }

  up() {
    if (!this.last) return;
    this.last = null;
    this.send(0);
  }

  key(event) {
    const by = event.shiftKey ? 8 : 1;
    const moves = { ArrowUp: [by, 0], ArrowDown: [-by, 0], ArrowRight: [0, by], ArrowLeft: [0, -by] };
    const [i, j] = this.cell ?? [Math.floor(this.rows / 2), Math.floor(this.columns / 2)];
    if (event.key in moves) {
      const [di, dj] = moves[event.key];
      this.point([
        Math.min(this.rows - 1, Math.max(0, i + di)), Math.min(this.columns - 1, Math.max(0, j + dj)),
      ]);
    } else if (event.key === " " || event.key === "Enter") {
      this.remember();
      this.stroke([i, j], [i, j]);
      this.point([i, j]);
      this.send(KEY_DELAY);
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  stroke(from, to) {
    const half = (this.brush - 1) / 2;
    for (const [i, j] of line(from, to)) {
      for (let di = -half; di <= half; di += 1) {
        for (let dj = -half; dj <= half; dj += 1) {
          // a round brush, the corners of the square left out
          if (di * di + dj * dj > (half + 0.5) ** 2) continue;
          const [row, column] = [i + di, j + dj];
          if (row < 0 || column < 0 || row >= this.rows || column >= this.columns) continue;
          this.cells[row * this.columns + column] = this.kind;
        }
      }
    }
    this.refresh();
  }

  remember() {
    this.past.push(this.cells.slice());
    if (this.past.length > UNDO) this.past.shift();
  }

  undo() {
    if (!this.past.length) return;
    this.cells = this.past.pop();
    this.draw();
    this.send(0);
  }

  send(delay) {
    clearTimeout(this.timer);
    const now = () => this.trigger("painting", { shape: [this.rows, this.columns], runs: runsOf(this.cells) });
    if (delay) this.timer = setTimeout(now, delay);
    else now();
  }

  point(cell) {
    this.cell = cell;
    this.refresh();
  }

  draw() {
    if (!this.cells) return;
    const { rows, columns, cells, theme } = this;
    const byte = (colour) => rgb(colour).map((v) => Math.round(255 * v));
    const colours = { 0: byte(theme.muted), 1: byte(theme.muted), 2: byte(theme.view), 3: byte(theme.grid) };
    const image = new ImageData(columns, rows);
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        const to = 4 * ((rows - 1 - i) * columns + j);
        const kind = cells[i * columns + j];
        // air is hatched, so that it does not look like fluid
        const colour = kind === 3 && (i + j) % 4 === 0 ? colours[0] : colours[kind];
        image.data.set(colour, to);
        image.data[to + 3] = 255;
      }
    }
    this.canvas.getContext("2d").putImageData(image, 0, 0);
    this.kinds.forEach((button, n) => button.setAttribute("aria-pressed", String(this.kind === KINDS[n][1])));
    this.brushes.forEach((button, n) => button.setAttribute("aria-pressed", String(this.brush === BRUSHES[n])));
    this.back.disabled = !this.past.length;
    this.mark();
  }

  /** Outline what the brush covers and name the cell. */
  mark() {
    const solid = this.cells.reduce((count, kind) => count + (kind < 2), 0);
    const share = `${((100 * solid) / this.cells.length).toFixed(1)} % solid`;
    this.cross.setAttribute("visibility", this.cell ? "visible" : "hidden");
    this.note.textContent = share;
    if (!this.cell) return;
    const [i, j] = this.cell;
    const half = (this.brush - 1) / 2;
    for (const [name, value] of Object.entries({
      x: j - half, y: this.rows - 1 - i - half, width: this.brush, height: this.brush,
    })) this.cross.setAttribute(name, value);
    const name = ["solid", "solid", "fluid", "air"][this.cells[i * this.columns + j]];
    this.note.textContent = `row ${i}, column ${j}: ${name} · ${share}`;
  }

  dispose() {
    clearTimeout(this.timer);
    this.refresh.cancel();
  }
}
