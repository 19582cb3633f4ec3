// States that a healthy service does not show on demand, each as a function of the time now, and of the time when the service began where one must stay in place.
// Built on the calm one; what they have in common is in the fixture.
"use strict";

const { calm, time, windowStart } = require("./fixture.js");

/** Books off, an actor down, a leg degraded, holes in a store's sales, revisions and late sales. */
function troubled(now, began) {
  const holes = [6, 7, 8, 15].map((back) => windowStart(began, back));
  const state = calm(now, { options: (number) => ({ 2: { off: 12.34 }, 4: { holes } })[number] ?? {} });
  state.ledger = { ...state.ledger, balanced: false, stores_off: 1, imbalance: { count: 1, amount: "12.34" } };
  state.process.degraded = { publish: { since: time(now - 12_000), why: "the broker is stalled" } };
  Object.assign(state.actors["root.session.publisher"], { state: "restarting", generation: 4, restarts: 3, mailbox: 118, since: time(now - 12_000), last_failure: "panicked: index out of bounds: the length is 3 but the index is 7 <b>&amp;</b>" });
  state.faults = {
    2: { target: "root.session.publisher", kind: "block", state: "pending" },
    1: { target: "root.pipeline.windows.STORE_3", kind: "panic", state: "recovered", verdict: { detection_ms: 0.199, restart_ms: 0.483, generation_before: 1, generation_after: 2, replayed: 76, duplicates: 0, lost: { count: 0, cents: 0 }, double: { count: 0, cents: 0 }, open: { count: 680, cents: 1_350_418 }, disturbed: [] } },
  };
  return state;
}

/** Reporting has not answered for a while: its last word stands, and how fast sales come is nobody's guess. */
function silent(now) {
  const state = calm(now);
  const { sales_per_second: speed, ...company } = state.company;
  const since = now - 25_000;
  const told = ([start]) => Date.parse(start) + 10_000 <= since;
  Object.assign(company, { filling: {}, windows: Object.fromEntries(Object.entries(company.windows).filter(told)) });
  return { ...state, company, flow: { ...state.flow, ledger: {} }, reporting: { answers: false, since: time(since) } };
}

/** More stores than anybody could draw, or remember many windows of. */
const many = (now) => calm(now, { stores: 10_000, length: 12 });

/** Aggregation and the tills run in other processes, whose figures are nobody's here. */
function elsewhere(now) {
  const { generator, ...state } = calm(now);
  const isHere = ([path]) => !path.startsWith("root.pipeline") && !path.startsWith("root.pos");
  const { windows, tills, ...flow } = state.flow;
  const { late, duplicates, ...outcomes } = state.outcomes;
  return { ...state, roles: ["validation", "reporting"], backend: "solace", flow, outcomes, actors: Object.fromEntries(Object.entries(state.actors).filter(isHere)) };
}

/** A service that was started a moment ago. */
function fresh(now) {
  const state = calm(now);
  const { sales_per_second: speed, ...company } = { ...state.company, accepted: "0.00", accepted_count: 0, last_minute: "0.00", last_minute_count: 0, windows: {}, filling: {}, windows_since: undefined };
  const { rates, ...rest } = state;
  return { ...rest, company, stores: {}, stores_total: 0, flow: {}, outcomes: { accepted: 0, corrected: 0, payment_failed: 0, rejected: {}, rejected_total: 0, late: 0, duplicates: 0 } };
}

module.exports = { calm, troubled, silent, many, elsewhere, fresh };
