// The registration view's legend, which is also its switchboard: one chip a layer, and a small menu.
import { el, svg } from "./dom.js";
import { shortName } from "./names.js";
import { format, length } from "./numbers.js";
import { roleColour } from "./theme.js";
import { emit, group } from "./bus.js";

const CHIPS = [
  ["source", "source", "source"],
  ["target", "target", "target"],
  ["initial", "start", "initial"],
  ["truth", "true pose", "truth"],
  ["path", "path", "path"],
  ["weak", "weak motion", "weak"],
  ["sliding", "show sliding", "weak"],
  ["ellipsoid", "uncertainty", "primary"],
  ["pairs", "pairs", "pairs"],
];
const ICONS = {
  save: "M8 2v8M4.8 7 8 10.2 11.2 7M3 13h10",
  more: "M2 4.5h6.5M12 4.5h2M2 11.5h2M7.5 11.5H14M10.2 2.8v3.4M5.7 9.8v3.4",
};

/**
 * @param {HTMLElement} root
 * @param {object} view the CloudView: choice, theme, meta, poses, residual, pairs, split, stage
 */
export function viewControls(root, view) {
  const chips = el("div", { class: "is-chips", role: "group", "aria-label": "Layers of the 3-D view" });
  const menu = el("div", { class: "is-menu" });
  const name = el("div", { class: "is-view-name", hidden: true });
  const buttons = new Map(CHIPS.map(([key, text]) => [key, chip(text, () => {
    view.choice[key] = !view.choice[key];
    changed();
  })]));
  const members = el("select", {
    "aria-label": "Method whose source is shown",
    onchange: () => {
      view.choice.member = members.value === "both" ? "both" : Number(members.value);
      changed();
    },
  });
  const colours = el("select", {
    "aria-label": "Colour of the points",
    onchange: () => {
      view.choice.colour = colours.value;
      changed();
    },
  });
  const size = el("input", {
    type: "range", min: 1, max: 6, step: 0.5, "aria-label": "Size of the points",
    title: "Size of the points", oninput: () => {
      view.choice.size = Number(size.value);
      changed();
    },
  });
  // a narrow view shows one row of chips; this button, all of them and the menu
  const more = el("button", {
    type: "button", class: "is-icon is-more", title: "All layers and settings", "aria-label": "All layers and settings",
    "aria-expanded": "false", onclick: () => open(!root.classList.contains("is-open")),
  }, icon("more"));
  const save = el("button", {
    type: "button", class: "is-icon", title: "Save the view as PNG", "aria-label": "Save the view as PNG",
    onclick: () => view.stage.save("registration"),
  }, icon("save"));
  const scale = el("div", { class: "is-residual", hidden: true });
  menu.append(members, colours, size, save);
  chips.append(...[...buttons.values()].map(({ node }) => node));
  const top = el("div", { class: "is-top" }, name, chips, scale);
  root.append(top, more, menu);
  const abort = new AbortController();
  root.addEventListener("pointerdown", ({ target }) => {
    if (![chips, menu, more].some((node) => node.contains(target))) open(false);
  }, { signal: abort.signal });
  root.addEventListener("keydown", ({ key }) => key === "Escape" && open(false), { signal: abort.signal });
  let drawn = "";

  function open(on) {
    root.classList.toggle("is-open", on);
    more.setAttribute("aria-expanded", String(on));
  }

  /** A choice holds for every view of the group. */
  function changed() {
    emit("layers", view.id);
  }

  /** Names and states; called when the data or a choice changes. */
  function update() {
    const { choice, theme, meta, poses } = view;
    const tracks = poses?.members ?? [];
    const weak = tracks.some((track) => track.field("translation_axes"));
    const there = {
      initial: meta.initial, truth: meta.truth, path: tracks.length, weak, sliding: weak, ellipsoid: weak,
      pairs: view.pairs,
    };
    for (const [key, , role] of CHIPS) {
      const { node, dot } = buttons.get(key);
      node.hidden = key in there && !there[key];
      node.setAttribute("aria-pressed", String(Boolean(choice[key])));
      dot.setAttribute("style", `background:${roleColour(theme, role)}`);
    }
    options(members, [
      ...tracks.map((track, i) => [String(i), shortName(track.title)]), ...(tracks.length > 1 ? [["both", "both"]] : []),
    ], String(choice.member));
    members.title = view.tracks().map(({ title }) => title).join(", ");
    members.hidden = tracks.length < 2 || view.split;
    showName();
    options(colours, [
      ["role", "source and target"], ["height", "height"],
      ...(view.arrays.source_intensity || view.arrays.target_intensity ? [["intensity", "intensity"]] : []),
      ...(view.residual ? [["residual", view.residual.label]] : []),
    ], choice.colour);
    size.value = choice.size;
    showScale();
    refresh();
  }

  /** Whose view this is, while another one stands beside it. */
  function showName() {
    const [track] = view.split ? view.tracks() : [];
    root.classList.toggle("is-split", view.split);
    name.hidden = !track;
    if (!track) return;
    const colour = roleColour(view.theme, "method", track.index);
    // the lighter colours alone are too pale for letters
    name.style.color = `color-mix(in srgb, ${colour} 75%, ${view.theme.text})`;
    name.title = track.title;
    name.replaceChildren(el("i", { class: "is-dot", style: `background:${colour}` }), el("span", { text: track.title }));
  }

  function showScale() {
    const { residual } = view;
    scale.hidden = view.choice.colour !== "residual" || !residual;
    if (scale.hidden) return;
    const signed = residual.kind === "signed";
    const name = signed ? "point-to-plane residual" : `${residual.label}, share of each point`;
    scale.replaceChildren(
      el("span", { text: signed ? length(-residual.limit) : "0" }),
      el("i", { class: signed ? "is-ramp" : "is-ramp is-sequential" }),
      el("span", { text: signed ? length(residual.limit) : format(residual.limit, "percent3") }),
      el("span", { class: "is-note", text: `${name} at k = ${residual.k}` }),
    );
  }

  /** What follows the cursor; called after each drawing, so it only writes what changed. */
  function refresh() {
    const [first, second] = view.tracks();
    const shown = first ? first.ks[first.at(group(view.id).k)] : "";
    const factor = view.ellipsoidFactor;
    const still = view.choice.sliding && !view.sliding;
    const key = `${first?.title} ${second?.title} ${shown} ${factor} ${view.sliding} ${still}`;
    if (key === drawn) return;
    drawn = key;
    buttons.get("source").label.textContent = first ? `source, k = ${shown}` : "source";
    const enlarged = factor ? `uncertainty ×${factor >= 10 ? Math.round(factor) : factor.toFixed(1)}` : "uncertainty";
    buttons.get("ellipsoid").label.textContent = enlarged;
    const slides = view.sliding ? `sliding ± ${view.sliding}` : "show sliding";
    buttons.get("sliding").label.textContent = still ? "nothing slides" : slides;
  }

  return {
    update, refresh,
    dispose() {
      abort.abort();
      [top, more, menu].forEach((node) => node.remove());
    },
  };
}

function chip(text, onclick) {
  const dot = el("i", { class: "is-dot" });
  const label = el("span", { text });
  return { node: el("button", { type: "button", class: "is-chip", onclick }, dot, label), dot, label };
}

/** Set a select's options without closing it when nothing changed. */
function options(select, entries, value) {
  const key = JSON.stringify(entries);
  if (select.dataset.entries !== key) {
    select.dataset.entries = key;
    select.replaceChildren(...entries.map(([id, text]) => el("option", { value: id, text })));
  }
  select.value = entries.some(([id]) => id === value) ? value : entries[0]?.[0];
}

export function icon(name) {
  return svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, svg("path", {
    d: ICONS[name], fill: "none", stroke: "currentColor", "stroke-width": 1.6,
    "stroke-linecap": "round", "stroke-linejoin": "round",
  }));
}
