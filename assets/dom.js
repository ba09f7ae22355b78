// Elements without innerHTML, and the life of a component's node.

const SVG = "http://www.w3.org/2000/svg";
const instances = new WeakMap();

/**
 * Create an element. Attributes: "class", "text" (textContent), "on*" listeners, anything else by setAttribute;
 * true sets a bare attribute, false and null leave it out.
 * @param {string} tag
 * @param {object} attributes
 * @param {...(Node|string)} children
 */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** Load the components' style sheet once per page. */
export function ensureStyles() {
  // a page that carries its styles inside, as a report does, has no file to load
  if (document.getElementById("iterscope-styles")) return;
  const href = new URL("./app.css", import.meta.url).href;
  if (document.head.querySelector(`link[href="${href}"]`)) return;
  document.head.append(el("link", { rel: "stylesheet", href }));
}

/**
 * The object that lives in a component's node. Streamlit calls a component again for every change of data or
 * theme, with the same node; the object is made at the first call.
 * @template T
 * @param {{parentElement: Element}} component
 * @param {function(Element): T} create receives the root element to draw into
 * @returns {T}
 */
export function instanceOf(component, create) {
  const parent = component.parentElement;
  let instance = instances.get(parent);
  if (!instance) {
    ensureStyles();
    const root = el("div", { class: "is-root" });
    parent.replaceChildren(root);
    instance = create(root);
    instances.set(parent, instance);
  }
  return instance;
}

/**
 * Give the node's object back, if the node has really gone: Streamlit also runs the cleanup of an earlier call
 * while the component stays mounted.
 * @param {{parentElement: Element}} component
 */
export function release({ parentElement }) {
  setTimeout(() => {
    if (parentElement.isConnected) return;
    instances.get(parentElement)?.dispose();
    instances.delete(parentElement);
  });
}

/** Whether the person asked for less motion. */
export function reducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/**
 * Run a function at most once per animation frame.
 * @param {function(): void} action
 */
export function perFrame(action) {
  let frame = 0;
  const request = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      action();
    });
  };
  request.cancel = () => {
    cancelAnimationFrame(frame);
    frame = 0;
  };
  return request;
}

/** Offer bytes or text as a file. */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
