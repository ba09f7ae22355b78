// The frame of the surface view: a stage whose axes are those of the box, and a tip that follows the pointer.
import { boxLabels, farSides } from "./axis_box.js";
import { download, perFrame, svg } from "./dom.js";
import { Stage } from "./stage.js";
import { SurfaceScene } from "./surface_scene.js";

export class SurfaceStage extends Stage {
  newScene(on) {
    return new SurfaceScene(this.canvas, on);
  }

  open() {
    super.open();
    let at = null;
    const look = perFrame(() => at && this.pick(...at));
    this.surface.addEventListener("pointermove", ({ pointerType, buttons, clientX, clientY }) => {
      if (pointerType !== "mouse" || buttons) {
        at = null;
        return;
      }
      const { left, top } = this.surface.getBoundingClientRect();
      at = [clientX - left, clientY - top];
      look();
    });
    this.surface.addEventListener("pointerleave", () => {
      at = null;
      this.hideTip();
    });
  }

  /** A view by its key also fits the box. */
  fly(goal) {
    if (goal.distance !== undefined || !this.bounds) return super.fly(goal);
    const { camera } = this.scene;
    const before = structuredClone(camera.state);
    Object.assign(camera.state, goal);
    camera.frame(this.bounds, this.scene.aspect, { keepAngles: true });
    const end = structuredClone(camera.state);
    Object.assign(camera.state, before);
    return super.fly(end);
  }

  pick(x, y) {
    super.pick(x, y);
    this.mark = this.tip.hidden ? null : this.scene.pick(x, y)?.point;
    this.annotate();
  }

  hideTip() {
    super.hideTip();
    if (!this.mark) return;
    this.mark = null;
    this.annotate();
  }

  drawn() {
    this.annotate();
    this.on.drawn?.();
  }

  /** Ticks, titles and the mark under the pointer, over the picture. */
  annotate() {
    if (!this.theme) return;
    const { scene, canvas, theme } = this;
    const labels = this.box ? boxLabels({
      ...this.box, theme, project: (point) => scene.project(point), far: farSides(scene.camera.basis().back),
      elevation: scene.camera.state.elevation, width: canvas.clientWidth, height: canvas.clientHeight,
    }) : [...this.labelNodes(), ...this.triad()];
    const at = this.mark && scene.project(this.mark);
    const mark = at ? [svg("circle", {
      cx: at.x, cy: at.y, r: 3.5, fill: theme.view, stroke: theme.text, "stroke-width": 1.5,
    })] : [];
    this.drawing.replaceChildren(...labels, ...mark);
  }

  /** The picture with its ticks and titles, which are not on the canvas. */
  async save(name) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const picture = await createImageBitmap(await this.scene.snapshot());
    const copy = this.drawing.cloneNode(true);
    for (const [attribute, value] of Object.entries({ xmlns: "http://www.w3.org/2000/svg", width, height })) {
      copy.setAttribute(attribute, value);
    }
    const from = this.drawing.querySelectorAll("text");
    copy.querySelectorAll("text").forEach((text, i) => {
      const { fontFamily, fontSize, textAnchor, paintOrder, strokeWidth } = getComputedStyle(from[i]);
      Object.assign(text.style, { fontFamily, fontSize, textAnchor, paintOrder, strokeWidth });
    });
    const labels = new Image();
    labels.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
    await labels.decode();
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    context.drawImage(labels, 0, 0, picture.width, picture.height);
    download(await canvas.convertToBlob({ type: "image/png" }), `${name}.png`);
  }
}
