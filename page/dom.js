// Makes and changes nodes, and touches the document only where something differs.
// Never writes HTML: what comes from outside becomes text.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (functions become listeners) and children (strings become text). */
export function h(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function dress(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else attribute(node, name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets, changes or (null, undefined, false) removes an attribute. */
export function attribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
    return;
  }
  const wanted = value === true ? "" : String(value);
  if (node.getAttribute(name) !== wanted) node.setAttribute(name, wanted);
}

/** Changes the text if it differs, so that selections and screen readers are left in peace. */
export function text(node, wanted) {
  if (node.textContent !== wanted) node.textContent = wanted;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Children of `parent` are `items`, in order; a node lives as long as its key does, so that focus stays where it is. */
export function list(parent, items, keyOf, create, update) {
  const old = parent.nodesByKey ?? new Map();
  const now = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const node = old.get(key) ?? create(item);
    now.set(key, node);
    update(node, item);
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  }
  for (const [key, node] of old) if (!now.has(key)) node.remove();
  parent.nodesByKey = now;
}

/** A table cell that says what it is the figure of, for narrow screens where the head is not shown. */
export function cell(label, content = "", kind = "td") {
  return h(kind, { "data-label": label, scope: kind === "th" ? "row" : null }, content);
}
