// The way of one sale by its id: each step with its time, and what was known there.
// Shows what the service remembers, which is bounded; it says so where an id is too old.

import { read } from "./api.js";
import { byId, h, text } from "./dom.js";
import { date, money, span, time, timePrecise } from "./format.js";

const NAMES = {
  received: "Received from the till", corrected: "Corrected", rejected: "Rejected", published: "On disk at the broker, the till was told",
  folded: "Added to its window", in_window: "In its window", window: "In its window", aggregated: "Told as turnover", aggregate: "Told as turnover",
  late: "Late: its window was final", duplicate: "Seen before, not counted again", ledger: "Counted by the ledger", final: "Its window is final",
};

export function startJourney() {
  byId("journey-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const id = byId("journey-id").value.trim();
    if (id) follow(id);
  });
  window.addEventListener("hashchange", fromAddress);
  fromAddress();
}

/** A sale can be sent to a colleague as a link. */
function fromAddress() {
  const id = /^#sale=([\w-]{1,64})$/.exec(location.hash)?.[1];
  if (!id) return;
  byId("journey-id").value = id;
  byId("journey").scrollIntoView();
  follow(id);
}

async function follow(id) {
  const place = byId("journey-answer");
  place.replaceChildren(h("p", { class: "hint" }, "Looking for it …"));
  try {
    place.replaceChildren(...drawing(await read(`api/v1/transactions/${encodeURIComponent(id)}/journey`)));
  } catch (error) {
    place.replaceChildren(h("p", { class: "problem" }, error.status === 404 ? `${error.message}. Sales are remembered for a while only.` : error.message));
  }
}

function drawing({ steps = [], ...facts }) {
  const first = Date.parse(steps[0]?.at);
  return [h("dl", { class: "facts" }, details(facts)), h("ol", { class: "steps" }, steps.map((step) => drawStep(step, first)))];
}

function drawStep({ step, at, ...rest }, first) {
  const moment = Date.parse(at);
  const after = Number.isNaN(moment) ? "" : moment === first ? date(moment) : `${timePrecise(moment)}, ${later(moment - first)}`;
  return h("li", { "data-step": step }, h("strong", {}, NAMES[step] ?? words(step)), h("time", { datetime: at ?? null }, after), h("dl", { class: "facts" }, details(rest)));
}

function later(milliseconds) {
  return milliseconds < 10_000 ? `${milliseconds} ms after` : `${span(milliseconds)} after`;
}

function details(facts) {
  return Object.entries(facts).filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => h("div", {}, h("dt", {}, words(name)), h("dd", {}, said(name, value))));
}

function words(name) {
  return String(name).replaceAll("_", " ");
}

function said(name, value) {
  if (Array.isArray(value)) return value.map((entry) => said(name, entry)).join(", ");
  if (typeof value === "object") return Object.entries(value).map(([key, inner]) => `${words(key)} ${said(key, inner)}`).join(", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (/amount|total/.test(name) && /^-?\d+(\.\d+)?$/.test(value)) return money(value);
  if (/_(at|start|end)$/.test(name) && !Number.isNaN(Date.parse(value))) return time(Date.parse(value));
  return String(value);
}

/** Nothing of it is in the stream; the button waits for nothing else. */
export function updateJourney(model) {
  const note = model.has("reporting") ? "" : "Role reporting, which remembers the way of sales, runs elsewhere.";
  if (note) text(byId("journey-answer"), note);
}
