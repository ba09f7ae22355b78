// Colours: the tokens of both themes, the colour of a role or a method, and Plotly's layout made of them.
// Python names roles ("role:weak", meta: {role: "method", index: 1}), never colours.

const METHODS = {
  light: ["#0072B2", "#A6417A", "#B36B00", "#5B3FD6", "#2B7A78", "#8A6D3B", "#1F8FBF", "#4A4F57"],
  dark: ["#56B4E9", "#D982B5", "#E0A040", "#9B87F5", "#5FB8B4", "#C2A36B", "#6CC5EA", "#A3A9B3"],
};

const TOKENS = {
  light: {
    background: "#FBFBFA", panel: "#FFFFFF", view: "#F6F7F8", text: "#1B1D21", muted: "#6A6F78",
    border: "#E2E2DC", grid: "#E6E6E1", primary: "#0072B2",
    source: "#D98200", target: "#0072B2", weak: "#D55E00", weakText: "#B84A00",
    initial: "#8A8F98", truth: "#2B7A78", reached: "#00805A", path: "#1B1D21", pairs: "#C4006A",
  },
  dark: {
    background: "#101316", panel: "#15191D", view: "#0B0E11", text: "#E8EAED", muted: "#98A0AA",
    border: "#2A3037", grid: "#262C32", primary: "#56B4E9",
    source: "#E69F00", target: "#6FA3D8", weak: "#E8681A", weakText: "#FF8A4C",
    initial: "#868E98", truth: "#4FB3AF", reached: "#2BB584", path: "#F2F4F6", pairs: "#FF9ADB",
  },
};
const ALIASES = {
  diverged: "weak", translation: "weak", rotation: "primary", full: "muted", context: "muted", reference: "target",
};
const DASHED_FROM = METHODS.light.length;

/** Red, green, blue in 0…1 of "#rrggbb" or "rgb(r, g, b)". */
export function rgb(colour) {
  const hex = /^#([0-9a-f]{6})/i.exec(colour);
  if (hex) return [0, 2, 4].map((at) => parseInt(hex[1].slice(at, at + 2), 16) / 255);
  const parts = colour.match(/[\d.]+/g) ?? [0, 0, 0];
  return parts.slice(0, 3).map((part) => Number(part) / 255);
}

/** Relative luminance (WCAG 2). */
export function luminance(colour) {
  const [r, g, b] = rgb(colour).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast ratio of two colours (WCAG 2). */
export function contrast(a, b) {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

/** A colour with an opacity. */
export function fade(colour, opacity) {
  const [r, g, b] = rgb(colour).map((c) => Math.round(255 * c));
  return `rgba(${r}, ${g}, ${b}, ${opacity})`;
}

/**
 * 256 RGBA colours between evenly spaced stops.
 * @param {string[]} colours
 * @param {string|null} missing colour of 0, which then means "no value"
 */
export function paletteBytes(colours, missing) {
  const stops = colours.map(rgb);
  const bytes = new Uint8Array(256 * 4);
  for (let i = 0; i < 256; i += 1) {
    const at = (i / 255) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    for (let c = 0; c < 3; c += 1) {
      bytes[4 * i + c] = Math.round(255 * (stops[low][c] + (at - low) * (stops[low + 1][c] - stops[low][c])));
    }
    bytes[4 * i + 3] = 255;
  }
  if (missing) bytes.set(rgb(missing).map((c) => Math.round(255 * c)), 0);
  return bytes;
}

/**
 * The theme that is in force around an element; also marks the element so that app.css follows.
 * @param {Element} root a component's root element
 */
export function themeOf(root) {
  const style = getComputedStyle(root);
  const property = (name, otherwise) => {
    const value = style.getPropertyValue(name).trim();
    return value && value !== "unset" ? value : otherwise;
  };
  const around = property("--st-background-color", "#FBFBFA");
  const name = luminance(around) < 0.2 ? "dark" : "light";
  root.dataset.theme = name;
  return themeNamed(name, {
    background: around,
    font: property("--st-font", "system-ui, sans-serif"),
    mono: property("--st-code-font", "ui-monospace, monospace"),
  });
}

/** A theme by its name, with what the page sets differently. */
export function themeNamed(name, page = {}) {
  return {
    name, font: "system-ui, sans-serif", mono: "ui-monospace, monospace", ...TOKENS[name], ...page,
    methods: METHODS[name],
  };
}

/**
 * Colour of a role: "source", "target", "weak", "muted", "text", "primary", "reached", "method", …
 * @param {object} theme
 * @param {string} role
 * @param {number} index for methods
 */
export function roleColour(theme, role, index = 0) {
  if (role === "method") return theme.methods[index % theme.methods.length];
  return theme[ALIASES[role] ?? role] ?? theme.muted;
}

/** Dash of a method's line: the palette's second round is dashed. */
export function methodDash(index) {
  return index >= DASHED_FROM ? "dash" : "solid";
}

/** Replace "role:weak", "role:method:2" and "role:muted@0.4" anywhere in a Plotly object. */
export function resolveRoles(value, theme) {
  if (typeof value === "string") {
    const found = /^role:([a-zA-Z]+)(?::(\d+))?(?:@([\d.]+))?$/.exec(value);
    if (!found) return value;
    const colour = roleColour(theme, found[1], Number(found[2] ?? 0));
    return found[3] ? fade(colour, Number(found[3])) : colour;
  }
  if (Array.isArray(value)) return value.map((item) => resolveRoles(item, theme));
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolveRoles(item, theme)]));
}

/**
 * Give a trace the colour of its role. A colour or dash that the trace names itself stays.
 * @param {object} trace Plotly trace, possibly with meta {role, index, opacity}
 * @param {object} theme
 */
export function themedTrace(trace, theme) {
  const { meta, ...rest } = resolveRoles(trace, theme);
  if (!meta?.role) return { ...rest, meta };
  const index = meta.index ?? 0;
  let colour = roleColour(theme, meta.role, index);
  if (meta.opacity !== undefined) colour = fade(colour, meta.opacity);
  const line = { color: colour, width: 2, ...rest.line };
  if (meta.role === "method") line.dash ??= methodDash(index);
  const themed = { ...rest, meta, line, marker: { color: colour, ...rest.marker } };
  if (rest.fill && !rest.fillcolor) themed.fillcolor = fade(colour, 0.14);
  if (rest.type === "bar" || rest.type === "histogram") delete themed.line;
  return themed;
}

/**
 * Plotly layout in the theme's colours; what the figure's own layout says wins.
 * @param {object} layout
 * @param {object} theme
 * @param {number} height of the chart [px], for the number of ticks of a logarithmic axis
 */
export function themedLayout(layout, theme, height = 120) {
  const { template, ...own } = resolveRoles(layout ?? {}, theme);
  const axis = {
    gridcolor: theme.grid, linecolor: theme.border, zerolinecolor: theme.border, zeroline: false,
    automargin: true, ticks: "", tickfont: { family: theme.mono, size: 11, color: theme.muted },
    title: { font: { size: 11.5, color: theme.muted }, standoff: 6 }, exponentformat: "power",
  };
  const themed = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: theme.font, size: 12, color: theme.text },
    margin: { l: 44, r: 12, t: 6, b: 28 }, hovermode: "x unified", hoverdistance: -1, showlegend: false,
    hoverlabel: {
      bgcolor: theme.panel, bordercolor: theme.border,
      font: { family: theme.mono, size: 11.5, color: theme.text },
    },
    modebar: { bgcolor: fade(theme.panel, 0.9), color: theme.muted, activecolor: theme.primary },
    dragmode: "zoom", ...own,
  };
  const names = new Set(Object.keys(own).filter((key) => /^[xy]axis\d*$/.test(key)));
  for (const name of names.add("xaxis").add("yaxis")) themed[name] = merge(axis, own[name] ?? {});
  for (const name of names) {
    if (name.startsWith("x")) themed[name].showgrid ??= false;
    else if (themed[name].type === "log") themed[name].nticks ??= Math.min(8, Math.max(3, Math.round((height - 34) / 36)));
  }
  return themed;
}

function merge(base, own) {
  const merged = { ...base };
  for (const [key, value] of Object.entries(own)) {
    const nested = value && typeof value === "object" && !Array.isArray(value) && !ArrayBuffer.isView(value);
    if (key === "title" && typeof value === "string") merged.title = { ...base.title, text: value };
    else merged[key] = nested ? merge(base[key] ?? {}, value) : value;
  }
  return merged;
}
