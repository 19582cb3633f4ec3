// The stores that sell most, and a way to find any other among however many.
// Never lists them all: a page with 10,000 bars helps nobody.

import { read } from "./api.js";
import { drawSpark } from "./chart.js";
import { attribute, byId, h, list, svg, text } from "./dom.js";
import { byNumber, cents, count, money, plural } from "./format.js";

const SHOWN = 10;
const FOUND = 10;
let found = null;
let asked = 0;
let latest;

export function startStores(open) {
  byId("stores-search").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = typed(byId("stores-query").value);
    if (name) open(name);
  });
  byId("stores-query").addEventListener("input", () => search(byId("stores-query").value.trim()));
  byId("stores-order").addEventListener("change", () => updateStores(latest));
  byId("stores-list").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) open(button.dataset.store);
  });
}

/** `7` and `store_7` are STORE_7. */
function typed(value) {
  const number = /(\d+)\s*$/.exec(value)?.[1];
  return number && `STORE_${Number(number)}`;
}

async function search(words) {
  asked += 1;
  const number = asked;
  // Whoever types is not answered letter by letter.
  await new Promise((resolve) => setTimeout(resolve, 200));
  if (number !== asked) return;
  const answer = words === "" ? null : await read(`api/v1/stores?search=${encodeURIComponent(words)}&limit=${FOUND}`).catch(() => null);
  if (number !== asked) return;
  found = answer;
  if (latest) updateStores(latest);
}

export function updateStores(model) {
  latest = model;
  const rows = found ? found.stores.map((store) => [store.store_id, model.state.stores?.[store.store_id] ?? store]) : ordered(model);
  text(byId("stores-note"), note(model, rows.length));
  list(byId("stores-list"), rows, ([name]) => name, newRow, (row, [name, store]) => fillRow(row, name, store, model));
}

function ordered(model) {
  const order = byId("stores-order").value;
  const rows = Object.entries(model.state.stores ?? {});
  if (order === "name") rows.sort(([left], [right]) => byNumber(left, right));
  else rows.sort(([left, one], [right, other]) => difference(one[order], other[order]) || byNumber(left, right));
  return rows.slice(0, SHOWN);
}

function difference(one, other) {
  const by = cents(other) - cents(one);
  return by > 0n ? 1 : by < 0n ? -1 : 0;
}

function note(model, shown) {
  const total = model.state.stores_total;
  if (!model.has("reporting")) return "Role reporting, which knows the stores, runs elsewhere.";
  if (found) return `${count(found.matching)} of ${plural(found.total, "store")} match${found.matching > shown ? `, the first ${shown} are shown` : ""}.`;
  if (!total) return "No store has sold anything yet.";
  return total > shown ? `The ${shown} busiest of ${plural(total, "store")} by the last minute's turnover; find others by number.` : `${plural(total, "store")} and the last minute's turnover. Select one.`;
}

function newRow([name]) {
  return h("li", {}, h("button", { type: "button", "data-store": name },
    h("span", { class: "name" }, name.replace("STORE_", "Store ")),
    svg("svg", { class: "spark", "aria-hidden": "true" }),
    h("span", { class: "figure" }, h("span"), h("span", { class: "unseen" }, " in the last minute")), h("span", { class: "note" })));
}

function fillRow(row, name, store, model) {
  const [, spark, figure, below] = row.firstChild.children;
  const off = store.ledger && (store.ledger.imbalance.count !== 0 || cents(store.ledger.imbalance.amount) !== 0n);
  drawSpark(spark, model.slots(store, 18, name));
  text(figure.firstChild, money(store.last_minute));
  text(below, off ? "books do not agree" : `${money(store.accepted)} in total`);
  attribute(row.firstChild, "class", off ? "bad" : null);
}

