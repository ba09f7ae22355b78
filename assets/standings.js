// Who stands where at the cursor: one row a method, the same iteration for all.
import { group, listen } from "./bus.js";
import { el, instanceOf, perFrame, release } from "./dom.js";
import { format } from "./numbers.js";
import { indexAt, unpack } from "./pack.js";
import { roleColour, themeOf } from "./theme.js";

/** What the table shows where the message names no columns. */
const COLUMNS = [
  { key: "k", label: "k", title: "iterations done", format: "int" },
  { key: "residual", label: "‖r‖ / ‖b‖", title: "residual over right-hand side", format: "sig3" },
  { key: "work", label: "work", title: "in applications of A", format: "sig3" },
  { key: "seconds", label: "time", title: "CPU time of the method, set-up included", format: "duration" },
];

/** Table of methods; data from pages/figures/poisson.py. */
export const standings = {
  render(component) {
    instanceOf(component, (root) => new Standings(root)).update(component.data);
  },
  release,
};

/** Seconds in the unit that fits them. */
export function duration(seconds) {
  if (!(seconds >= 0)) return "–";
  return seconds < 1 ? `${format(1000 * seconds, "sig3")}\u202fms` : `${format(seconds, "sig3")}\u202fs`;
}

class Standings {
  constructor(root) {
    this.root = root;
    root.classList.add("is-panel", "is-table", "is-standings");
    this.at = el("th", { scope: "col" });
    this.body = el("tbody", {});
    this.heads = el("tr", {}, this.at);
    root.append(el("table", {}, el("thead", {}, this.heads), this.body));
    this.refresh = perFrame(() => this.draw());
  }

  update(bytes) {
    const theme = themeOf(this.root);
    const { meta, arrays } = unpack(bytes);
    if (this.id !== meta.group) {
      this.stop?.();
      this.id = meta.group;
      this.stop = listen("cursor", meta.group, this.refresh);
    }
    Object.assign(this, { meta, arrays, columns: meta.columns ?? COLUMNS });
    this.heads.replaceChildren(this.at, ...this.columns.map(({ label, title }) => (
      el("th", { scope: "col", text: label, title })
    )));
    this.cells = meta.members.map(() => this.columns.map(() => el("td", {})));
    this.rows = meta.members.map(({ title, index }, m) => el(
      "tr", {},
      el(
        "th", { scope: "row" },
        el("i", { class: "is-dot", style: `background: ${roleColour(theme, "method", index)}` }),
        el("span", { text: title }),
      ),
      ...this.cells[m],
    ));
    this.body.replaceChildren(...this.rows);
    this.draw();
  }

  draw() {
    if (!this.meta) return;
    const { k } = group(this.id);
    this.at.textContent = `at k = ${k}`;
    this.meta.members.forEach(({ ended, tone }, m) => {
      const ks = this.arrays[`${m}.k`];
      const cells = this.cells[m];
      if (!ks.length) {
        cells.forEach((cell) => { cell.textContent = "–"; });
        return;
      }
      const index = indexAt(ks, k);
      const over = ended && index === ks.length - 1;
      this.rows[m].dataset.tone = over ? tone : "";
      this.columns.forEach(({ key, format: style }, column) => {
        const value = this.arrays[`${m}.${key}`][index];
        cells[column].textContent = style === "duration" ? duration(value) : format(value, style);
      });
    });
  }

  dispose() {
    this.stop?.();
    this.refresh.cancel();
  }
}
