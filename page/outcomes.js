// What became of the sales, as counted in this process, and which rules refused how many.
// The promise is judged in the books, not here.

import { byId, h, list, text } from "./dom.js";
import { count, countShort, plural, rate } from "./format.js";

const KINDS = [
  ["accepted", "Accepted", "on disk and paid", "validation"],
  ["corrected", "Corrected", "total did not fit its lines", "validation"],
  ["payment_failed", "Payment failed", "recorded, not turnover", "validation"],
  ["rejected_total", "Rejected", "broke a rule", "validation"],
  ["late", "Late", "after its window was final", "aggregation"],
  ["duplicates", "Duplicates", "sent or told again, counted once", "aggregation"],
];

export function updateOutcomes(model) {
  list(byId("outcomes-list"), KINDS, ([key]) => key, newKind, (node, kind) => fillKind(node, kind, model));
  const rules = Object.entries(model.state.outcomes?.rejected ?? {}).sort(([, one], [, other]) => other - one).slice(0, 8);
  fillRules(byId("outcomes-rules"), rules, model);
}

function newKind([, name, words]) {
  return h("div", {}, h("dt", {}, name, h("span", { class: "hint" }, words)), h("dd", { class: "figure" }), h("dd", { class: "note" }));
}

function fillKind(node, [key, , , role], model) {
  const value = model.state.outcomes?.[key];
  const speed = model.state.rates?.[key === "rejected_total" ? "rejected" : key];
  text(node.children[1], countShort(value));
  text(node.children[2], value === undefined && !model.has(role) ? `${role} runs elsewhere` : speed === undefined ? "" : `${rate(speed)}/s`);
}

function fillRules(place, rules, model) {
  const most = Math.max(1, ...rules.map(([, value]) => value));
  if (!place.note) {
    place.note = h("p", { class: "hint" });
    place.rows = h("ul", { class: "rules" });
    place.append(place.note, place.rows);
  }
  text(place.note, rules.length > 0 ? "" : model.has("validation") ? "No sale has been rejected." : "Role validation runs elsewhere.");
  list(place.rows, rules, ([rule]) => rule, newRule, (node, [rule, value]) => {
    text(node.children[0], rule.replaceAll("_", " "));
    text(node.children[1], count(value));
    node.children[2].firstChild.style.width = `${(100 * value) / most}%`;
    node.title = plural(value, "sale");
  });
}

function newRule() {
  return h("li", {}, h("span"), h("span", { class: "figure" }), h("span", { class: "track" }, h("span", { class: "share" })));
}
