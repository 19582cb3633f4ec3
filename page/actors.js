// The supervision tree, a card per group: state, generation, restarts, mailbox, last failure.
// Of thousands of one kind it shows the ones in trouble and one line for the rest, as the stream does.

import { attribute, byId, h, list, text } from "./dom.js";
import { byNumber, count, countShort, plural, span } from "./format.js";
import { degradedWords } from "./headline.js";

/** More than these in a card are found by their name. */
const SHOWN = 40;
let latest;

/** `choose` is called with the path of the actor that somebody wants to break. */
export function startActors(choose) {
  byId("actors-query").addEventListener("input", () => latest && updateActors(latest));
  byId("actors-groups").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-path]");
    if (button) choose(button.dataset.path);
  });
}

export function updateActors(model) {
  latest = model;
  verdict(model);
  const words = byId("actors-query").value.trim().toLowerCase();
  const entries = Object.entries(model.state.actors ?? {}).filter(([path]) => path.toLowerCase().includes(words));
  list(byId("actors-groups"), groups(entries), ([name]) => name, newGroup, (node, group) => fillGroup(node, group, model));
}

function verdict(model) {
  const node = byId("actors-verdict");
  const troubled = model.troubled();
  const degraded = model.degraded();
  const down = troubled.filter(({ health }) => health === "trouble").length;
  attribute(node, "class", `verdict${down + degraded.length > 0 ? " bad" : ""}`);
  const parts = [down > 0 ? `${count(down)} down` : "all running", ...degraded.map((trouble) => degradedWords(trouble, model.now))];
  text(node, parts.join(" · "));
}

/** By the supervisor below the root; the root and actors directly below it are one group. */
function groups(entries) {
  const paths = new Set(entries.map(([path]) => path));
  const byGroup = new Map();
  for (const [path, actor] of entries) {
    const [root, second, third] = path.split(".");
    const isGroup = third !== undefined || actor.kind === "supervisor";
    const name = second !== undefined && isGroup ? `${root}.${second}` : root;
    if (!byGroup.has(name)) byGroup.set(name, []);
    byGroup.get(name).push([path, actor, depth(path, name, paths)]);
  }
  for (const rows of byGroup.values()) rows.sort(([left], [right]) => byNumber(left, right));
  return [...byGroup].sort(([left], [right]) => order(left) - order(right) || byNumber(left, right));
}

function order(name) {
  const known = ["root.session", "root.validation", "root.pipeline", "root.reporting", "root.pos"].indexOf(name);
  return known < 0 ? 9 : known;
}

function depth(path, group) {
  return Math.max(0, path.split(".").length - group.split(".").length);
}

function newGroup([name]) {
  const heads = [["Actor"], ["Gen.", "Generation"], ["Restarts"], ["Mail", "Messages in the mailbox"]]
    .map(([word, whole]) => h("th", { scope: "col" }, whole ? h("abbr", { title: whole }, word) : word));
  return h("section", { class: "card group", "aria-label": `Group ${name}` },
    h("table", { class: "actors" }, h("thead", {}, h("tr", {}, heads)), h("tbody")), h("p", { class: "hint" }));
}

function fillGroup(node, [, rows], model) {
  const shown = rows.slice(0, SHOWN);
  list(node.firstChild.tBodies[0], shown, ([path]) => path, newRow, (row, entry) => fillRow(row, entry, model));
  text(node.lastChild, rows.length > SHOWN ? `${count(rows.length - SHOWN)} more; find them by name.` : "");
}

function newRow([path]) {
  const isOne = !path.endsWith(".*");
  const name = h(isOne ? "button" : "span", isOne ? { type: "button", class: "bare", "data-path": path } : {});
  return h("tr", { "data-actor": path },
    h("th", { scope: "row" }, h("span", { class: "state" }), name, h("span", { class: "failure" })), h("td"), h("td"), h("td"));
}

function fillRow(row, [path, actor, deep], model) {
  const health = model.health(path, actor);
  attribute(row, "data-health", health);
  attribute(row, "data-deep", Math.min(deep, 2));
  const [head, generation, restarts, mailbox] = row.children;
  const [state, name, failure] = head.children;
  attribute(state, "title", stateWords(actor, health, model.now));
  text(state, stateWords(actor, health, model.now));
  attribute(state, "class", health === "well" && actor.state === "running" ? "state dot" : "state");
  text(name, path.endsWith(".*") ? `all ${plural(actor.count, actor.kind)}` : path === "root" ? path : path.slice(path.lastIndexOf(".") + 1));
  if (name.localName === "button") attribute(name, "title", `${path}, a ${actor.kind}`);
  text(failure, actor.last_failure ?? "");
  text(generation, count(actor.generation));
  text(restarts, countShort(actor.restarts));
  text(mailbox, countShort(actor.mailbox));
}

function stateWords(actor, health, now) {
  if (actor.count !== undefined) return actor.running === actor.count ? "running" : `${count(actor.running)} running, ${actor.state}`;
  if (health === "back") return "failed, is back";
  const since = actor.since && health === "trouble" ? ` for ${span(now - Date.parse(actor.since))}` : "";
  return `${actor.state}${since}`;
}
