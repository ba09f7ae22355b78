// What the 3-D surface adds to the scene: a lit mesh with contour lines, coloured by height, rolling balls, and
// lines that shine faintly through what hides them.
import { Camera } from "./camera.js";
import { add, scale, transform } from "./matrix.js";
import { compile, Scene } from "./scene.js";
import { unitSphere } from "./shapes.js";
import { BALL, LINES, MOST_LEVELS, SURFACE } from "./surface_shaders.js";
import { rgb } from "./theme.js";

/** Towards the light, a unit vector of the scene: above, to the left of the first view. */
const LIGHT = [-0.36, -0.48, 0.8];
/** First view: over a corner, low enough that the relief shows. */
const FIRST_VIEW = { azimuth: (-122 * Math.PI) / 180, elevation: (31 * Math.PI) / 180 };
/** Room for chips, ticks and captions around the box [px]; no more than a share of the view. */
const MARGINS = { left: 76, right: 56, top: 74, bottom: 66 };
const LARGEST_MARGIN = 0.17;
/** Opacity of lines and balls where the surface hides them. */
const HIDDEN = 0.28;
/** Width that a line's casing adds on both sides together [px]. */
const CASING = 2.6;
/** Shares of the detail below which the mesh gets coarser, and below which nothing shines through. */
const [COARSE, COARSER, PLAIN] = [0.7, 0.25, 0.5];

/** Stillness after which a software renderer draws once more, smoothly [ms]. */
const STILL = 280;

let software = null;

/** Whether the processor draws: then smoothing every frame would cost more than the drawing itself. */
function drawnInSoftware() {
  if (software === null) {
    const gl = document.createElement("canvas").getContext("webgl2");
    const named = gl.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER;
    software = /swiftshader|llvmpipe|softpipe|software|basic render/i.test(gl.getParameter(named));
    gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
  return software;
}

class SurfaceCamera extends Camera {
  constructor(canvas) {
    super();
    this.canvas = canvas;
  }

  /** Move until the given points, or the corners of the box, fill the view within its margins. */
  frame({ centre, half, radius, points, look = FIRST_VIEW }, aspect, { keepAngles }) {
    this.radius = radius;
    Object.assign(this.state, keepAngles ? {} : look, { target: [...centre], distance: 3 * radius });
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const room = (name, size) => Math.min(MARGINS[name] / Math.max(size, 1), LARGEST_MARGIN);
    const [left, right] = [-1 + 2 * room("left", width), 1 - 2 * room("right", width)];
    const [bottom, top] = [-1 + 2 * room("bottom", height), 1 - 2 * room("top", height)];
    const ends3 = points ?? Array.from({ length: 8 }, (_, corner) => (
      centre.map((value, axis) => value + ((corner >> axis) & 1 ? half[axis] : -half[axis]))
    ));
    for (let round = 0; round < 8; round += 1) {
      const matrix = this.matrix(aspect);
      const corners = ends3.map((at) => {
        const [x, y, , w] = transform(matrix, at);
        return [x / w, y / w];
      });
      const ends = (axis) => [Math.min(...corners.map((c) => c[axis])), Math.max(...corners.map((c) => c[axis]))];
      const [[x0, x1], [y0, y1]] = [ends(0), ends(1)];
      const off = [(x0 + x1 - left - right) / 2, (y0 + y1 - bottom - top) / 2];
      const step = 0.5 * this.metresPerPixel(height) * height;
      const { right: across, up } = this.basis();
      const moved = add(scale(across, off[0] * step * aspect), scale(up, off[1] * step));
      this.state.target = add(this.state.target, moved);
      this.state.distance *= Math.max((x1 - x0) / (right - left), (y1 - y0) / (top - bottom));
    }
  }
}

/**
 * Layers beyond the scene's own:
 * "surface": mesh of a HeightField, levels (shares of the height), ink and inkOpacity of the contour lines,
 * palette "surface"; with `ground` the contour lines alone, at that height;
 * "ball": model matrix, outline;
 * "lines": data as segments have it, range [first, count] of those drawn, outline of its casing, shining through.
 */
export class SurfaceScene extends Scene {
  constructor(canvas, on) {
    const smooth = !drawnInSoftware();
    // the first call decides on the context; a mesh without smoothing has a ragged outline
    canvas.getContext("webgl2", { antialias: smooth, alpha: false });
    super(canvas, on);
    this.refines = !smooth;
    this.camera = new SurfaceCamera(canvas);
    const { positions, indices } = unitSphere(14, 24);
    this.sphere = { positions, strides: [Uint32Array.from(indices)] };
    /** What is under a position of the canvas; the view sets it. */
    this.picker = () => null;
  }

  start() {
    super.start();
    const own = { surface: SURFACE, ball: BALL, lines: LINES };
    for (const [name, source] of Object.entries(own)) this.programs[name] = compile(this.gl, source);
  }

  request() {
    clearTimeout(this.still);
    this.fine = false;
    super.request();
  }

  draw(options) {
    super.draw(options);
    clearTimeout(this.still);
    if (!this.refines || this.fine) return;
    this.still = setTimeout(() => {
      this.fine = true;
      super.draw({ all: true });
    }, STILL);
  }

  /** Once things rest, twice the pixels: the browser's reduction to the page's smooths them. */
  fitCanvas() {
    const ratio = this.fine ? 2 : Math.min(2, window.devicePixelRatio || 1);
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((n) => Math.round(n * ratio));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this.ratio = ratio;
    return width > 0 && height > 0;
  }

  snapshot() {
    this.fine = true;
    return super.snapshot();
  }

  dispose() {
    clearTimeout(this.still);
    super.dispose();
  }

  pick(x, y) {
    return this.picker(x, y);
  }

  /** Direction of the ray from the eye through a position of the canvas, not normalised. */
  ray(x, y) {
    const { clientWidth, clientHeight } = this.canvas;
    const { camera } = this;
    const step = camera.metresPerPixel(clientHeight);
    const { back, right, up } = camera.basis();
    const [dx, dy] = [(x - clientWidth / 2) * step, (clientHeight / 2 - y) * step];
    return back.map((b, i) => dx * right[i] + dy * up[i] - camera.state.distance * b);
  }

  drawLayer(name, layer, camera, background) {
    if (layer.kind === "surface") this.drawSurface(layer, camera);
    else if (layer.kind === "ball") this.drawBall(layer, camera);
    else if (layer.kind === "lines") this.drawLines(name, layer, camera);
    else super.drawLayer(name, layer, camera, background);
  }

  /** Set the state that the program of a kind needs. */
  use(kind, camera, blend) {
    const { gl } = this;
    const program = this.programs[kind];
    gl.useProgram(program.handle);
    gl.uniformMatrix4fv(program.at.camera, false, camera);
    if (program.at.eye) {
      gl.uniform3fv(program.at.eye, this.camera.eye());
      gl.uniform3fv(program.at.light, LIGHT);
    }
    gl.enable(gl.DEPTH_TEST);
    gl[blend ? "enable" : "disable"](gl.BLEND);
    gl.depthMask(!blend);
    return program.at;
  }

  drawSurface(layer, camera) {
    const { gl } = this;
    // the floor shows the same mesh from above
    const { array, buffers, counts } = this.meshUpload("layer surface", this.layers.get("surface").mesh);
    const step = Math.min(counts.length - 1, this.share < COARSER ? 2 : this.share < COARSE ? 1 : 0);
    if (!counts[step]) return;
    const isFlat = layer.ground !== undefined;
    const at = this.use("surface", camera, isFlat);
    const levels = layer.levels.slice(0, MOST_LEVELS);
    gl.uniform1i(at.palette, 0);
    gl.uniform1fv(at["levels[0]"], [...levels, ...new Array(MOST_LEVELS - levels.length).fill(-1)]);
    gl.uniform1i(at.count, levels.length);
    gl.uniform1f(at.width, layer.size * this.ratio);
    gl.uniform4f(at.ink, ...rgb(layer.ink ?? layer.colour), layer.inkOpacity ?? 1);
    gl.uniform1i(at.flat_, isFlat ? 1 : 0);
    gl.uniform1f(at.ground, layer.ground ?? 0);
    gl.bindTexture(gl.TEXTURE_2D, this.paletteUpload("surface"));
    // behind the lines that lie on it
    gl.enable(gl.POLYGON_OFFSET_FILL);
    gl.polygonOffset(1, 1);
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers[buffers.length - counts.length + step]);
    gl.drawElements(gl.TRIANGLES, counts[step], gl.UNSIGNED_INT, 0);
    gl.disable(gl.POLYGON_OFFSET_FILL);
    gl.depthMask(true);
  }

  drawBall(layer, camera) {
    const { gl } = this;
    const { array, counts } = this.meshUpload("ball", this.sphere);
    const at = this.use("ball", camera, true);
    gl.uniformMatrix4fv(at.model, false, layer.model);
    gl.uniform3fv(at.outline, rgb(layer.outline));
    gl.bindVertexArray(array);
    gl.enable(gl.CULL_FACE);
    gl.cullFace(gl.FRONT); // the sphere's triangles run clockwise seen from outside
    this.hiddenThenSeen((opacity) => {
      gl.depthMask(opacity === 1);
      gl.uniform4f(at.colour, ...rgb(layer.colour), opacity);
      gl.drawElements(gl.TRIANGLES, counts[0], gl.UNSIGNED_INT, 0);
    });
    gl.disable(gl.CULL_FACE);
    gl.depthMask(true);
  }

  drawLines(name, layer, camera) {
    const { gl } = this;
    const upload = this.linesUpload(name, layer.data);
    const [first, count] = layer.range ?? [0, upload.count];
    if (!(count > 0)) return;
    const at = this.use("lines", camera, true);
    gl.uniform2f(at.viewport, this.canvas.width, this.canvas.height);
    gl.bindVertexArray(upload.array);
    const draw = (colour, opacity, width) => {
      gl.uniform4f(at.colour, ...rgb(colour), opacity);
      gl.uniform1f(at.width, width * this.ratio);
      gl.drawElements(gl.TRIANGLES, 6 * count, gl.UNSIGNED_INT, 24 * first);
    };
    const seen = (opacity) => {
      if (layer.outline && opacity === 1) draw(layer.outline, 1, layer.size + CASING);
      draw(layer.colour, opacity * layer.opacity, layer.size);
    };
    if (layer.shines) this.hiddenThenSeen(seen);
    else seen(1);
    gl.depthMask(true);
  }

  /** Draw twice: faintly where something lies in front, then where nothing does. */
  hiddenThenSeen(draw) {
    const { gl } = this;
    if (this.share >= PLAIN) {
      gl.depthFunc(gl.GREATER);
      draw(HIDDEN);
    }
    gl.depthFunc(gl.LEQUAL);
    draw(1);
    gl.depthFunc(gl.LESS);
  }

  meshUpload(key, mesh) {
    return this.cached(key, () => {
      const { gl } = this;
      const array = gl.createVertexArray();
      gl.bindVertexArray(array);
      const buffers = [];
      [mesh.positions, mesh.normals, mesh.values].forEach((data, location) => {
        if (data) buffers.push(this.attribute(location, data, location === 2 ? 1 : 3));
      });
      for (const indices of mesh.strides) buffers.push(this.buffer(gl.ELEMENT_ARRAY_BUFFER, indices));
      gl.bindVertexArray(null);
      return { array, buffers, counts: mesh.strides.map((indices) => indices.length) };
    });
  }

  attribute(location, data, size, stride = 0, offset = 0) {
    const { gl } = this;
    const buffer = data instanceof WebGLBuffer ? data : this.buffer(gl.ARRAY_BUFFER, data);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, size, gl.FLOAT, false, stride, offset);
    return buffer;
  }

  linesUpload(name, data) {
    return this.cached(`layer ${name}`, () => {
      const { gl } = this;
      const count = data.length / 6;
      const corners = new Float32Array(32 * count);
      const indices = new Uint32Array(6 * count);
      for (let i = 0; i < count; i += 1) {
        const [a, b] = [data.subarray(6 * i, 6 * i + 3), data.subarray(6 * i + 3, 6 * i + 6)];
        for (let corner = 0; corner < 4; corner += 1) {
          const at = 32 * i + 8 * corner;
          corners.set(a, at);
          corners[at + 3] = corner >> 1;
          corners.set(b, at + 4);
          corners[at + 7] = corner & 1 ? 1 : -1;
        }
        for (let j = 0; j < 6; j += 1) indices[6 * i + j] = 4 * i + QUAD[j];
      }
      const array = gl.createVertexArray();
      gl.bindVertexArray(array);
      const buffer = this.attribute(0, corners, 4, 32, 0);
      this.attribute(1, buffer, 4, 32, 16);
      const buffers = [buffer, this.buffer(gl.ELEMENT_ARRAY_BUFFER, indices)];
      gl.bindVertexArray(null);
      return { array, buffers, count };
    });
  }
}

const QUAD = [0, 1, 2, 1, 3, 2];
