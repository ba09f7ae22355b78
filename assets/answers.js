// Samples that no network was trained on, and what each one takes them for at the cursor.
import { group, listen } from "./bus.js";
import { el, instanceOf, perFrame, release } from "./dom.js";
import { indexAt, unpack } from "./pack.js";
import { rgb, roleColour, themeOf } from "./theme.js";

/** Side of a picture in numbers, and largest value of a number. */
const SIDE = 8;
const WHITE = 255;

/** Grid of samples; data from pages/figures/network_training.py. */
export const answers = {
  render(component) {
    instanceOf(component, (root) => new Answers(root)).update(component.data);
  },
  release,
};

/** How many answers of one network are wrong. */
export function wrong(found, truth) {
  let count = 0;
  for (let s = 0; s < truth.length; s += 1) if (found[s] !== truth[s]) count += 1;
  return count;
}

class Answers {
  constructor(root) {
    this.root = root;
    root.classList.add("is-panel", "is-answers");
    this.title = el("span", { class: "is-title" });
    this.legend = el("div", { class: "is-answer-legend" });
    this.grid = el("div", { class: "is-answer-grid" });
    root.append(el("div", { class: "is-head" }, this.title), this.legend, this.grid);
    this.refresh = perFrame(() => this.draw());
  }

  update(bytes) {
    this.theme = themeOf(this.root);
    const { meta, arrays } = unpack(bytes);
    if (this.id !== meta.group) {
      this.stop?.();
      this.id = meta.group;
      this.stop = listen("cursor", meta.group, this.refresh);
    }
    Object.assign(this, { meta, arrays });
    this.title.textContent = meta.title;
    const layout = JSON.stringify([meta.rev, meta.members, this.theme.name]);
    if (layout !== this.layout) this.build();
    this.layout = layout;
    this.draw();
  }

  build() {
    const { members, names, short } = this.meta;
    const { truth, pixels } = this.arrays;
    this.grid.classList.toggle("is-wide", !pixels && !short);
    this.counts = members.map(() => el("span", { class: "is-mono" }));
    this.legend.replaceChildren(...members.map(({ title, index }, m) => el(
      "span", {},
      el("i", { class: "is-dot", style: `background: ${roleColour(this.theme, "method", index)}` }),
      el("span", { text: title }), this.counts[m],
    )));
    this.marks = [];
    this.grid.replaceChildren(...Array.from(truth, (label, s) => {
      const marks = members.map(({ index }) => el("b", {
        style: `--is-hue: ${roleColour(this.theme, "method", index)}`,
      }));
      this.marks.push(marks);
      const picture = pixels
        ? this.picture(pixels.subarray(SIDE * SIDE * s, SIDE * SIDE * (s + 1)))
        : el("span", { class: "is-glyph", text: names[label] });
      return el("div", { class: "is-answer", title: `this is ${names[label]}` }, picture, el("span", {}, ...marks));
    }));
  }

  /** Draw a picture in the page's ink. */
  picture(values) {
    const canvas = el("canvas", { width: SIDE, height: SIDE });
    const context = canvas.getContext("2d");
    const image = context.createImageData(SIDE, SIDE);
    const ink = rgb(roleColour(this.theme, "text")).map((part) => Math.round(WHITE * part));
    values.forEach((value, i) => image.data.set([...ink, value], 4 * i));
    context.putImageData(image, 0, 0);
    return canvas;
  }

  draw() {
    if (!this.meta) return;
    const { names, short, members } = this.meta;
    const { truth } = this.arrays;
    const { k } = group(this.id);
    members.forEach(({ title }, m) => {
      const ks = this.arrays[`${m}.k`];
      if (!ks.length) {
        this.counts[m].textContent = "";
        return;
      }
      const at = indexAt(ks, k) * truth.length;
      const found = this.arrays[`${m}.answers`].subarray(at, at + truth.length);
      this.counts[m].textContent = `${wrong(found, truth)} wrong`;
      for (let s = 0; s < truth.length; s += 1) {
        const mark = this.marks[s][m];
        const right = found[s] === truth[s];
        const said = names[found[s]];
        const sign = right ? "●" : "✗";
        const text = short ? said : sign;
        if (mark.textContent !== text) mark.textContent = text;
        mark.className = right ? "" : "is-wrong";
        mark.title = `${title}: ${said}`;
      }
    });
  }

  dispose() {
    this.stop?.();
    this.refresh.cancel();
  }
}
