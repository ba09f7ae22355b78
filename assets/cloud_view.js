// The registration view. The clouds reach it once; poses, colours and pairs (cloud_feeds.js) at every tick or rest.
// They meet in the store of their group, where a second view beside the first one finds them too.
import { emit, group, listen, put } from "./bus.js";
import { frameAxes, pairSegments, path, slidingMotion, uncertainty, weakMotions } from "./cloud_overlays.js";
import { robustBounds } from "./camera.js";
import { el, instanceOf, perFrame, reducedMotion, release } from "./dom.js";
import { between, identity, multiply } from "./matrix.js";
import { count, format, length } from "./numbers.js";
import { indexAt, sameBytes, unpack } from "./pack.js";
import { unitSphere } from "./shapes.js";
import { Stage } from "./stage.js";
import { roleColour, themeOf } from "./theme.js";
import { viewControls } from "./view_controls.js";

/** What a person switched on or off, by group; survives new clouds and remounts. */
const choices = new Map();
const DEFAULTS = {
  source: true, target: true, initial: false, truth: false, path: true, weak: true, ellipsoid: false,
  sliding: false, pairs: false, colour: "role", size: 2, member: 0,
};
const TWEEN = 110;
const RESIDUAL = { light: ["#2166AC", "#C9CDD2", "#B2182B"], dark: ["#5AA9E6", "#4A525B", "#F2705E"] };
const HEIGHT = ["#440154", "#3B528B", "#21918C", "#5EC962", "#FDE725"];

/** The visible component: data = geometry message. */
export const geometry = {
  render(component) {
    instanceOf(component, (root) => new CloudView(root)).update(component.data);
  },
  release,
};

/** A second view beside it, of the second method: it reads the clouds from the group; data {group}. */
export const companion = {
  render(component) {
    instanceOf(component, (root) => new CloudView(root, 1)).accompany(component.data);
  },
  release,
};

class CloudView {
  /** @param {HTMLElement} root @param {number} slot 0, or 1 for the view beside it */
  constructor(root, slot = 0) {
    this.root = root;
    this.slot = slot;
    root.classList.add("is-panel", "is-view");
    this.stage = new Stage(root, {
      label: slot ? "3-D view of both scans, second method" : "3-D view of both scans",
      drawn: () => this.drawn(),
      moved: () => emit("camera", this.id, { state: this.scene.camera.state, from: this }),
      picked: (found) => this.describe(found),
    });
    this.scene = this.stage.scene;
    this.frames = 0;
    this.refresh = perFrame(() => this.draw());
  }

  update(bytes) {
    this.colour();
    if (!sameBytes(this.bytes, bytes)) {
      this.bytes = bytes.slice();
      const { meta, arrays } = unpack(bytes);
      this.follow(meta.group);
      this.take({ meta, arrays });
      put(meta.group, "geometry", { meta, arrays });
    }
    this.show();
  }

  accompany({ group: id }) {
    this.colour();
    this.follow(id);
    const { store } = group(id);
    if (store.get("companion") !== this) put(id, "companion", this);
    if (store.has("geometry")) this.take(store.get("geometry"));
    this.show();
  }

  colour() {
    this.theme = themeOf(this.root);
    this.stage.colour(this.theme);
  }

  take({ meta, arrays }) {
    if (this.meta === meta) return;
    Object.assign(this, { meta, arrays });
    if (this.scene) this.load();
  }

  show() {
    if (!this.scene) {
      this.drawNumbers();
      return;
    }
    this.paint();
    this.refresh();
  }

  follow(id) {
    if (this.id === id) return;
    this.stop?.();
    this.id = id;
    const stops = [
      listen("cursor", id, ({ origin }) => this.cursorMoved(origin)),
      listen("store", id, ({ name }) => this.stored(name)),
      listen("layers", id, () => this.layersChanged()),
      listen("play", id, () => this.refresh()),
      listen("camera", id, ({ state, from }) => from !== this && this.stage.take(state)),
    ];
    this.stop = () => stops.forEach((stop) => stop());
    if (!choices.has(id)) choices.set(id, { ...DEFAULTS });
    this.choice = choices.get(id);
  }

  stored(name) {
    if (name === "geometry" && this.slot > 0) this.take(group(this.id).store.get(name));
    if (!this.meta) return;
    if (name === "colour") this.choice.colour = this.residual ? "residual" : this.choice.colour;
    if (name !== "poses" && this.scene) this.applyScalars();
    this.controls?.update();
    if (this.scene) this.refresh();
    else this.drawNumbers();
  }

  layersChanged() {
    if (!this.meta || !this.scene) return;
    this.applyScalars();
    this.refresh();
    this.controls.update();
  }

  // the clouds

  load() {
    const { scene, meta, arrays } = this;
    for (const name of ["source", "target"]) {
      const positions = arrays[name];
      scene.setCloud(name, { positions, ...meta[name], scalars: arrays[`${name}_intensity`] ?? null });
    }
    const samples = [...this.samples("target", identity()), ...this.samples("source", meta.initial ?? identity())];
    this.bounds = robustBounds(samples);
    const heights = samples.map((point) => point[2]).sort((a, b) => a - b);
    if (heights.length) {
      const at = (share) => heights[Math.round(share * (heights.length - 1))];
      scene.settings.heights = [at(0.02), Math.max(at(0.98), at(0.02) + 1e-6)];
    }
    this.stage.show(meta.id, this.bounds);
    this.shownPose = null;
    const shown = meta.source.shown + meta.target.shown;
    const total = meta.source.total + meta.target.total;
    this.stage.right.textContent = shown < total
      ? `showing ${count(shown)} of ${count(total)} points` : `${count(total)} points`;
    this.controls ??= viewControls(this.root, this);
    this.applyScalars();
    this.controls.update();
  }

  samples(name, model) {
    const points = this.meta[name].shown;
    const step = Math.max(1, Math.floor(points / 2000));
    const picked = [];
    for (let index = 0; index < points; index += step) picked.push(this.scene.pointAt(name, index, model));
    return picked;
  }

  /** Whether another view stands beside this one, each with its own method. */
  get split() {
    return Boolean(group(this.id).store.get("companion"));
  }

  /** Place in the run of the method whose source is shown. */
  get member() {
    if (this.split) return this.slot;
    return this.choice.member === "both" ? 0 : this.choice.member;
  }

  get residual() {
    const scalars = group(this.id).store.get(`scalars.${this.member}`);
    return scalars?.codes.length === this.meta.source.shown ? scalars : null;
  }

  /** Pairs of the shown method, if they are those of these clouds. */
  get pairs() {
    const pairs = group(this.id).store.get(`pairs.${this.member}`);
    return pairs?.view === this.meta.id ? pairs : null;
  }

  get poses() {
    return group(this.id).store.get("poses");
  }

  applyScalars() {
    const { choice, arrays, scene } = this;
    const residual = choice.colour === "residual" ? this.residual?.codes : null;
    scene.setScalars("source", residual ?? arrays.source_intensity ?? null);
    this.paint();
  }

  /** Set colours and visibility of every layer from the choices and the theme. */
  paint() {
    const { scene, theme, choice, meta } = this;
    if (!meta) return;
    const { name } = theme;
    const residual = choice.colour === "residual";
    const signed = residual && this.residual?.kind === "signed";
    scene.setPalette("scalar", signed ? RESIDUAL[name] : HEIGHT, residual ? theme.border : null);
    scene.setPalette("height", HEIGHT);
    scene.settings.pointScale = choice.size / 2;
    // many points need less ink each
    const size = meta.source.shown + meta.target.shown > 50_000 ? 1.5 : 2;
    const modes = { role: "colour", intensity: "scalar", height: "height", residual: "colour" };
    const mode = modes[choice.colour];
    const points = (layer, cloud, role, extra) => scene.set(layer, {
      kind: "points", cloud, colour: theme[role], size, mode, ...extra,
    });
    // blue is one end of the residual scale
    points("target", "target", residual ? "muted" : "target", { visible: choice.target });
    points("source", "source", "source", { visible: choice.source, mode: residual ? "scalar" : mode });
    const ghost = { opacity: 0.35, size: 1.5, mode: "colour" };
    points("initial", "source", "initial", {
      ...ghost, visible: choice.initial && Boolean(meta.initial), model: meta.initial ?? identity(),
    });
    points("truth", "source", "truth", {
      ...ghost, visible: choice.truth && Boolean(meta.truth), model: meta.truth ?? identity(),
    });
    const axis = this.bounds.radius * 0.08;
    const origin = meta.offset.map((value) => -value);
    const near = Math.hypot(...origin.map((v, i) => v - this.bounds.centre[i])) < 3 * this.bounds.radius;
    scene.set("sensor", {
      kind: "segments", data: new Float32Array(frameAxes(origin, axis).flat()), colour: theme.muted, size: 1.5,
      visible: Boolean(meta.sensor_axes) && near,
    });
  }

  // the cursor

  cursorMoved(origin) {
    this.tweenFrom = origin === "play" && !reducedMotion() && this.lastDraw < 40 ? this.shownPose : null;
    this.tweenStart = performance.now();
    if (this.scene) this.refresh();
    else this.drawNumbers();
  }

  /** Tracks on view: the chosen member first, the other one too when both are wanted. */
  tracks() {
    const members = this.poses?.members ?? [];
    if (this.split) return members.slice(this.slot, this.slot + 1);
    if (this.choice.member === "both") return members.slice(0, 2);
    return members.length ? [members[Math.min(this.member, members.length - 1)]] : [];
  }

  draw() {
    if (!this.meta) return;
    const begun = performance.now();
    const { scene, choice, theme } = this;
    const state = group(this.id);
    const [first, second] = this.tracks();
    const anchor = this.poses?.anchor ?? [0, 0, 0];
    const index = first ? first.at(state.k) : 0;
    const exact = first ? first.pose(index) : this.meta.initial ?? identity();
    let drawn = exact;
    if (this.tweenFrom) {
      const t = (begun - this.tweenStart) / TWEEN;
      drawn = between(this.tweenFrom, exact, t);
      if (t >= 1) this.tweenFrom = null;
    }
    this.shownPose = drawn;
    const weak = first?.weak(index) ?? null;
    const slide = choice.sliding && weak ? slidingMotion(weak, anchor, this.bounds.radius) : null;
    this.sliding = slide?.reach;
    const moved = this.slid(drawn, slide?.motion, begun);
    scene.set("source", { model: moved });
    scene.set("second", {
      kind: "points", cloud: "source", size: 2, visible: Boolean(second) && choice.source,
      colour: roleColour(theme, "method", second?.index ?? 0), model: second ? second.pose(second.at(state.k)) : exact,
    });
    this.drawPath(first, anchor, index);
    this.drawWeak(weak, moved, anchor);
    this.drawPairs(moved);
    const k = first ? String(first.ks[index]) : "";
    if (this.root.dataset.k !== k) this.root.dataset.k = k;
    if (this.tweenFrom || (slide && !reducedMotion() && scene.onScreen)) this.refresh();
    this.lastDraw = performance.now() - begun;
  }

  /** The source's pose while it slides along its weakest motion: there and back in three seconds. */
  slid(pose, slide, now) {
    const still = reducedMotion();
    for (const [name, amount] of [["slid back", -1], ["slid forth", 1]]) {
      this.scene.set(name, {
        kind: "points", cloud: "source", colour: this.theme.weak, opacity: 0.3, size: 1.5,
        visible: Boolean(slide) && still, model: slide ? multiply(pose, slide(amount)) : pose,
      });
    }
    if (!slide || still) return pose;
    return multiply(pose, slide(Math.sin((2 * Math.PI * now) / 3000)));
  }

  drawPath(track, anchor, index) {
    const { scene, theme, choice } = this;
    const visible = choice.path && Boolean(track) && track.length > 1;
    const shown = [track, index, visible, theme];
    if (this.pathShown?.every((value, i) => value === shown[i])) return;
    this.pathShown = shown;
    const { done, ahead } = visible ? path(track, anchor, index) : { done: [], ahead: [] };
    const line = { kind: "segments", colour: theme.path, onTop: true, visible };
    scene.set("path done", { ...line, data: new Float32Array(done), size: 2.5 });
    scene.set("path ahead", { ...line, data: new Float32Array(ahead), size: 1.5, opacity: 0.35 });
  }

  drawWeak(weak, pose, anchor) {
    const { scene, theme, choice, bounds } = this;
    const motions = weak && choice.weak ? weakMotions(weak, pose, anchor, bounds.radius) : null;
    const empty = new Float32Array(0);
    const data = (list) => (list?.length ? new Float32Array(list) : empty);
    const line = { colour: theme.weak, onTop: true, size: 3 };
    scene.set("weak", { ...line, kind: "segments", data: data(motions?.segments) });
    scene.set("weak heads", { ...line, kind: "heads", data: data(motions?.heads) });
    this.stage.labels = (motions?.labels ?? []).map((label) => ({ ...label, colour: theme.weakText }));
    const shape = weak && choice.ellipsoid ? uncertainty(weak, pose, anchor, bounds.radius) : null;
    this.ellipsoidFactor = shape?.factor;
    this.sphere ??= unitSphere();
    scene.set("ellipsoid", {
      kind: "mesh", ...(scene.layers.has("ellipsoid") ? {} : { mesh: this.sphere }), colour: theme.primary,
      opacity: 0.18, onTop: true, visible: Boolean(shape), model: shape?.model ?? identity(),
    });
    scene.set("ellipsoid rings", {
      kind: "segments", colour: theme.primary, size: 1.5, onTop: true, data: data(shape?.segments),
    });
    scene.set("ellipsoid axis", {
      kind: "segments", colour: theme.weak, size: 3, onTop: true, data: data(shape?.weakAxes),
    });
  }

  /** Pairs hold at the iterate where the cursor rests: nothing is drawn while it moves. */
  drawPairs(pose) {
    const { k, playing } = group(this.id);
    const pairs = this.choice.pairs && !playing && this.pairs?.cursor === k ? this.pairs : null;
    this.root.dataset.pairs = pairs ? pairs.ends.length / 6 : 0;
    this.scene.set("pairs", {
      kind: "segments", colour: this.theme.pairs, size: 1.75, onTop: true, visible: Boolean(pairs),
      ...(pairs ? { data: pairSegments(pairs.ends, pose) } : {}),
    });
  }

  drawn() {
    this.frames += 1;
    this.root.dataset.frames = this.frames;
    this.controls?.refresh();
  }

  describe({ layer, index, point }) {
    const name = layer === "target" ? "target" : "source";
    const file = point.map((value, i) => format(value + this.meta.offset[i], "fixed2"));
    let text = `${name} point at (${file.join(", ")}) m in the target frame`;
    const residual = layer === "source" ? this.residual : null;
    const code = residual?.codes[index];
    if (code) text += ` · ${residual.label} ${scalarText(residual, code)} at k = ${residual.k}`;
    return text;
  }

  /** Without WebGL the poses stay readable. */
  drawNumbers() {
    this.table ??= this.root.appendChild(el("div", { class: "is-fallback" }));
    const state = group(this.id);
    const blocks = (this.poses?.members ?? []).map((track) => {
      const m = track.pose(indexAt(track.ks, state.k));
      const rows = [0, 1, 2, 3].map((row) => el("tr", {}, ...[0, 1, 2, 3].map(
        (column) => el("td", { text: format(m[4 * column + row], "fixed4") }),
      )));
      return el("table", {}, el("caption", { text: `${track.title}, pose at k = ${state.k}` }), ...rows);
    });
    this.table.replaceChildren(
      el("p", { text: `The 3-D view needs WebGL 2: ${this.stage.missing}. The numbers stay.` }), ...blocks,
    );
  }

  dispose() {
    this.stop?.();
    if (this.id && group(this.id).store.get("companion") === this) put(this.id, "companion", null);
    this.refresh.cancel();
    this.controls?.dispose();
    this.stage.dispose();
  }
}

/** The number that a colour code stands for. */
function scalarText({ kind, limit }, code) {
  if (kind === "signed") return length(((code - 128) / 127) * limit);
  return format(((code - 1) / 254) * limit, "percent3");
}
