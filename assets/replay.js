// The report's replay: the page's own components, fed from the file instead of from a server.
// A placeholder <div data-component="table" data-payload="table"> names what is mounted there and with which data.
import { group, listen, setCursor } from "./bus.js";
import { pose, scalars } from "./cloud_feeds.js";
import { geometry } from "./cloud_view.js";
import { el, instanceOf, perFrame, release } from "./dom.js";
import { figure } from "./live_figure.js";
import { indexAt, unpack } from "./pack.js";
import { shares, table } from "./readout.js";
import { themeOf } from "./theme.js";
import { transport } from "./transport.js";

/** Row by row, the pose of every method at the cursor; data {members: [{title}], arrays "0.k", "0.pose", "0.xyzrpy"}. */
const poses = {
  render(component) {
    instanceOf(component, (root) => new Poses(root)).update(component.data);
  },
  release,
};

const COMPONENTS = { figure, geometry, pose, poses, shares, table, transport };
const RPY = ["x [m]", "y [m]", "z [m]", "roll [°]", "pitch [°]", "yaw [°]"];

/** All numbers of a matrix with the same decimals, so that its columns stand still. */
function fixed(value, digits) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
}

/** Bytes of a payload by its name. */
function payload(name) {
  const text = atob(document.querySelector(`script[data-name="${CSS.escape(name)}"]`).textContent);
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

class Poses {
  constructor(root) {
    this.root = root;
    root.classList.add("is-panel", "re-poses");
    this.at = el("span", { class: "is-note is-mono" });
    this.body = el("div", { class: "re-pose-list" });
    root.append(
      el("div", { class: "is-head" }, el("span", { class: "is-title", text: "Pose at the cursor, T_target_source" }), this.at),
      this.body,
    );
    this.refresh = perFrame(() => this.draw());
  }

  update(bytes) {
    themeOf(this.root);
    if (this.bytes === bytes) return;
    this.bytes = bytes;
    const { meta, arrays } = unpack(bytes);
    this.group = meta.group;
    this.stop?.();
    this.stop = listen("cursor", meta.group, this.refresh);
    const cells = (count) => Array.from({ length: count }, () => el("td", {}));
    this.members = meta.members.map((member, m) => ({
      ks: arrays[`${m}.k`], pose: arrays[`${m}.pose`], xyzrpy: arrays[`${m}.xyzrpy`],
      matrix: cells(16), numbers: cells(6), title: member.title,
    }));
    this.body.replaceChildren(...this.members.map(({ title, matrix, numbers }) => el(
      "div", { class: "re-pose" },
      el("table", { class: "re-matrix" }, el("caption", { text: title }), el("tbody", {}, ...[0, 1, 2, 3].map(
        (row) => el("tr", {}, ...matrix.slice(4 * row, 4 * row + 4)),
      ))),
      el("table", { class: "re-xyzrpy" }, el("tbody", {}, ...[0, 1, 2].map((row) => el(
        "tr", {}, ...[row, row + 3].flatMap((i) => [el("th", { scope: "row", text: RPY[i] }), numbers[i]]),
      )))),
    )));
    this.draw();
  }

  draw() {
    const { k } = group(this.group);
    this.at.textContent = `k = ${k}`;
    for (const { ks, pose: all, xyzrpy, matrix, numbers } of this.members) {
      const index = indexAt(ks, k);
      matrix.forEach((cell, i) => {
        cell.textContent = fixed(all[16 * index + i], i % 4 === 3 ? 4 : 6);
      });
      numbers.forEach((cell, i) => {
        cell.textContent = fixed(xyzrpy[6 * index + i], 4);
      });
    }
  }

  dispose() {
    this.stop?.();
    this.refresh.cancel();
  }
}

/** Show the residual colours that the file has for the newest iterate not after the cursor. */
function followColours(id, names) {
  const messages = names.map((name) => payload(name));
  const ks = messages.map((bytes) => unpack(bytes).meta.k);
  let shown = -1;
  const show = () => {
    const index = indexAt(ks, group(id).k);
    if (index === shown) return;
    shown = index;
    scalars.render({ parentElement: document.body, data: messages[index] });
  };
  listen("cursor", id, show);
  show();
}

/** Go to the iterate that the address names after "#k=", if it names one. */
function followAddress(id) {
  const found = /^#k=(\d+)$/.exec(location.hash);
  if (found) setCursor(id, Math.min(Number(found[1]), group(id).newest), "address");
}

function start() {
  const { group: id, colours } = JSON.parse(document.querySelector('script[data-name="page"]').textContent);
  const axes = [...document.querySelectorAll('input[name="x"]')];
  const bytes = new Map();
  const data = (node) => {
    if (node.dataset.json) return JSON.parse(node.dataset.json);
    const axis = node.dataset.component === "figure" ? `.${axes.find(({ checked }) => checked).value}` : "";
    const name = node.dataset.payload + axis;
    if (!bytes.has(name)) bytes.set(name, payload(name));
    return bytes.get(name);
  };
  const nodes = [...document.querySelectorAll("[data-component]")];
  const mount = (node) => COMPONENTS[node.dataset.component].render({
    parentElement: node,
    data: data(node),
    // where the cursor came to rest: the address then leads there again
    setStateValue: (name, value) => history.replaceState(null, "", `#${name}=${value}`),
  });
  nodes.forEach(mount);
  if (colours.length) followColours(id, colours);
  followAddress(id);
  addEventListener("hashchange", () => followAddress(id));
  axes.forEach((input) => input.addEventListener("change", () => nodes.filter(
    (node) => node.dataset.component === "figure",
  ).forEach(mount)));
  // Streamlit calls a component again for a new theme, so does this page
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => nodes.forEach(mount));
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", () => copy(button));
  }
}

/** Copy the text beside a button; a page opened from a file may have to do without the clipboard. */
async function copy(button) {
  const text = button.closest(".re-block").querySelector("pre");
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(text);
    button.textContent = "selected";
  }
  setTimeout(() => {
    button.textContent = "copy";
  }, 1500);
}

start();
