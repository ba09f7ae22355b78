// A small WebGL2 renderer: point clouds, thick segments, arrow heads and translucent meshes, drawn on demand.
// What is drawn is kept as plain data, so that a lost context only costs an upload.
import { Camera } from "./camera.js";
import { identity, transform } from "./matrix.js";
import { HEADS, MESH, POINTS, SEGMENTS } from "./shaders.js";
import { paletteBytes, rgb } from "./theme.js";

const SHADERS = { points: POINTS, segments: SEGMENTS, heads: HEADS, mesh: MESH };
const CORNERS = {
  segments: new Float32Array([0, -1, 0, 1, 1, -1, 1, 1]),
  heads: new Float32Array([0, 0, 1, -1, 1, 1]),
};

/** Why WebGL2 cannot be had, or null. */
export function missingWebGL() {
  if (!window.WebGL2RenderingContext) return "this browser has no WebGL 2";
  const context = document.createElement("canvas").getContext("webgl2");
  if (!context) return "the browser offers no WebGL 2 context (graphics driver or setting)";
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return null;
}

/** Milliseconds from asking for a frame to drawing it: above the first, fewer points; below the second, more. */
const SLOW = 60;
const QUICK = 30;
/** Rest after which everything is drawn again, and the points that are always drawn. */
const REST = 220;
const FEWEST = 4000;

/**
 * @typedef {object} Cloud positions that several layers may show at different poses
 * @property {Float32Array|Uint16Array} positions three numbers a point
 * @property {number[]} offset @property {number[]} extent  world = offset + extent · position (0…1 for uint16)
 * @property {Uint8Array|null} scalars one number a point, looked up in the layer's palette
 * The points come in random order: on a slow machine only the first ones are drawn while things move.
 *
 * @typedef {object} Layer
 * @property {"points"|"segments"|"heads"|"mesh"} kind
 * @property {string} [cloud] name of the cloud (points)
 * @property {Float32Array} [data] segments: ends; heads: tip and where it comes from; six numbers each
 * @property {{positions: Float32Array, indices: Uint16Array}} [mesh]
 * @property {string} colour @property {number} opacity @property {number[]} model
 * @property {number} size  points: pixels; segments and heads: line width
 * @property {"colour"|"scalar"|"height"} mode @property {boolean} visible @property {boolean} onTop
 */
const DEFAULTS = {
  visible: true, colour: "#888888", opacity: 1, model: identity(), size: 2, mode: "colour", onTop: false,
};

export class Scene {
  /** @param {HTMLCanvasElement} canvas @param {{drawn: function(): void, lost: function(): void}} on */
  constructor(canvas, on) {
    this.canvas = canvas;
    this.on = on;
    this.camera = new Camera();
    this.clouds = new Map();
    this.layers = new Map();
    this.palettes = { scalar: null, height: null };
    this.settings = { background: "#ffffff", pointScale: 1, attenuate: false, fog: 0.45, heights: [0, 1] };
    this.onScreen = true;
    this.frame = 0;
    this.detail = 1;
    this.latency = 0;
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.gl = null;
      this.on.lost();
    });
    canvas.addEventListener("webglcontextrestored", () => this.start());
    this.seen = new IntersectionObserver(([entry]) => {
      this.onScreen = entry.isIntersecting;
      this.request();
    });
    this.seen.observe(canvas);
    this.resized = new ResizeObserver(() => this.request());
    this.resized.observe(canvas);
    this.start();
  }

  start() {
    const gl = this.canvas.getContext("webgl2", { antialias: false, alpha: false });
    this.lostContext = gl?.getExtension("WEBGL_lose_context");
    this.programs = Object.fromEntries(
      Object.entries(SHADERS).map(([name, source]) => [name, compile(gl, source)]),
    );
    this.uploads = new Map();
    this.gl = gl;
    this.request();
  }

  /** After a lost context: ask for a new one. */
  restore() {
    this.lostContext?.restoreContext();
  }

  /** Add or replace a cloud. */
  setCloud(name, cloud) {
    this.forget(`cloud ${name}`);
    this.clouds.set(name, { offset: [0, 0, 0], extent: [1, 1, 1], scalars: null, ...cloud });
    this.request();
  }

  /** Replace the per-point scalars of a cloud. */
  setScalars(name, scalars) {
    const cloud = this.clouds.get(name);
    if (!cloud || cloud.scalars === scalars) return;
    cloud.scalars = scalars;
    this.forget(`cloud ${name}`);
    this.request();
  }

  /** Add a layer or change some of its properties; a layer's geometry is uploaded again only when it changed. */
  set(name, properties) {
    const layer = this.layers.get(name) ?? { ...DEFAULTS };
    if (properties.data || properties.mesh) this.forget(`layer ${name}`);
    this.layers.set(name, Object.assign(layer, properties));
    this.request();
  }

  remove(name) {
    if (this.layers.delete(name)) this.request();
    this.forget(`layer ${name}`);
  }

  /** @param {"scalar"|"height"} name @param {string[]} colours evenly spaced stops; missing: colour of 0 */
  setPalette(name, colours, missing = null) {
    this.palettes[name] = paletteBytes(colours, missing);
    this.forget(`palette ${name}`);
    this.request();
  }

  forget(key) {
    const upload = this.uploads?.get(key);
    if (!upload || !this.gl) return;
    upload.buffers?.forEach((buffer) => this.gl.deleteBuffer(buffer));
    if (upload.array) this.gl.deleteVertexArray(upload.array);
    if (upload.texture) this.gl.deleteTexture(upload.texture);
    this.uploads.delete(key);
  }

  /** Draw at the next animation frame. */
  request() {
    if (this.frame) return;
    const asked = performance.now();
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.adapt(performance.now() - asked);
      this.draw();
    });
  }

  /** A graphics card that falls behind delays the frames; then draw fewer points until things rest. */
  adapt(latency) {
    this.latency = 0.7 * this.latency + 0.3 * Math.min(latency, 400);
    if (this.latency > SLOW) this.detail = Math.max(0.02, 0.8 * this.detail);
    else if (this.latency < QUICK) this.detail = Math.min(1, 1.1 * this.detail);
    clearTimeout(this.rest);
    if (this.detail < 1) this.rest = setTimeout(() => this.draw({ all: true }), REST);
  }

  get aspect() {
    return this.canvas.clientWidth / Math.max(1, this.canvas.clientHeight);
  }

  fitCanvas() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((n) => Math.round(n * ratio));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this.ratio = ratio;
    return width > 0 && height > 0;
  }

  draw({ all = false } = {}) {
    const { gl } = this;
    this.share = all ? 1 : this.detail;
    if (!gl || !this.onScreen || !this.fitCanvas()) return;
    const background = rgb(this.settings.background);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(...background, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const camera = this.camera.matrix(this.aspect);
    for (const [name, layer] of ordered(this.layers)) {
      if (layer.visible) this.drawLayer(name, layer, camera, background);
    }
    this.on.drawn();
  }

  drawLayer(name, layer, camera, background) {
    const { gl } = this;
    const program = this.programs[layer.kind];
    const upload = layer.kind === "points" ? this.cloudUpload(layer.cloud) : this.layerUpload(name, layer);
    if (!upload?.count) return;
    const blend = layer.opacity < 1 || layer.kind !== "points";
    gl[blend ? "enable" : "disable"](gl.BLEND);
    gl[layer.onTop ? "disable" : "enable"](gl.DEPTH_TEST);
    gl.depthMask(!blend);
    gl.useProgram(program.handle);
    gl.uniformMatrix4fv(program.at.model, false, layer.model);
    gl.uniformMatrix4fv(program.at.camera, false, camera);
    gl.uniform4f(program.at.colour, ...rgb(layer.colour), layer.opacity);
    gl.bindVertexArray(upload.array);
    if (layer.kind === "points") this.drawPoints(layer, program, upload, blend, background);
    else if (layer.kind === "mesh") gl.drawElements(gl.TRIANGLES, upload.count, gl.UNSIGNED_SHORT, 0);
    else {
      gl.uniform2f(program.at.viewport, this.canvas.width, this.canvas.height);
      gl.uniform1f(program.at.width, layer.size * this.ratio);
      const corners = CORNERS[layer.kind].length / 2;
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, corners, upload.count);
    }
    gl.depthMask(true);
  }

  drawPoints(layer, program, upload, blend, background) {
    const { gl, settings } = this;
    const cloud = this.clouds.get(layer.cloud);
    const mode = layer.mode === "scalar" && !cloud.scalars ? "colour" : layer.mode;
    gl.uniform3fv(program.at.offset, cloud.offset);
    gl.uniform3fv(program.at.extent, cloud.extent);
    gl.uniform1f(program.at.size, Math.max(1, layer.size * settings.pointScale * this.ratio));
    gl.uniform1f(program.at.reference, this.camera.state.distance);
    gl.uniform1i(program.at.attenuate, settings.attenuate ? 1 : 0);
    gl.uniform1f(program.at.fog, settings.fog);
    gl.uniform1i(program.at.mode, ["colour", "scalar", "height"].indexOf(mode));
    gl.uniform2fv(program.at.heights, settings.heights);
    gl.uniform3fv(program.at.background, background);
    gl.uniform1i(program.at.blend, blend ? 1 : 0);
    if (mode !== "colour") gl.bindTexture(gl.TEXTURE_2D, this.paletteUpload(mode));
    gl.drawArrays(gl.POINTS, 0, Math.max(Math.round(this.share * upload.count), Math.min(FEWEST, upload.count)));
  }

  cached(key, make) {
    if (!this.uploads.has(key)) this.uploads.set(key, make());
    return this.uploads.get(key);
  }

  cloudUpload(name) {
    const cloud = this.clouds.get(name);
    if (!cloud) return null;
    return this.cached(`cloud ${name}`, () => {
      const { gl } = this;
      const array = gl.createVertexArray();
      gl.bindVertexArray(array);
      const quantised = cloud.positions instanceof Uint16Array;
      const buffers = [this.buffer(gl.ARRAY_BUFFER, cloud.positions)];
      gl.enableVertexAttribArray(0);
      gl.vertexAttribPointer(0, 3, quantised ? gl.UNSIGNED_SHORT : gl.FLOAT, quantised, 0, 0);
      if (cloud.scalars) {
        buffers.push(this.buffer(gl.ARRAY_BUFFER, cloud.scalars));
        gl.enableVertexAttribArray(1);
        gl.vertexAttribPointer(1, 1, gl.UNSIGNED_BYTE, true, 0, 0);
      }
      gl.bindVertexArray(null);
      return { array, buffers, count: cloud.positions.length / 3 };
    });
  }

  layerUpload(name, layer) {
    return this.cached(`layer ${name}`, () => {
      const { gl } = this;
      const array = gl.createVertexArray();
      gl.bindVertexArray(array);
      const buffers = [];
      let count = 0;
      if (layer.kind === "mesh") {
        buffers.push(this.buffer(gl.ARRAY_BUFFER, layer.mesh.positions));
        gl.enableVertexAttribArray(0);
        gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
        buffers.push(this.buffer(gl.ELEMENT_ARRAY_BUFFER, layer.mesh.indices));
        count = layer.mesh.indices.length;
      } else {
        buffers.push(this.buffer(gl.ARRAY_BUFFER, CORNERS[layer.kind]));
        gl.enableVertexAttribArray(0);
        gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
        buffers.push(this.buffer(gl.ARRAY_BUFFER, layer.data));
        for (const end of [0, 1]) {
          gl.enableVertexAttribArray(1 + end);
          gl.vertexAttribPointer(1 + end, 3, gl.FLOAT, false, 24, 12 * end);
          gl.vertexAttribDivisor(1 + end, 1);
        }
        count = layer.data.length / 6;
      }
      gl.bindVertexArray(null);
      return { array, buffers, count };
    });
  }

  paletteUpload(name) {
    return this.cached(`palette ${name}`, () => {
      const { gl } = this;
      const texture = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, this.palettes[name]);
      for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
        gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
      }
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
      return { texture };
    }).texture;
  }

  buffer(target, data) {
    const { gl } = this;
    const buffer = gl.createBuffer();
    gl.bindBuffer(target, buffer);
    gl.bufferData(target, data, gl.STATIC_DRAW);
    return buffer;
  }

  /** Where a world point is on the canvas in CSS pixels, with its depth; null behind the eye. */
  project(point) {
    const [x, y, , w] = transform(this.camera.matrix(this.aspect), point);
    if (w <= 0) return null;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return { x: (0.5 + (0.5 * x) / w) * width, y: (0.5 - (0.5 * y) / w) * height, depth: w };
  }

  /** World position of one point of a cloud at a pose. */
  pointAt(name, index, model) {
    return transform(model, decoded(this.clouds.get(name), index)).slice(0, 3);
  }

  /**
   * The visible point under a position of the canvas.
   * @param {number} x CSS pixels @param {number} y
   * @returns {{layer: string, index: number, point: number[]}|null}
   */
  pick(x, y, reach = 8) {
    let best = null;
    const camera = this.camera.matrix(this.aspect);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    for (const [layer, { kind, visible, cloud, model, opacity }] of this.layers) {
      if (kind !== "points" || !visible || opacity < 1 || !this.clouds.has(cloud)) continue;
      const data = this.clouds.get(cloud);
      const count = data.positions.length / 3;
      for (let index = 0; index < count; index += 1) {
        const point = transform(model, decoded(data, index));
        const clip = transform(camera, point);
        if (clip[3] <= 0) continue;
        const dx = (0.5 + (0.5 * clip[0]) / clip[3]) * width - x;
        const dy = (0.5 - (0.5 * clip[1]) / clip[3]) * height - y;
        const off = Math.hypot(dx, dy);
        // near the pointer first, then near the eye: three pixels weigh as much as a tenth of the depth
        const cost = off / 3 + (10 * clip[3]) / this.camera.state.distance;
        if (off <= reach && (!best || cost < best.cost)) best = { layer, index, point: point.slice(0, 3), cost };
      }
    }
    return best;
  }

  /** The picture as a PNG blob, taken in the same task as its drawing. */
  snapshot() {
    this.draw({ all: true });
    return new Promise((resolve) => this.canvas.toBlob(resolve, "image/png"));
  }

  dispose() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.rest);
    this.seen.disconnect();
    this.resized.disconnect();
    this.gl = null;
    this.lostContext?.loseContext();
  }
}

function decoded({ positions, offset, extent }, index) {
  const unit = positions instanceof Uint16Array ? 65535 : 1;
  return [0, 1, 2].map((axis) => offset[axis] + (extent[axis] * positions[3 * index + axis]) / unit);
}

/** Opaque points first, then what is blended, then what lies on top. */
function ordered(layers) {
  const rank = ({ kind, opacity, onTop }) => (onTop ? 2 : 0) + (kind === "points" && opacity === 1 ? 0 : 1);
  return [...layers].sort(([, a], [, b]) => rank(a) - rank(b));
}

export function compile(gl, { vertex, fragment }) {
  const handle = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
      throw new Error(gl.getShaderInfoLog(shader));
    }
    gl.attachShader(handle, shader);
  }
  gl.linkProgram(handle);
  const count = gl.getProgramParameter(handle, gl.ACTIVE_UNIFORMS) ?? 0;
  const names = Array.from({ length: count }, (_, i) => gl.getActiveUniform(handle, i).name);
  return { handle, at: Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(handle, name)])) };
}
