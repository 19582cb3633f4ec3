// The way of a sale as a picture: five stations, what passes between them per second, and what waits there.
// A station that runs in another process says so instead of showing zeros.

import { attribute, byId, h, text } from "./dom.js";
import { count, countShort, known, plural, rate } from "./format.js";

const AGGREGATION = "sale_pos_transaction_aggregation_service";
const LEDGER = "sale_pos_transaction_ledger.q";
const REPORTING = "sale_pos_transaction_reporting.q";

/** Name, what it does in plain words, whose failure is its own, and the role that runs it. */
const STATIONS = [
  { id: "tills", name: "Tills", words: "ring up sales", paths: ["root.pos"], says: tills },
  { id: "validation", name: "Validation", words: "checks every sale", paths: ["root.validation", "root.handover"], role: "validation", says: validation },
  { id: "broker", name: "Broker", words: "keeps it on disk", paths: ["root.session"], says: broker },
  { id: "windows", name: "Windows", words: "add up per store", paths: ["root.pipeline"], role: "aggregation", says: windows },
  { id: "turnover-station", name: "Aggregates", words: "what shops read", paths: ["root.reporting.turnover"], role: "reporting", says: aggregates },
  { id: "ledger", name: "Ledger", words: "counts every sale again, on its own", paths: ["root.reporting.ledger"], role: "reporting", says: ledger },
];

/** From, to, per second, and what waits on the way. */
const ARROWS = [
  { id: "a1", says: (flow) => [flow.tills?.per_second, ""] },
  { id: "a2", says: (flow) => [flow.validation?.per_second, waiting(flow.validation?.in_flight, "on their way")] },
  { id: "a3", says: (flow, model) => [model.has("aggregation") ? model.state.rates?.accepted ?? flow.ledger?.per_second : undefined, queue(flow, AGGREGATION)] },
  { id: "a4", says: (flow) => [flow.windows?.per_second, queue(flow, REPORTING)] },
  { id: "a5", says: (flow) => [flow.ledger?.per_second, queue(flow, LEDGER)] },
];

let nodes;

export function updateFlow(model) {
  nodes ??= build(byId("flow-picture"));
  for (const station of STATIONS) fillStation(nodes.get(station.id), station, model);
  for (const arrow of ARROWS) fillArrow(nodes.get(arrow.id), arrow.says(model.state.flow ?? {}, model));
  const agrees = model.state.ledger?.balanced;
  const check = nodes.get("check");
  attribute(check, "class", `check${agrees === false ? " bad" : ""}`);
  text(check, !known(agrees) ? "compared with the windows" : agrees ? "= agrees with the windows" : "≠ differs from the windows");
}

function build(place) {
  const made = new Map();
  const station = (index) => keep(made, STATIONS[index].id, newStation(STATIONS[index]));
  const arrow = (id, kind = "") => keep(made, id, newArrow(id, kind));
  const check = keep(made, "check", h("p", { class: "check" }));
  place.append(h("div", { class: "flow" }, station(0), arrow("a1"), station(1), arrow("a2"), station(2), arrow("a3"), station(3),
    arrow("a4"), station(4), arrow("a5", "branch"), station(5), check));
  return made;
}

function keep(made, id, node) {
  made.set(id, node);
  return node;
}

function newStation({ id, name, words }) {
  return h("div", { class: "station", id: `station-${id}` },
    h("strong", {}, name), h("span", { class: "hint" }, words), h("span", { class: "says" }), h("span", { class: "trouble" }));
}

function newArrow(id, kind) {
  return h("div", { class: `arrow ${kind}` }, h("span", { class: "speed" }), h("span", { class: "line", "aria-hidden": "true" }, h("i")), h("span", { class: "waiting" }));
}

function fillStation(node, { paths, says, role }, model) {
  const elsewhere = role !== undefined && !model.has(role);
  const troubled = elsewhere ? [] : model.troubled().filter(({ path }) => paths.some((start) => path === start || path.startsWith(`${start}.`)));
  attribute(node, "data-state", elsewhere ? "elsewhere" : troubled.length > 0 ? "trouble" : "well");
  text(node.children[2], elsewhere ? "runs elsewhere" : says(model.state.flow ?? {}, model));
  text(node.children[3], troubled.length === 0 ? "" : troubled.some(({ health }) => health === "trouble") ? "down, being restarted" : "failed, is back");
}

function fillArrow(node, [speed, waits]) {
  text(node.children[0], known(speed) ? `${rate(speed)}/s` : "");
  text(node.children[2], waits);
  attribute(node, "data-moving", speed > 0 ? "true" : "false");
}

function waiting(number, words) {
  return known(number) ? `${countShort(number)} ${words}` : "";
}

/** Unacknowledged sales of the windows are not a jam: they are kept until their window is final. */
function queue(flow, name) {
  const { depth, unacknowledged } = flow.queues?.[name] ?? {};
  if (!known(depth) && !known(unacknowledged)) return "";
  if (!known(depth)) return `${countShort(unacknowledged)} held`;
  const held = Math.min(depth, unacknowledged ?? 0);
  const ready = `${countShort(depth - held)} waiting`;
  return held > 0 ? `${ready}, ${countShort(held)} held` : ready;
}

function tills(flow, model) {
  const set = model.state.generator?.rate;
  return known(set) ? (set > 0 ? `simulated, ${count(set)}/s` : "simulated, paused") : "real ones";
}

function validation(flow, model) {
  const { rejected_total: rejected } = model.state.outcomes ?? {};
  return known(rejected) ? `${countShort(rejected)} rejected` : "";
}

function broker(flow, model) {
  return model.state.backend === "solace" ? "Solace" : "embedded";
}

function windows(flow) {
  return known(flow.windows?.open) ? `${countShort(flow.windows.open)} open` : "";
}

function aggregates(flow, model) {
  if (model.silentSince() !== undefined) return "does not answer";
  return known(flow.windows?.update) ? plural(flow.windows.update, "revision") : "";
}

function ledger(flow, model) {
  const open = model.state.ledger?.open?.count;
  return known(open) ? `${countShort(open)} not judged yet` : "";
}
