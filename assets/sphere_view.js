// A function of directions on a sphere, with the methods' paths through the space around it: lengths that don't
// count for the function still show.
import { group } from "./bus.js";
import { instanceOf, release } from "./dom.js";
import { HeightField } from "./height_field.js";
import { add, dot, norm, scale, subtract } from "./matrix.js";
import { unitSphere } from "./shapes.js";
import { SpacePath } from "./surface_paths.js";
import { SurfaceView } from "./surface_view.js";

const RADIANS = Math.PI / 180;
/** Bounds that differ by less than this share of the scene keep the camera where it is. */
const SAME = 0.1;
/** How far the rays of the minimum go beyond the farthest path. */
const BEYOND = 1.02;
/** Points of the unit sphere that stand for all of it when the camera is fitted. */
const OUTLINE = [...chunked(unitSphere(8, 12).positions)];

function* chunked(numbers) {
  for (let at = 0; at < numbers.length; at += 3) yield [...numbers.subarray(at, at + 3)];
}

/** The component: data = sphere message. */
export const sphere = {
  render(component) {
    instanceOf(component, (root) => new SphereView(root)).update(component.data);
  },
  release,
};

/** Values over longitude and latitude [°] on the unit sphere of the scene. */
export class SphereField extends HeightField {
  constructor(longitudes, latitudes, values) {
    super(longitudes, latitudes, values, [1, 1]);
  }

  mesh() {
    const { rows, columns, heights } = this;
    const positions = new Float32Array(3 * rows * columns);
    const values = new Float32Array(rows * columns);
    for (let row = 0, at = 0; row < rows; row += 1) {
      const [across, z] = [Math.cos(RADIANS * this.y[row]), Math.sin(RADIANS * this.y[row])];
      for (let column = 0; column < columns; column += 1, at += 1) {
        const angle = RADIANS * this.x[column];
        positions.set([across * Math.cos(angle), across * Math.sin(angle), z], 3 * at);
        values[at] = (heights[at] - this.low) / (this.high - this.low || 1);
      }
    }
    return { positions, normals: positions, values, strides: [1, 2, 4].map((stride) => this.triangles(stride)) };
  }

  /** Value in a direction of the scene. */
  along([x, y, z]) {
    return this.height(Math.atan2(y, x) / RADIANS, Math.atan2(z, Math.hypot(x, y)) / RADIANS);
  }

  /** Point of the sphere that a ray of the scene meets first, or null. */
  hit(origin, direction) {
    const [a, b] = [dot(direction, direction), dot(origin, direction)];
    const inside = b * b - a * (dot(origin, origin) - 1);
    const t = (-b - Math.sqrt(inside)) / a;
    if (!(t > 0)) return null;
    const point = add(origin, scale(direction, t));
    return { direction: point, height: this.along(point), point };
  }
}

export class SphereView extends SurfaceView {
  newField({ x, y, heights }) {
    return new SphereField(x, y, heights);
  }

  newPath(track) {
    return new SpacePath(track, (point) => scale(point, 1 / this.meta.radius));
  }

  switches() {
    return [["contours", "contours"]];
  }

  furnish() {
    this.fit();
  }

  takePaths() {
    const before = this.paths;
    super.takePaths();
    if (this.scene && this.field && this.paths !== before) this.fit();
  }

  /** Look at the sphere and all of the paths; rays go as far as they do. */
  fit() {
    const { stage, scene, meta } = this;
    const points = this.paths.flatMap(({ segments }) => [...chunked(segments)]);
    const reach = Math.max(1, ...points.map(norm));
    this.tips = meta.rays.map((ray) => scale(ray, Math.max(1.25, BEYOND * reach)));
    const segments = meta.rays.flatMap((ray, i) => [...ray, ...this.tips[i]]);
    scene.set("rays", { kind: "lines", data: new Float32Array(segments), size: 1.6, shines: true });
    points.push(...this.tips, ...OUTLINE);
    const ends = [0, 1, 2].map((axis) => points.map((point) => point[axis]));
    const low = ends.map((values) => Math.min(...values));
    const high = ends.map((values) => Math.max(...values));
    const half = high.map((value, axis) => 0.5 * (value - low[axis]));
    const centre = high.map((value, axis) => 0.5 * (value + low[axis]));
    const old = stage.bounds;
    const moved = old ? Math.max(norm(subtract(old.centre, centre)), norm(subtract(old.half, half))) : Infinity;
    if (moved < SAME * norm(half) && stage.id === meta.view) return;
    const [azimuth, elevation] = meta.look.map((angle) => RADIANS * angle);
    const bounds = { centre, half, radius: norm(half), points, look: { azimuth, elevation } };
    if (stage.id === meta.view) {
      Object.assign(stage, { bounds, aspect: null });
      stage.place();
    } else stage.show(meta.view, bounds);
  }

  paintAround() {
    const { scene, stage, theme } = this;
    scene.set("rays", { colour: theme.reached });
    stage.labels = this.tips.map((at) => ({ at, text: "minimum", colour: theme.text }));
  }

  drawnAround() {}

  /** A stem under each ball says how far from the sphere it is. */
  draw() {
    super.draw();
    if (!this.meta) return;
    this.paths.forEach((path, i) => {
      const place = path.place(this.shown.get(i) ?? 0);
      const { colour, visible } = this.scene.layers.get(`ahead ${i}`) ?? {};
      if (!place || !colour) return;
      const foot = scale(place.point, 1 / norm(place.point));
      const data = new Float32Array([...foot, ...place.point]);
      this.scene.set(`stem ${i}`, { kind: "lines", data, colour, visible, size: 1.4, shines: true, opacity: 0.9 });
    });
    for (const name of [...this.scene.layers.keys()]) {
      if (name.startsWith("stem ") && Number(name.slice(5)) >= this.paths.length) this.scene.remove(name);
    }
    this.root.dataset.lengths = this.paths
      .map((path) => norm(["x", "y", "z"].map((axis) => path[axis][path.at(group(this.id).k)])).toPrecision(4));
  }

  /** Of an iterate its coordinates and its length, of the sphere the direction and the value. */
  numbers({ x, y, z, direction, height }) {
    const { titles, valueTitle, lengthTitle } = this.meta;
    const [numbers, last] = direction
      ? [direction, [valueTitle, this.value(height)]]
      : [[x, y, z], [lengthTitle, Math.hypot(x, y, z)]];
    return [...numbers.map((number, i) => [titles[i], number]), last];
  }
}
