// Breaks an actor or the environment on purpose, and reads the verdicts as they come in.
// Shows its controls only to whoever may use them; to others it says why not.

import { send } from "./api.js";
import { attribute, byId, h, list, text } from "./dom.js";
import { byNumber, count, known, millis, plural } from "./format.js";
import { generatorPart } from "./generator.js";

const ENVIRONMENT = "environment";
const OF_ACTORS = [
  ["panic", "panic: before its next message"],
  ["panic_after", "panic after a message was handled"],
  ["stop", "stop: ends as if told to"],
  ["hang", "hang: waits for ever"],
  ["block", "block: its thread stands still"],
];
const OF_ENVIRONMENT = [
  ["broker_stall", "the broker stalls"],
  ["drop_acks", "acknowledgements are withheld"],
  ["clock", "the clock is wrong"],
  ["disk_full", "the disk is full"],
  ["disk_readonly", "the disk is read-only"],
  ["lose_sale", "a sale is lost in counting"],
  ["double_sale", "a sale is counted twice"],
  ["misprice_sale", "a sale is counted at a wrong price"],
];
const STATES = { pending: "under way", recovered: "recovered", not_fired: "did not take effect", unrecovered: "not recovered" };
/** For the one fault that is a shift and not a time. */
const SHIFT = 60;
const parts = {};

export function startFaults(model) {
  parts.model = model;
}

/** Somebody wants to break this actor: the form is filled in, and shown. */
export function chooseTarget(path) {
  byId("break").scrollIntoView({ block: "start" });
  if (!parts.target) return byId("break-title").focus();
  parts.target.value = path;
  fillKinds();
  return parts.kind.focus({ preventScroll: true });
}

export function updateFaults(model) {
  const why = refusal(model);
  if (parts.shape !== `${model.isAdmin} ${why}`) {
    parts.shape = `${model.isAdmin} ${why}`;
    byId("break-body").replaceChildren(...build(model, why));
  }
  if (parts.target) fillTargets(model);
  if (parts.verdicts) fillVerdicts(model);
}

function refusal(model) {
  if (!model.isAdmin) return `Only an admin may break things or change the load; you are logged in as ${model.user?.user ?? "somebody else"}.`;
  return model.state.process?.faults_enabled === false ? "Faults are switched off here (faults.enabled)." : null;
}

function build(model, why) {
  delete parts.target;
  delete parts.verdicts;
  const note = why ? [h("p", { class: "note-box" }, why)] : [form()];
  if (!model.isAdmin) return note;
  parts.verdicts = h("ol", { class: "verdicts" });
  parts.none = h("p", { class: "hint" });
  return [...note, h("h3", {}, "Verdicts"), parts.none, parts.verdicts, generatorPart()];
}

function form() {
  parts.target = h("select", { id: "fault-target", onchange: fillKinds });
  parts.kind = h("select", { id: "fault-kind", onchange: fillSeconds });
  parts.seconds = h("input", { id: "fault-seconds", type: "number", min: 0.1, max: 300, step: "any", inputmode: "decimal", placeholder: "default" });
  parts.problem = h("p", { class: "problem", role: "status" });
  const fields = [["What", parts.target], ["How", parts.kind], ["Seconds", parts.seconds]];
  const labels = fields.map(([name, control]) => h("label", { class: name === "Seconds" ? "few" : "grow" }, h("span", {}, name), control));
  return h("form", { class: "fault-form", onsubmit: submit }, labels, h("button", { type: "submit", class: "danger" }, "Break it"), parts.problem);
}

function fillTargets(model) {
  const paths = Object.keys(model.state.actors ?? {}).filter((path) => !path.endsWith(".*")).sort(byNumber);
  const wanted = [ENVIRONMENT, ...paths];
  if (parts.target.dataset.paths === wanted.join()) return;
  const chosen = parts.target.value || paths.find((path) => path.includes("STORE_")) || ENVIRONMENT;
  parts.target.dataset.paths = wanted.join();
  parts.target.replaceChildren(...wanted.map((path) => h("option", { value: path }, path === ENVIRONMENT ? "the environment" : path)));
  parts.target.value = wanted.includes(chosen) ? chosen : ENVIRONMENT;
  fillKinds();
}

function fillKinds() {
  const kinds = parts.target.value === ENVIRONMENT ? OF_ENVIRONMENT : OF_ACTORS;
  const chosen = parts.kind.value;
  parts.kind.replaceChildren(...kinds.map(([kind, words]) => h("option", { value: kind }, words)));
  if (kinds.some(([kind]) => kind === chosen)) parts.kind.value = chosen;
  fillSeconds();
}

function fillSeconds() {
  const kind = parts.kind.value;
  attribute(parts.seconds, "disabled", ["panic", "stop", "hang"].includes(kind));
  attribute(parts.seconds, "min", kind === "clock" ? -86_400 : 0.1);
  attribute(parts.seconds, "max", kind === "clock" ? 86_400 : 300);
  attribute(parts.seconds, "placeholder", kind === "clock" ? `${SHIFT} ahead` : "default");
}

async function submit(event) {
  event.preventDefault();
  const kind = parts.kind.value;
  const typed = parts.seconds.disabled || parts.seconds.value === "" ? (kind === "clock" ? SHIFT : undefined) : Number(parts.seconds.value);
  const target = parts.target.value;
  const path = target === ENVIRONMENT ? "api/v1/faults/environment" : `api/v1/actors/${encodeURIComponent(target)}/fault`;
  const [button] = event.target.querySelectorAll("button");
  button.disabled = true;
  text(parts.problem, "");
  try {
    // Its verdict comes in through the stream.
    await send("POST", path, typed === undefined ? { kind } : { kind, seconds: typed }, { Prefer: "respond-async" });
  } catch (error) {
    text(parts.problem, error.message);
  } finally {
    button.disabled = false;
  }
}

function fillVerdicts(model) {
  const faults = Object.entries(model.state.faults ?? {}).sort(([one], [other]) => other - one).slice(0, 8);
  text(parts.none, faults.length > 0 ? "" : "Nothing has been broken yet.");
  list(parts.verdicts, faults, ([id]) => id, newVerdict, fillVerdict);
}

function newVerdict([id, { target, kind }]) {
  return h("li", { "data-fault": id }, h("span", { class: "state" }), h("strong", {}, kind.replaceAll("_", " ")), ` on ${target}`, h("p", { class: "hint" }));
}

function fillVerdict(node, [, { state, verdict }]) {
  attribute(node, "data-state", isBad(state, verdict) ? "bad" : state);
  text(node.children[0], STATES[state] ?? state);
  text(node.children[2], verdict ? verdictWords(verdict) : "waiting for the verdict");
}

function isBad(state, verdict) {
  return state === "unrecovered" || verdict?.lost?.count > 0 || verdict?.double?.count > 0;
}

function verdictWords(verdict) {
  const { detection_ms: detection, restart_ms: restart, generation_before: before, generation_after: after, replayed, lost, double, open, disturbed } = verdict;
  const words = [
    known(detection) && `noticed in ${millis(detection)}`,
    known(restart) && `back in ${millis(restart)}`,
    known(after) && `generation ${count(before)} → ${count(after)}`,
    known(replayed) && `${plural(replayed, "sale")} told again`,
    known(lost) && known(double) && balance(lost, double),
    open?.count > 0 && `${plural(open.count, "sale")} not judged yet`,
    disturbed?.length > 0 && `also disturbed: ${disturbed.map((other) => other.path ?? other).join(", ")}`,
  ];
  return words.filter(Boolean).join(" · ");
}

function balance(lost, double) {
  if (lost.count === 0 && double.count === 0) return "nothing lost, nothing double";
  return `${plural(lost.count, "sale")} lost, ${plural(double.count, "sale")} double`;
}
