// Numbers that follow the cursor without a server: shares of the weak directions, and the table of members.
import { group, listen } from "./bus.js";
import { el, instanceOf, perFrame, release } from "./dom.js";
import { shortName } from "./names.js";
import { format, length } from "./numbers.js";
import { indexAt, unpack } from "./pack.js";
import { themeOf } from "./theme.js";

const AXES = { rotation: ["roll", "pitch", "yaw"], translation: ["x", "y", "z"] };
const DEGREES = 180 / Math.PI;
/** Chosen member and norm, by group. */
const choices = new Map();

/** Six bars r0–r2, t0–t2 with three shares each; data {group}: it reads the poses that the view has too. */
export const shares = {
  render(component) {
    instanceOf(component, (root) => new Shares(root)).update(component.data);
  },
  release,
};

/** Rows of numbers for each member at the cursor, with their difference when there are two. */
export const table = {
  render(component) {
    instanceOf(component, (root) => new Table(root)).update(component.data);
  },
  release,
};

/**
 * Shares of the three axes in a unit direction.
 * @param {number[]} axis
 * @param {boolean} absolute |v| / Σ|v| as the paper plots it, otherwise v²
 */
export function sharesOf(axis, absolute) {
  const parts = axis.map((value) => (absolute ? Math.abs(value) : value * value));
  const total = parts[0] + parts[1] + parts[2] || 1;
  return parts.map((part) => part / total);
}

/** A panel that redraws when the cursor or the store of its group changes. */
class Panel {
  constructor(root) {
    this.root = root;
    root.classList.add("is-panel");
    this.refresh = perFrame(() => this.draw());
  }

  follow(id) {
    if (this.id === id) return;
    this.stop?.();
    this.id = id;
    const stops = [listen("cursor", id, this.refresh), listen("store", id, this.refresh)];
    this.stop = () => stops.forEach((stop) => stop());
  }

  dispose() {
    this.stop?.();
    this.refresh.cancel();
  }
}

class Shares extends Panel {
  constructor(root) {
    super(root);
    root.classList.add("is-shares");
    this.title = el("span", { class: "is-title" });
    this.at = el("span", { class: "is-note is-mono" });
    this.members = el("select", {
      "aria-label": "Method", hidden: true,
      onchange: () => this.choose({ member: Number(this.members.value) }),
    });
    this.norm = el("button", {
      type: "button", class: "is-button",
      title: "Squared components of the direction, or absolute ones as in the paper",
      onclick: () => this.choose({ absolute: !this.choice.absolute }),
    });
    this.rows = ["rotation", "translation"].flatMap((kind) => [0, 1, 2].map((j) => shareRow(kind, j)));
    this.nothing = el("p", { class: "is-note", hidden: true });
    this.body = el("div", { class: "is-share-rows" }, ...this.rows.map(({ node }) => node));
    root.append(
      el("div", { class: "is-head" }, this.title, this.members, this.norm, this.at), this.body, this.nothing,
    );
  }

  update({ group: id, title, empty }) {
    themeOf(this.root);
    this.title.textContent = title;
    this.nothing.textContent = empty;
    this.follow(id);
    if (!choices.has(id)) choices.set(id, { member: 0, absolute: false });
    this.choice = choices.get(id);
    this.draw();
  }

  choose(change) {
    Object.assign(this.choice, change);
    this.draw();
  }

  draw() {
    const poses = group(this.id).store.get("poses");
    const tracks = (poses?.members ?? []).filter((track) => track.field("translation_axes"));
    const track = tracks[Math.min(this.choice.member, tracks.length - 1)];
    this.body.hidden = !track;
    this.nothing.hidden = Boolean(track);
    this.members.hidden = tracks.length < 2;
    if (!track) return;
    const names = tracks.map(({ title }) => title).join("\n");
    if (this.names !== names) {
      this.names = names;
      this.members.replaceChildren(
        ...tracks.map(({ title }, i) => el("option", { value: i, text: shortName(title), title })),
      );
    }
    this.members.value = String(tracks.indexOf(track));
    this.members.title = track.title;
    this.norm.textContent = this.choice.absolute ? "|v|" : "v²";
    const index = track.at(group(this.id).k);
    this.at.textContent = `k = ${track.ks[index]}`;
    const weak = track.weak(index);
    this.rows.forEach((row) => row.show(weak[row.kind][row.j], this.choice.absolute));
  }
}

function shareRow(kind, j) {
  const dot = el("i", { class: "is-flag" });
  const parts = [0, 1, 2].map(() => el("i", { class: "is-part" }));
  const texts = [0, 1, 2].map(() => el("span", {}));
  parts.forEach((part, i) => part.append(texts[i]));
  const bar = el("div", { class: "is-bar", role: "img" }, ...parts);
  const condition = el("span", { class: "is-mono" });
  const std = el("span", { class: "is-mono is-muted" });
  const name = `${kind[0]}${j}`;
  const node = el("div", { class: "is-share" }, dot, el("span", { class: "is-mono", text: name }), bar, condition, std);
  const show = ({ axis, std: deviation, condition: kappa, flagged }, absolute) => {
    const values = sharesOf(axis, absolute);
    node.classList.toggle("is-weak", flagged);
    dot.title = flagged ? "weak" : "held";
    values.forEach((value, i) => {
      parts[i].style.width = `${100 * value}%`;
      texts[i].textContent = value >= 0.18 ? `${AXES[kind][i]} ${Math.round(100 * value)} %` : "";
    });
    const spoken = values.map((value, i) => `${AXES[kind][i]} ${Math.round(100 * value)} %`).join(", ");
    condition.textContent = `κ ${kappa >= 100 ? format(kappa, "sig3") : format(kappa, "sig2")}`;
    if (!Number.isFinite(deviation)) std.textContent = "free";
    else if (kind === "rotation" && deviation * DEGREES < 0.001) std.textContent = "< 0.001°";
    else if (kind === "rotation") std.textContent = `± ${format(deviation * DEGREES, "sig2")}°`;
    else std.textContent = `± ${length(deviation)}`;
    bar.setAttribute("aria-label", `${name}: ${spoken}; ${condition.textContent}; ${flagged ? "weak" : "held"}`);
    bar.title = spoken;
  };
  return { node, kind, j, show };
}

class Table extends Panel {
  constructor(root) {
    super(root);
    root.classList.add("is-table");
    this.at = el("th", { scope: "col" });
    this.head = el("tr", {}, this.at);
    this.body = el("tbody", {});
    root.append(el("table", {}, el("thead", {}, this.head), this.body));
  }

  update(bytes) {
    themeOf(this.root);
    const { meta, arrays } = unpack(bytes);
    this.follow(meta.group);
    Object.assign(this, { meta, arrays });
    const titles = meta.members.map(({ title }) => el("th", { scope: "col", text: shortName(title), title }));
    const difference = titles.length === 2 ? [el("th", { scope: "col", text: "difference" })] : [];
    this.head.replaceChildren(this.at, ...titles, ...difference);
    this.cells = meta.rows.map(() => Array.from({ length: titles.length + difference.length }, () => el("td", {})));
    this.body.replaceChildren(...meta.rows.map(({ label, help }, i) => el(
      "tr", {}, el("th", { scope: "row", text: label, title: help }), ...this.cells[i],
    )));
    this.draw();
  }

  draw() {
    if (!this.meta) return;
    const { k } = group(this.id);
    this.at.textContent = `at k = ${k}`;
    const indices = this.meta.members.map((_, m) => indexAt(this.arrays[`${m}.k`], k));
    this.meta.rows.forEach(({ key, unit, format: form }, r) => {
      const values = indices.map((index, m) => this.arrays[`${m}.${key}`]?.[index]);
      if (values.length === 2) values.push(values[0] - values[1]);
      values.forEach((value, c) => {
        const space = unit === "°" ? "" : "\u202f";
        this.cells[r][c].textContent = format(value, form) + (unit && value !== undefined ? space + unit : "");
      });
    });
  }
}
