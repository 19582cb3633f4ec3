// The equation of each store, written out as one, and by how much it is off.
// Judges nothing itself: the service says what is balanced.

import { attribute, byId, cell, h, list, text } from "./dom.js";
import { byNumber, cents, count, money, plural } from "./format.js";

const COLUMNS = [["Store"], ["Accepted"], ["In windows", "="], ["Late", "+"], ["Rejected", "+"], ["Off by"], ["Open, not judged"]];
let rows;
let note;

export function updateBooks(model) {
  rows ?? build(byId("books-body"));
  const { ledger, stores = {}, stores_total: total } = model.state;
  verdict(ledger, model);
  const shown = Object.entries(stores).filter(([, store]) => store.ledger);
  shown.sort(([left, one], [right, other]) => isOff(other) - isOff(one) || byNumber(left, right));
  list(rows, shown, ([name]) => name, newRow, fillRow);
  text(note, total > shown.length ? `${count(shown.length)} of ${plural(total, "store")}: those that are off first, then the busiest. The equation holds for all of them, see above.` : "");
}

function build(place) {
  rows = h("tbody");
  note = h("p", { class: "hint" });
  const heads = COLUMNS.map(([name]) => h("th", { scope: "col" }, name));
  place.append(h("div", { class: "scroll card flush", tabindex: "0", role: "region", "aria-label": "Books of each store" },
    h("table", { class: "books" }, h("thead", {}, h("tr", {}, heads)), rows)), note);
}

function verdict(ledger, model) {
  const node = byId("books-verdict");
  attribute(node, "class", `verdict${ledger?.balanced === false ? " bad" : ""}`);
  if (!ledger) return text(node, model.has("reporting") ? "not known yet" : "kept by role reporting, which runs elsewhere");
  const judged = ledger.balanced ? "agree to the cent" : `${money(ledger.imbalance?.amount)} and ${plural(ledger.imbalance?.count, "sale")} off in ${plural(ledger.stores_off, "store")}`;
  const poison = ledger.poison > 0 ? ` · ${plural(ledger.poison, "message")} could not be read` : "";
  return text(node, judged + poison);
}

function isOff({ ledger }) {
  return Number(ledger.imbalance.count !== 0 || cents(ledger.imbalance.amount) !== 0n);
}

function newRow() {
  return h("tr", {}, COLUMNS.map(([name, sign], index) => {
    const node = cell(name, h("span", { class: "amount" }), index === 0 ? "th" : "td");
    if (sign) node.prepend(h("span", { class: "sign" }, sign));
    if (index > 0) node.append(h("span", { class: "hint" }));
    return node;
  }));
}

function fillRow(row, [name, store]) {
  const { accepted, in_windows: windows, late, rejected, imbalance, open } = store.ledger;
  attribute(row, "class", isOff(store) ? "bad" : null);
  text(row.children[0].querySelector(".amount"), name.replace("STORE_", "Store "));
  [accepted, windows, late, rejected, imbalance, open].forEach((side, index) => {
    const place = row.children[index + 1];
    text(place.querySelector(".amount"), money(side.amount));
    text(place.querySelector(".hint"), plural(side.count, "sale"));
  });
}
