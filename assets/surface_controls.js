// The surface view's legend, which is also its switchboard: a chip a method, the contour lines, the colour scale.
import { el } from "./dom.js";
import { format } from "./numbers.js";
import { roleColour } from "./theme.js";
import { icon } from "./view_controls.js";

/**
 * @param {HTMLElement} root
 * @param {object} view the SurfaceView: choice, theme, meta, field, paths, stage
 */
export function surfaceControls(root, view) {
  const chips = el("div", { class: "is-chips", role: "group", "aria-label": "Layers of the surface view" });
  const scale = view.stage.right;
  scale.classList.add("is-scale");
  const menu = el("div", { class: "is-menu is-lone" }, el("button", {
    type: "button", class: "is-icon", title: "Save the view as PNG", "aria-label": "Save the view as PNG",
    onclick: () => view.stage.save("surface"),
  }, icon("save")));
  const top = el("div", { class: "is-top" }, chips);
  root.append(top, menu);

  function toggle(change) {
    change(view.choice);
    view.paint();
    view.refresh();
  }

  /** Names and states; called when the data, a choice or the theme changes. */
  function update() {
    const { choice, theme, paths } = view;
    const entries = [
      ...paths.map(({ title, colour }) => ({
        text: title, colour: roleColour(theme, "method", colour), on: !choice.hidden.has(title),
        change: ({ hidden }) => hidden.delete(title) || hidden.add(title),
      })),
      ...view.switches().map(([text, name]) => (
        { text, on: choice[name], change: (c) => Object.assign(c, { [name]: !c[name] }) }
      )),
    ];
    const key = JSON.stringify(entries);
    if (key !== chips.dataset.entries) {
      chips.dataset.entries = key;
      const focused = [...chips.children].indexOf(document.activeElement);
      chips.replaceChildren(...entries.map(({ text, colour = theme.muted, on, change }) => el(
        "button",
        { type: "button", class: "is-chip", "aria-pressed": String(on), onclick: () => toggle(change) },
        el("i", { class: "is-dot", style: `background:${colour}` }), el("span", { text }),
      )));
      chips.children[focused]?.focus();
    }
    showScale();
  }

  function showScale() {
    const { meta, field } = view;
    scale.hidden = field.empty;
    const ramp = `background:linear-gradient(to right, ${meta.colours.join(", ")})`;
    scale.replaceChildren(
      el("span", { text: format(view.value(field.low), "sig2") }),
      el("i", { class: "is-ramp", style: ramp }),
      el("span", { text: format(view.value(field.high), "sig2") }),
      el("span", { class: "is-note", text: meta.valueTitle }),
    );
  }

  return {
    update,
    dispose() {
      top.remove();
      menu.remove();
    },
  };
}
