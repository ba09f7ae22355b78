// The frame of a 3-D view: canvas, camera controls, axes triad, scale bar, labels, captions, messages, PNG.
import { attachControls, VIEWS } from "./camera.js";
import { download, el, perFrame, reducedMotion, svg } from "./dom.js";
import { length, niceBelow } from "./numbers.js";
import { dot } from "./matrix.js";
import { missingWebGL, Scene } from "./scene.js";

const KEYS = "drag to orbit · 1 top · 2 side · 3 front · 0 fit";
/** What a person chose, by the view's id: camera state and the aspect it was chosen at; survives a remount. */
const cameras = new Map();

export class Stage {
  /**
   * @param {HTMLElement} root
   * @param {{label: string, drawn?: function(): void, moved?: function(): void, picked?: function(object): string}} on
   */
  constructor(root, on) {
    this.root = root;
    this.on = on;
    this.labels = [];
    this.canvas = el("canvas", { class: "is-canvas" });
    this.surface = el(
      "div",
      {
        class: "is-stage", tabindex: 0, role: "application",
        "aria-label": `${on.label}. Arrow keys orbit, plus and minus zoom, 1 top, 2 side, 3 front, 0 fit, R reset.`,
      },
      this.canvas,
    );
    this.drawing = svg("svg", { class: "is-stage-drawing", "aria-hidden": "true" });
    this.tip = el("div", { class: "is-tip", role: "status", hidden: true });
    this.left = el("span", { text: KEYS });
    this.right = el("span", {});
    this.captions = el("div", { class: "is-captions" }, this.left, this.right);
    this.notice = el("button", { type: "button", class: "is-notice", hidden: true });
    this.surface.append(this.drawing, this.tip);
    root.append(this.surface, this.captions, this.notice);
    this.missing = missingWebGL();
    if (!this.missing) this.open();
  }

  open() {
    this.scene = this.newScene({ drawn: () => this.drawn(), lost: () => this.lost() });
    this.notice.addEventListener("click", () => {
      this.notice.hidden = true;
      this.scene.restore();
    });
    const moved = () => {
      this.hideTip();
      this.remember();
      this.scene.request();
      this.on.moved?.();
    };
    this.detach = attachControls(this.surface, this.scene.camera, {
      moved, picked: (x, y) => this.pick(x, y), key: (key) => this.key(key, moved),
    });
    this.refit = perFrame(() => this.place());
    this.resized = new ResizeObserver(this.refit);
    this.resized.observe(this.canvas);
  }

  newScene(on) {
    return new Scene(this.canvas, on);
  }

  /** Name the scene; a new name fits the camera unless one is remembered for it. */
  show(id, bounds) {
    this.bounds = bounds;
    if (this.id === id) return;
    this.id = id;
    this.aspect = null;
    this.place();
  }

  /** Fit the camera to the scene; one that a person chose keeps as much of it on view when the shape changes. */
  place() {
    const { camera, aspect } = this.scene;
    if (!this.bounds || this.canvas.clientWidth === 0 || this.aspect === aspect) return;
    this.aspect = aspect;
    const chosen = cameras.get(this.id);
    camera.frame(this.bounds, aspect, { keepAngles: false });
    if (chosen) {
      Object.assign(camera.state, structuredClone(chosen.state));
      const { half } = this.bounds;
      camera.state.distance *= camera.fitDistance(half, aspect) / camera.fitDistance(half, chosen.aspect);
    }
    this.scene.request();
  }

  /** Take the camera of a view beside this one. */
  take(state) {
    if (!this.scene) return;
    this.flight = null;
    Object.assign(this.scene.camera.state, structuredClone(state));
    this.scene.request();
  }

  remember() {
    const { camera, aspect } = this.scene;
    if (this.id) cameras.set(this.id, { state: structuredClone(camera.state), aspect });
  }

  key(key, moved) {
    const { camera } = this.scene;
    const step = Math.PI / 24;
    const orbit = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (VIEWS[key]) this.fly({ ...VIEWS[key] });
    else if (key === "0" && this.bounds) this.fit(true);
    else if (key.toLowerCase() === "r" && this.bounds) this.fit(false);
    else if (orbit[key]) camera.orbit(...orbit[key]);
    else if (key === "+" || key === "=") camera.zoom(0.85);
    else if (key === "-") camera.zoom(1 / 0.85);
    else return false;
    moved();
    return true;
  }

  fit(keepAngles) {
    const { camera } = this.scene;
    const before = structuredClone(camera.state);
    camera.frame(this.bounds, this.scene.aspect, { keepAngles });
    const goal = structuredClone(camera.state);
    Object.assign(camera.state, before);
    this.fly(goal);
  }

  /** Move the camera to a state in a quarter of a second; at once when motion is unwanted. */
  fly(goal) {
    const { camera } = this.scene;
    if (reducedMotion()) {
      Object.assign(camera.state, goal);
      return;
    }
    const start = structuredClone(camera.state);
    const turn = 2 * Math.PI;
    const end = { ...start, ...goal };
    end.azimuth = start.azimuth + ((((end.azimuth - start.azimuth) % turn) + 1.5 * turn) % turn) - turn / 2;
    const begun = performance.now();
    const step = (now) => {
      const t = Math.min(1, Math.max(0, (now - begun) / 250));
      const s = t * t * (3 - 2 * t);
      const mix = (a, b) => a + s * (b - a);
      Object.assign(camera.state, {
        azimuth: mix(start.azimuth, end.azimuth), elevation: mix(start.elevation, end.elevation),
        distance: mix(start.distance, end.distance), target: start.target.map((a, i) => mix(a, end.target[i])),
      });
      this.remember();
      this.scene.request();
      this.on.moved?.();
      if (t < 1 && this.flight === step) requestAnimationFrame(step);
    };
    this.flight = step;
    requestAnimationFrame(step);
  }

  pick(x, y) {
    const found = this.scene.pick(x, y);
    const text = found && this.on.picked?.(found);
    if (!text) return this.hideTip();
    this.tip.textContent = text;
    this.tip.hidden = false;
    const left = Math.min(x + 10, this.canvas.clientWidth - this.tip.offsetWidth - 4);
    this.tip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, y - 30)}px)`;
    return undefined;
  }

  hideTip() {
    this.tip.hidden = true;
  }

  /** @param {object} theme */
  colour(theme) {
    this.theme = theme;
    if (this.scene) this.scene.settings.background = theme.view;
    this.scene?.request();
  }

  drawn() {
    this.drawing.replaceChildren(...this.labelNodes(), ...this.triad(), ...this.scaleBar());
    this.on.drawn?.();
  }

  /** Labels beside what they name; one that would cover another moves down. */
  labelNodes() {
    const taken = [];
    return this.labels.flatMap(({ at, text, colour }) => {
      const place = this.scene.project(at);
      if (!place) return [];
      const [x, box] = [place.x + 8, 8 * text.length];
      let y = place.y - 6;
      while (taken.some((other) => Math.abs(other.y - y) < 17 && x < other.right && other.x < x + box)) y += 17;
      taken.push({ x, y, right: x + box });
      return [svg("text", { x, y, fill: colour, stroke: this.theme.view, class: "is-label", text })];
    });
  }

  /** The directions of x, y and z, in the lower left corner. */
  triad() {
    const { right, up, back } = this.scene.camera.basis();
    const [cx, cy, size] = [38, this.canvas.clientHeight - 58, 22];
    const arms = ["x", "y", "z"].map((name, i) => {
      const unit = [0, 0, 0];
      unit[i] = 1;
      return { name, x: dot(unit, right), y: -dot(unit, up), depth: dot(unit, back) };
    });
    return arms.sort((a, b) => a.depth - b.depth).flatMap(({ name, x, y, depth }) => {
      const opacity = depth < -0.2 ? 0.55 : 1;
      return [
        svg("line", {
          x1: cx, y1: cy, x2: cx + size * x, y2: cy + size * y, stroke: this.theme.muted, "stroke-width": 1.5,
          opacity,
        }),
        svg("text", {
          x: cx + (size + 8) * x, y: cy + (size + 8) * y + 3.5, fill: this.theme.text, class: "is-axis", opacity,
          text: name,
        }),
      ];
    });
  }

  /** A round length, true at the depth of what the camera looks at. */
  scaleBar() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const metres = this.scene.camera.metresPerPixel(height);
    const nice = niceBelow(metres * Math.min(110, width / 4));
    const size = nice / metres;
    const [right, y] = [width - 14, height - 36];
    const line = `M${right - size} ${y - 4} V${y} H${right} V${y - 4}`;
    return [
      svg("path", { d: line, fill: "none", stroke: this.theme.muted, "stroke-width": 1.5 }),
      svg("text", { x: right - size / 2, y: y - 7, fill: this.theme.muted, class: "is-axis", text: length(nice) }),
    ];
  }

  lost() {
    this.notice.textContent = "3D view paused, click to restore";
    this.notice.hidden = false;
  }

  async save(name) {
    const blob = await this.scene.snapshot();
    if (blob) download(blob, `${name}.png`);
  }

  dispose() {
    this.flight = null;
    this.detach?.();
    this.resized?.disconnect();
    this.refit?.cancel();
    this.scene?.dispose();
  }
}
