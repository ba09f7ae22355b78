// A surface in 3-D with the methods' paths on it. Two components feed it: the surface (visible) and the paths (no
// height); they meet in the store of their group, whose cursor the balls follow.
import { group, listen, put } from "./bus.js";
import { feeder } from "./cloud_feeds.js";
import { el, instanceOf, perFrame, reducedMotion, release } from "./dom.js";
import { HeightField, TALL } from "./height_field.js";
import { format } from "./numbers.js";
import { sameBytes, unpack } from "./pack.js";
import { boxLines, farSides, FLOOR } from "./axis_box.js";
import { BALL, decodePaths, SurfacePath } from "./surface_paths.js";
import { surfaceControls } from "./surface_controls.js";
import { SurfaceStage } from "./surface_stage.js";
import { roleColour, themeOf } from "./theme.js";

/** What a person switched on or off, by view; survives new data and remounts. */
const choices = new Map();
/** Time that a ball takes to the next iterate [ms]; a longer way than so many iterates is a jump. */
const TWEEN = 110;
const LONGEST_ROLL = 40;
/** A drawing that takes longer than this leaves no time for the steps in between [ms]. */
const SLOW = 60;
/** A ball is never smaller than this on the screen [px], but no larger than this in the scene. */
const SMALLEST = 7;
const LARGEST = 0.09;
/** Contour lines are dark on the surface in both themes: the surface has the same colours. */
const INK = "#0B0E11";

/** The visible component: data = surface message. */
export const surface = {
  render(component) {
    instanceOf(component, (root) => new SurfaceView(root)).update(component.data);
  },
  release,
};

/** Feeds the paths to the group; takes no room on the page. */
export const paths = feeder((bytes) => {
  const message = decodePaths(bytes);
  if (group(message.group).store.get("paths")?.rev !== message.rev) put(message.group, "paths", message);
});

export class SurfaceView {
  constructor(root) {
    this.root = root;
    root.classList.add("is-panel", "is-view");
    this.paths = [];
    this.shown = new Map();
    this.frames = 0;
    this.stage = new SurfaceStage(root, {
      label: "3-D view of the surface with the paths of the methods", drawn: () => this.drawn(),
      picked: ({ text }) => text,
    });
    this.scene = this.stage.scene;
    if (this.scene) this.scene.picker = (x, y) => this.under(x, y);
    this.refresh = perFrame(() => this.draw());
  }

  update(bytes) {
    this.theme = themeOf(this.root);
    this.stage.colour(this.theme);
    if (!sameBytes(this.bytes, bytes)) {
      this.bytes = bytes.slice();
      const { meta, arrays } = unpack(bytes);
      this.meta = meta;
      this.field = this.newField(arrays, meta);
      this.follow(meta.group);
      if (!choices.has(meta.view)) choices.set(meta.view, { contours: true, floor: true, hidden: new Set() });
      this.choice = choices.get(meta.view);
      if (this.scene) this.load();
    }
    this.takePaths();
    if (!this.scene) return this.drawNumbers();
    this.paint();
    this.refresh();
    return undefined;
  }

  newField({ x, y, heights }, { sides }) {
    return new HeightField(x, y, heights, sides);
  }

  newPath(track) {
    return new SurfacePath(track, this.field, (z) => this.height(z));
  }

  /** What can be switched on and off beside the methods: name of the chip, name of the choice. */
  switches() {
    return [["contours", "contours"], ["floor contours", "floor"]];
  }

  follow(id) {
    if (this.id === id) return;
    this.stop?.();
    this.id = id;
    const stops = [
      listen("cursor", id, ({ origin }) => this.cursorMoved(origin)),
      listen("store", id, ({ name }) => {
        if (name !== "paths") return;
        this.takePaths();
        if (!this.scene) return this.drawNumbers();
        this.paint();
        this.refresh();
        return undefined;
      }),
    ];
    this.stop = () => stops.forEach((stop) => stop());
  }

  /** Height as drawn of a value, and back. */
  height(value) {
    return this.meta.log ? Math.log10(Math.max(value, this.meta.floor)) : value;
  }

  value(height) {
    return this.meta.log ? 10 ** height : height;
  }

  // the surface

  load() {
    const { scene, stage, field, meta } = this;
    scene.setPalette("surface", meta.colours);
    const levels = meta.levels.map((level) => (level - field.low) / (field.high - field.low));
    scene.set("surface", {
      kind: "surface", mesh: field.mesh(), levels, visible: !field.empty, ink: INK, inkOpacity: 0.4, size: 1,
    });
    this.furnish(levels);
    this.controls ??= surfaceControls(this.root, this);
  }

  /** What stands around the surface: its edge, its contour lines on the floor, the box. */
  furnish(levels) {
    const { scene, stage, field, meta } = this;
    // before what is drawn over it
    for (const name of ["box grid", "box"]) scene.set(name, { kind: "lines", data: new Float32Array(0) });
    const border = new Float32Array(field.border());
    scene.set("border", { kind: "lines", data: border, colour: INK, opacity: 0.45, size: 1.2 });
    scene.set("floor", { kind: "surface", levels, ground: FLOOR, size: 1.4 });
    this.walls = "";
    const [ax, ay] = field.sides;
    const half = [ax, ay, 0.5 * (TALL - FLOOR)];
    stage.box = { field, ticks: meta.ticks, titles: meta.titles };
    stage.show(meta.view, { centre: [0, 0, 0.5 * (TALL + FLOOR)], half, radius: Math.hypot(...half) });
  }

  takePaths() {
    const message = this.id === undefined ? null : group(this.id).store.get("paths");
    if (!message || !this.field) return;
    if (this.message === message && this.pathField === this.field) return;
    this.message = message;
    this.pathField = this.field;
    this.paths = message.members.map((track) => this.newPath(track));
    this.pathsFresh = true;
  }

  /** Set colours and visibility of every layer from the choices and the theme. */
  paint() {
    const { scene, theme, choice } = this;
    scene.set("surface", { inkOpacity: choice.contours ? 0.4 : 0 });
    this.paintAround();
    this.paths.forEach((path, i) => {
      const colour = roleColour(theme, "method", path.colour);
      const line = { kind: "lines", shines: true, colour, visible: !choice.hidden.has(path.title) };
      // what follows the cursor waits for the next frame
      const fresh = this.pathsFresh ? { data: path.segments, range: [0, 0] } : {};
      scene.set(`ahead ${i}`, { ...line, ...fresh, size: 1.8, opacity: 0.8 });
      scene.set(`done ${i}`, { ...line, ...fresh, size: 2.8, outline: theme.view });
    });
    // after all lines, so that no line runs over a ball
    this.paths.forEach((path, i) => {
      if (this.pathsFresh) scene.remove(`ball ${i}`);
      const colour = roleColour(theme, "method", path.colour);
      const fresh = this.pathsFresh ? { visible: false } : {};
      scene.set(`ball ${i}`, { kind: "ball", colour, outline: theme.view, ...fresh });
    });
    for (const name of [...scene.layers.keys()]) {
      if (/^(ahead|done|ball) /.test(name) && Number(name.split(" ")[1]) >= this.paths.length) scene.remove(name);
    }
    this.pathsFresh = false;
    this.walls = "";
    this.controls?.update();
  }

  paintAround() {
    this.scene.set("floor", { visible: this.choice.floor && !this.field.empty });
  }

  // the cursor

  cursorMoved(origin) {
    const roll = origin === "play" && !reducedMotion() && this.scene && this.scene.latency < SLOW;
    this.start = roll ? new Map(this.shown) : null;
    this.startTime = performance.now();
    if (this.scene) this.refresh();
    else this.drawNumbers();
  }

  /** Fractional position at which a path is shown now. */
  position(path, i, now) {
    const goal = path.at(group(this.id).k);
    const from = this.start?.get(i);
    if (from === undefined || Math.abs(goal - from) > LONGEST_ROLL) return goal;
    const t = Math.min(1, Math.max(0, (now - this.startTime) / TWEEN));
    return Math.min(from + t * (goal - from), path.length - 1);
  }

  draw() {
    if (!this.meta) return;
    const { scene, choice } = this;
    const now = performance.now();
    this.tall = this.stage.canvas.clientHeight;
    const radius = Math.max(BALL, Math.min(LARGEST, SMALLEST * scene.camera.metresPerPixel(this.tall)));
    this.paths.forEach((path, i) => {
      const position = this.position(path, i, now);
      this.shown.set(i, position);
      const before = path.piecesBefore(position);
      const all = path.segments.length / 6;
      scene.set(`done ${i}`, { range: [0, before] });
      scene.set(`ahead ${i}`, { range: [before, all - before] });
      const model = path.ball(position, radius);
      const visible = Boolean(model) && !choice.hidden.has(path.title);
      scene.set(`ball ${i}`, { visible, ...(model ? { model } : {}) });
    });
    this.root.dataset.k = group(this.id).k;
    if (this.start && now - this.startTime < TWEEN) this.refresh();
    else this.start = null;
  }

  drawn() {
    this.frames += 1;
    this.root.dataset.frames = this.frames;
    if (this.tall !== this.stage.canvas.clientHeight) this.refresh();
    if (this.field) this.drawnAround();
  }

  /** The walls of the box stand behind the surface, wherever that is seen from. */
  drawnAround() {
    const far = farSides(this.scene.camera.basis().back);
    const { meta, field, theme } = this;
    if (this.walls === far.join()) return;
    this.walls = far.join();
    const { frame, grid } = boxLines(field, meta.ticks, far);
    const line = { kind: "lines", size: 1 };
    this.scene.set("box grid", { ...line, data: new Float32Array(grid), colour: theme.grid });
    this.scene.set("box", { ...line, data: new Float32Array(frame), colour: theme.border, size: 1.2 });
  }

  // what is under the pointer

  /** The iterate near a position of the canvas, else the point of the surface there, in words. */
  under(x, y) {
    const { scene, field } = this;
    if (!field) return null;
    const found = this.iterateAt(x, y);
    if (found) return found;
    const eye = scene.camera.eye();
    const hit = field.hit(eye, scene.ray(x, y));
    return hit && { text: this.words(hit), point: hit.point };
  }

  iterateAt(x, y, reach = 9) {
    let best = null;
    this.paths.forEach((path, i) => {
      if (this.choice.hidden.has(path.title)) return;
      const shown = Math.round(this.shown.get(i) ?? 0);
      for (let index = 0; index < path.length; index += 1) {
        const place = path.place(index);
        const at = place && this.scene.project(place.point);
        // the iterate under the cursor is drawn largest
        const off = at ? Math.hypot(at.x - x, at.y - y) - (index === shown ? 5 : 0) : Infinity;
        if (off <= reach && (!best || off < best.off)) best = { off, path, index, place };
      }
    });
    if (!best) return null;
    const { path, index, place } = best;
    return { text: `${path.title}, k = ${path.k[index]}: ${this.words(path.told(index))}`, point: place.point };
  }

  /** Titles and numbers of a point. */
  numbers({ x, y, height, value = this.value(height) }) {
    return [x, y, value].map((number, i) => [this.meta.titles[i], number]);
  }

  words(told) {
    const named = ([title, number]) => {
      const [, name, unit] = /^(.*?)(?: \[(.*)\])?$/.exec(title);
      const gap = unit === "°" ? "" : " ";
      return `${name} ${format(number, "sig3")}${unit ? gap + unit : ""}`;
    };
    return this.numbers(told).map(named).join(" · ");
  }

  /** Without WebGL the numbers stay readable. */
  drawNumbers() {
    this.table ??= this.root.appendChild(el("div", { class: "is-fallback" }));
    const state = group(this.id);
    const row = (...cells) => el("tr", {}, ...cells.map((text) => el("td", { text })));
    const told = this.paths.map((path) => [path.title, this.numbers(path.told(path.at(state.k)))]);
    const rows = told.map(([title, numbers]) => row(title, ...numbers.map(([, number]) => format(number, "sig4"))));
    const heads = told.length ? told[0][1].map(([title]) => title) : [];
    const { low, high } = this.field;
    const title = this.meta.valueTitle;
    this.table.replaceChildren(
      el("p", { text: `The 3-D view needs WebGL 2: ${this.stage.missing}. The numbers stay.` }),
      el("p", { text: `${title}: from ${format(this.value(low), "sig4")} to ${format(this.value(high), "sig4")}.` }),
      el("table", {}, el("caption", { text: `Iterates at k = ${state.k}` }), row("", ...heads), ...rows),
    );
  }

  dispose() {
    this.stop?.();
    this.refresh.cancel();
    this.controls?.dispose();
    this.stage.dispose();
  }
}
