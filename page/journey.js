// The way of one sale by its id: each step with its time, in words, and how the service knows of it.
// Asks again while the sale's window may still change; remembers nothing itself.

import { read } from "./api.js";
import { byId, h, text } from "./dom.js";
import { count, date, money, plural, span, time, timePrecise } from "./format.js";

const AGAIN = 2_000;
const STATES = {
  accepted: "At the broker; more cannot be said at the moment",
  in_open_window: "Its window still takes sales and need not have counted it yet",
  in_window: "Counted in its window, which still takes sales",
  in_final_window: "Counted, for good",
  late: "Counted as late of its window",
  payment_failed: "The payment failed: recorded, no turnover",
  rejected: "Refused: its id belongs to another sale",
};
const LASTING = ["in_final_window", "late", "payment_failed", "rejected"];

/** The name of each step, and what it says in a sentence. */
const STEPS = {
  received: ["Received from the till", (step) => `the till's clock said ${timePrecise(Date.parse(step.till_timestamp))}`],
  corrected: ["Corrected", (step) => `${words(step.field)}: the till sent ${money(step.sent)}, ${money(step.recorded)} holds`],
  published: ["On disk at the broker", published],
  window: ["Its window", (step) => `${time(Date.parse(step.window_start))} – ${time(Date.parse(step.window_end))}${step.told ? `, ${told(step.told)}` : ", not told yet"}`],
  aggregate: ["Told as turnover", (step) => `${{ first: "for the first time", update: "revised", final: "for the last time" }[step.kind] ?? step.kind}, ${told(step.told)}`],
  late: ["Late", () => "its window was final when it came; it counts as late of that window"],
  payment_failed: ["Payment failed", () => "recorded, and no turnover"],
  rejected: ["A second sale of this id was refused", (step) => `${money(step.amount)} in ${step.store_id}: ${step.detail}${step.times > 1 ? `; the last of ${count(step.times)}` : ""}`],
};
const SOURCES = {
  event_time: "its time and the length of windows",
  counts: "the numbers of sales told and delivered",
  ledger_balance: "the books, which balance",
};
let asked = 0;
let isDrawn = false;

export function startJourney() {
  byId("journey-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const id = byId("journey-id").value.trim();
    if (id) follow(id);
  });
  window.addEventListener("hashchange", fromAddress);
}

/** A sale can be sent to a colleague as a link. */
function fromAddress() {
  const id = /^#sale=([\w-]{1,64})$/.exec(location.hash)?.[1];
  if (!id) return;
  byId("journey-id").value = id;
  follow(id);
}

/** Until nothing about it can change any more, or another one is asked for. */
async function follow(id) {
  asked += 1;
  const number = asked;
  const place = byId("journey-answer");
  place.replaceChildren(h("p", { class: "hint" }, "Looking for it …"));
  for (let before = ""; ;) {
    const journey = await read(`api/v1/transactions/${encodeURIComponent(id)}/journey`).catch((error) => ({ error }));
    if (number !== asked) return;
    if (journey.error) return place.replaceChildren(h("p", { class: "problem" }, journey.error.message));
    // What did not change is not drawn, and not read out, again.
    if (JSON.stringify(journey) !== before) place.replaceChildren(...drawing(journey));
    if (before === "" && location.hash.startsWith("#sale=")) byId("journey").scrollIntoView();
    before = JSON.stringify(journey);
    if (LASTING.includes(journey.state)) return;
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}

function drawing({ steps, state, store_id: store, amount }) {
  const first = Date.parse(steps[0]?.at);
  return [
    h("p", { class: "equation", "data-state": state }, h("strong", {}, STATES[state] ?? words(state)), `. ${money(amount)} in ${store}.`),
    h("ol", { class: "steps" }, steps.map((step) => drawStep(step, first))),
  ];
}

function drawStep(step, first) {
  const [name, sentence] = STEPS[step.step] ?? [words(step.step), () => ""];
  const at = Date.parse(step.at);
  const known = step.evidence === "observed" ? `Said by a message of ${step.source}` : `Follows from ${SOURCES[step.source] ?? step.source}`;
  return h("li", { "data-step": step.step, class: step.evidence },
    h("strong", {}, name), Number.isNaN(at) ? "" : h("time", { datetime: step.at }, moment(at, first)),
    h("p", {}, sentence(step)), h("p", { class: "hint" }, `${known}${step.trace_id ? `, trace ${step.trace_id}` : ""}`));
}

function moment(at, first) {
  if (at === first || Number.isNaN(first)) return date(at);
  const later = at - first;
  return `${timePrecise(at)}, ${later < 10_000 ? `${count(later)} ms` : span(later)} later`;
}

/** Every till hears 200 once its message is on disk; what was accepted is a sale only where it was paid. */
function published(step) {
  if (step.topic_kind === "failed") return `the till heard “payment failed, recorded”; ${step.queue} brings it`;
  return `the till heard “accepted”; ${delivered(step)}`;
}

function delivered({ deliveries, queue }) {
  if (deliveries === 1) return `${queue} brought it once`;
  return deliveries > 1 ? `${queue} brought it ${count(deliveries)} times, it counts once` : `${queue} brings it`;
}

function told({ total_amount: total, transaction_count: sales, final }) {
  return `${money(total)} with ${plural(sales, "sale")}, ${final ? "final" : "may still grow"}`;
}

function words(name) {
  return String(name).replaceAll("_", " ");
}

/** A link is followed once the page has its size: before, there is no place to scroll to. */
export function updateJourney(model) {
  if (!isDrawn) fromAddress();
  isDrawn = true;
  if (!model.has("reporting")) text(byId("journey-answer"), "Role reporting, which remembers the way of sales, runs elsewhere.");
}
