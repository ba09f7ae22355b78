// Orbit camera with z up: state, matrices, and the pointer, wheel, touch and key handling that changes it.
import { add, dot, multiply, norm, perspective, scale, subtract, translation } from "./matrix.js";

const FIELD_OF_VIEW = (38 * Math.PI) / 180;
const RIGHT_ANGLE = Math.PI / 2;
/** Share of the view's half height that the scene may take; the rest is for the chips and captions. */
const FILL = 0.82;

/** Azimuth and elevation of the eye seen from the target, by the key that calls them. */
export const VIEWS = {
  1: { azimuth: -RIGHT_ANGLE, elevation: RIGHT_ANGLE },
  2: { azimuth: -RIGHT_ANGLE, elevation: 0 },
  3: { azimuth: 0, elevation: 0 },
};
const OBLIQUE = { azimuth: (-112 * Math.PI) / 180, elevation: (42 * Math.PI) / 180 };

export class Camera {
  constructor() {
    this.state = { ...OBLIQUE, distance: 10, target: [0, 0, 0] };
    this.radius = 5;
  }

  /** Unit vectors of the view: to the eye, to the right, up. */
  basis() {
    const { azimuth: a, elevation: e } = this.state;
    const [ca, sa, ce, se] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
    return { back: [ce * ca, ce * sa, se], right: [-sa, ca, 0], up: [-se * ca, -se * sa, ce] };
  }

  eye() {
    return add(this.state.target, scale(this.basis().back, this.state.distance));
  }

  /** World to clip space. */
  matrix(aspect) {
    const { back: b, right: r, up: u } = this.basis();
    const view = multiply(
      [r[0], u[0], b[0], 0, r[1], u[1], b[1], 0, r[2], u[2], b[2], 0, 0, 0, 0, 1],
      translation(scale(this.eye(), -1)),
    );
    const reach = norm(subtract(this.eye(), this.state.target)) + 40 * this.radius;
    const near = Math.max(this.state.distance / 200, reach / 20000);
    return multiply(perspective(FIELD_OF_VIEW, aspect, near, reach), view);
  }

  /** Metres that one CSS pixel covers at the target's depth. */
  metresPerPixel(height) {
    return (2 * this.state.distance * Math.tan(FIELD_OF_VIEW / 2)) / Math.max(height, 1);
  }

  /**
   * Look at the middle of a box from so far that its corners are on view.
   * @param {{centre: number[], half: number[], radius: number}} bounds half: half sizes of the box
   * @param {number} aspect
   * @param {{keepAngles: boolean}} options otherwise the oblique view
   */
  frame({ centre, half, radius }, aspect, { keepAngles }) {
    this.radius = radius;
    Object.assign(this.state, keepAngles ? {} : OBLIQUE, { target: [...centre] });
    this.state.distance = this.fitDistance(half, aspect);
  }

  /** Distance from which a box of given half sizes around the target fills the view. */
  fitDistance(half, aspect) {
    const { right, up, back } = this.basis();
    const slope = Math.tan(FIELD_OF_VIEW / 2);
    let distance = 0;
    for (let corner = 0; corner < 8; corner += 1) {
      const at = half.map((size, axis) => ((corner >> axis) & 1 ? size : -size));
      const across = Math.abs(dot(at, right)) / (slope * aspect);
      const along = Math.abs(dot(at, up)) / slope;
      distance = Math.max(distance, dot(at, back) + Math.max(across, along) / FILL);
    }
    return distance;
  }

  orbit(dx, dy) {
    this.state.azimuth -= dx;
    this.state.elevation = Math.min(RIGHT_ANGLE, Math.max(-RIGHT_ANGLE, this.state.elevation + dy));
  }

  pan(dx, dy, height) {
    const step = this.metresPerPixel(height);
    const { right, up } = this.basis();
    this.state.target = add(this.state.target, add(scale(right, -dx * step), scale(up, dy * step)));
  }

  zoom(factor) {
    const distance = this.state.distance * factor;
    this.state.distance = Math.min(200 * this.radius, Math.max(this.radius / 2000, distance));
  }
}

/**
 * Let a person move the camera. One finger orbits sideways and leaves vertical swipes to the page until the view
 * has the focus; two fingers pan and zoom; the wheel zooms once the view has the focus, or with Ctrl.
 * @param {HTMLElement} surface focusable element over the scene
 * @param {Camera} camera
 * @param {{moved: function(): void, picked: function(number, number): void, key: function(string): boolean}} on
 * @returns {function(): void} removes the listeners
 */
export function attachControls(surface, camera, on) {
  const abort = new AbortController();
  const options = { signal: abort.signal };
  const pointers = new Map();
  let travelled = 0;

  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, gap: Math.hypot(a.x - b.x, a.y - b.y) };
  };
  surface.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button, select, input, a")) return;
    surface.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    travelled = pointers.size > 1 ? Infinity : 0;
  }, options);
  surface.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const before = pointers.size === 2 ? spread() : null;
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    travelled += Math.abs(dx) + Math.abs(dy);
    const height = surface.clientHeight;
    if (before) {
      const after = spread();
      camera.pan(after.x - before.x, after.y - before.y, height);
      if (after.gap > 0) camera.zoom(before.gap / after.gap);
    } else if (event.shiftKey || event.buttons === 2 || event.buttons === 4) {
      camera.pan(dx, dy, height);
    } else {
      const speed = (1.6 * Math.PI) / Math.max(height, 200);
      camera.orbit(dx * speed, dy * speed);
    }
    on.moved();
  }, options);
  const ended = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && travelled < 5 && pointers.size === 0) {
      const box = surface.getBoundingClientRect();
      on.picked(event.clientX - box.left, event.clientY - box.top);
    }
  };
  surface.addEventListener("pointerup", ended, options);
  surface.addEventListener("pointercancel", ended, options);
  surface.addEventListener("contextmenu", (event) => event.preventDefault(), options);
  surface.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !surface.contains(document.activeElement)) return;
    event.preventDefault();
    camera.zoom(Math.exp(Math.min(0.5, Math.max(-0.5, event.deltaY * 0.0015))));
    on.moved();
  }, { ...options, passive: false });
  surface.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== surface) return;
    if (on.key(event.key)) event.preventDefault();
  }, options);
  return () => abort.abort();
}

/**
 * The box between the 2nd and the 98th percentile of each axis, so that a few far returns don't shrink the scene.
 * @param {number[][]} samples points in world coordinates
 * @returns {{centre: number[], half: number[], radius: number}}
 */
export function robustBounds(samples) {
  if (samples.length === 0) return { centre: [0, 0, 0], half: [1, 1, 1], radius: 1 };
  const limits = [0, 1, 2].map((axis) => {
    const sorted = samples.map((point) => point[axis]).sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.round(share * (sorted.length - 1)))];
    return [at(0.02), at(0.98)];
  });
  const centre = limits.map(([low, high]) => (low + high) / 2);
  const half = limits.map(([low, high]) => (high - low) / 2);
  if (norm(half) < 1e-9) half.fill(1);
  return { centre, half, radius: norm(half) };
}
