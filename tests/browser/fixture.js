// A service that only pretends, for what a real one does not show on demand: books that are off, gaps, thousands of stores, roles elsewhere.
// Serves the page's own files and a stream in the shape of the real one; counts nothing.
"use strict";

const { createServer } = require("node:http");
const { readFileSync } = require("node:fs");
const { extname, join } = require("node:path");

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const SECONDS = 10;
/** Of the sale whose payment failed; every other id is of one that is in a window. */
const FAILED = "00000000-5717-4562-b3fc-2c963f66afa6";

/**
 * Starts it on a free port; `state(now, began)` is the whole model, told anew four times a second; null: a sign of life and no
 * figures.
 */
async function pretend({ folder, state: stateOf, role = "admin", port = 0 }) {
  const began = Date.now();
  const state = () => stateOf(Date.now(), began);
  const server = createServer((request, answer) => handle({ folder, state, role }, request, answer));
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const stop = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { address: `http://127.0.0.1:${server.address().port}`, stop };
}

function handle(given, request, answer) {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/api/v1/events") return tell(given, answer);
  if (pathname === "/api/v1/stores") return json(answer, found(given.state(), request.url));
  if (pathname.startsWith("/api/v1/transactions/")) return json(answer, pathname.includes(FAILED) ? failedPayment(Date.now()) : journey(Date.now()));
  if (pathname === "/api/v1/pos/turnover") return json(answer, []);
  const file = pathname === "/" ? "index.html" : pathname.replace(/^\/page\//, "");
  return serve(join(given.folder, file), answer);
}

function serve(path, answer) {
  try {
    const body = readFileSync(path);
    answer.writeHead(200, { "content-type": TYPES[extname(path)], "content-security-policy": POLICY }).end(body);
  } catch {
    answer.writeHead(404).end();
  }
}

function json(answer, body) {
  answer.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** A sale that was corrected and is in a window that was told once. */
function journey(now) {
  const at = (ago) => new Date(now - ago).toISOString();
  const queue = "sale_pos_transaction_ledger.q";
  const told = { event_id: "ef63962d-868b-5d65-88a0-fa92e2dba615", transaction_count: 25, total_amount: "529.42", final: false };
  return {
    transaction_id: "3fa85f64-5717-4562-b3fc-2c963f66afa6", store_id: "STORE_1", amount: "2.58", currency: "EUR", state: "in_window",
    steps: [
      { step: "received", till_timestamp: at(9_100), accepted_at: at(9_000), trace_id: null, at: at(9_000), evidence: "observed", source: queue },
      { step: "corrected", field: "total_amount", sent: "3.58", recorded: "2.58", at: at(9_000), evidence: "observed", source: queue },
      { step: "published", topic_kind: "receipt", topic: "sale/pos/transaction/receipt/STORE_1/-", queue, deliveries: 2, at: at(8_994), evidence: "observed", source: queue },
      { step: "window", window_start: at(15_000), window_end: at(5_000), told, at: at(3_900), evidence: "inferred", source: "counts" },
      { step: "aggregate", kind: "first", told, at: at(3_900), evidence: "observed", source: "sale_pos_transaction_reporting.q" },
    ],
  };
}

function failedPayment(now) {
  const queue = "sale_pos_transaction_reporting.q";
  const [received] = journey(now).steps;
  const rest = { at: new Date(now - 8_000).toISOString(), evidence: "observed", source: queue };
  const published = { step: "published", topic_kind: "failed", topic: "sale/pos/transaction/failed/STORE_1/-", queue, deliveries: 0, ...rest };
  return { ...journey(now), transaction_id: FAILED, state: "payment_failed", steps: [received, published, { step: "payment_failed", ...rest }] };
}

function found({ stores, stores_total: total }, url) {
  const search = new URL(url, "http://localhost").searchParams.get("search") ?? "";
  const matching = Object.entries(stores).filter(([name]) => name.includes(search.toUpperCase()));
  return { total, matching: matching.length, stores: matching.slice(0, 10).map(([store_id, store]) => ({ store_id, ...store })) };
}

function tell({ state, role }, answer) {
  answer.writeHead(200, { "content-type": "text/event-stream" });
  event(answer, "hello", { user: role, role, heartbeat_seconds: 10 });
  let number = 0;
  const paint = () => {
    const model = state();
    if (model === null) return answer.write(": beat\n\n");
    number += 1;
    return event(answer, number === 1 ? "snapshot" : "change", model, `a-${number}`);
  };
  paint();
  const timer = setInterval(paint, 250);
  answer.on("close", () => clearInterval(timer));
}

function event(answer, name, data, id) {
  answer.write(`${id ? `id: ${id}\n` : ""}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}

const time = (milliseconds) => new Date(milliseconds).toISOString().replace(".000Z", "Z");
const amount = (value) => value.toFixed(2);

/** The same for the same seed: what looks odd once looks odd again. */
function noise(seed) {
  const x = Math.sin(seed * 12.9898) * 43758.5453;
  return x - Math.floor(x);
}

/** Windows of a store that sells `speed` a second at about `price`; `holes` are the starts of those without a sale. */
function windows(now, seed, { speed = 5, price = 20, holes = [], length = 30 }) {
  const size = SECONDS * 1_000;
  const current = Math.floor(now / size) * size;
  const told = {};
  const filling = {};
  for (let back = 0; back < length; back += 1) {
    const start = current - back * size;
    const share = back === 0 ? (now - start) / size : 1;
    const count = Math.round(speed * SECONDS * (0.7 + 0.6 * noise(start / size + seed)) * share);
    if (holes.includes(start)) continue;
    const entry = { amount: amount(count * price * (0.9 + 0.2 * noise(start / size + seed + 7))), count };
    if (back === 0) filling[time(start)] = entry;
    else told[time(start)] = { ...entry, final: back > 4, revision: back > 4 ? 2 : 1, late: back === 9 && seed % 3 === 0 ? "31.50" : "0.00", late_count: back === 9 && seed % 3 === 0 ? 1 : 0 };
  }
  return { windows: told, filling, windows_since: time(current - (length - 1) * size) };
}

function store(now, number, options) {
  const rows = windows(now, number, options);
  const minute = Object.values(rows.windows).slice(0, 6).reduce((sum, row) => sum + Number(row.amount), 0);
  const side = (count, money) => ({ count, amount: amount(money) });
  const off = options.off ?? 0;
  return {
    ...rows, accepted: amount(minute * 40), accepted_count: 2_345, turnover: amount(minute * 38), turnover_count: 2_200, last_minute: amount(minute), last_minute_count: 300,
    late: "31.50", late_count: 1, failed: 4,
    ledger: { accepted: side(2_100, minute * 38), in_windows: side(2_099, minute * 38 - 31.5 - off), late: side(1, 31.5), rejected: side(0, 0), open: side(245, minute * 2), imbalance: side(off === 0 ? 0 : 1, off) },
  };
}

function actor(kind, started, more = {}) {
  return { kind, state: "running", generation: 1, restarts: 0, mailbox: 0, since: time(started), ...more };
}

/** A service in which all is well; `stores` of them, as the stream would tell it. */
function calm(now, { stores = 10, length = 30, options = () => ({}) } = {}) {
  const started = now - 3_725_000;
  const shown = Math.min(stores, 12);
  const rows = Object.fromEntries(Array.from({ length: shown }, (_, index) => [`STORE_${index + 1}`, store(now, index + 1, { speed: 3 + 4 * noise(index), length, ...options(index + 1) })]));
  const all = windows(now, 99, { speed: 50, price: 20, length });
  for (const row of Object.values(all.windows)) Object.assign(row, { stores, final_stores: row.final ? stores : 0, final: undefined, revision: undefined });
  const minute = Object.values(all.windows).slice(0, 6).reduce((sum, row) => sum + Number(row.amount), 0);
  return {
    at: new Date(now).toISOString(), next_within_seconds: 1, version: "0.1.0", roles: ["validation", "aggregation", "reporting", "pos"], backend: "embedded", currency: "EUR", window_seconds: SECONDS, lateness_seconds: 30,
    process: { started: time(Math.floor(started / 1000) * 1000), ready: true, faults_enabled: true, degraded: {}, pages: 2 },
    company: { ...all, accepted: amount(3_612_345.67), accepted_count: 178_213, turnover: "3600100.12", turnover_count: 177_500, last_minute: amount(minute), last_minute_count: 2_950, sales_per_second: 49.4 },
    outcomes: { accepted: 178_213, corrected: 891, payment_failed: 1_204, rejected: { timestamp_in_future: 12, line_total: 31, store_id: 3 }, rejected_total: 44, late: 17, duplicates: 803 },
    rates: { accepted: 49.4, corrected: 0.3, payment_failed: 0.4, rejected: 0.0, late: 0.0, duplicates: 0.2 },
    flow: {
      tills: { per_second: 50.1 }, validation: { per_second: 49.4, in_flight: 2 }, windows: { open: 41, per_second: 2.1, first: 3_700, update: 214, final: 3_660 }, ledger: { per_second: 49.2 },
      queues: { sale_pos_transaction_aggregation_service: { depth: 2_012, unacknowledged: 2_010 }, "sale_pos_transaction_ledger.q": { depth: 3, unacknowledged: 3 }, "sale_pos_transaction_reporting.q": { depth: 0, unacknowledged: 0 }, "sale_pos_transaction_rejected.q": { depth: 0 } },
      store_queues: { count: 10, depth: 120 },
    },
    stores_total: stores, stores: rows,
    ledger: { balanced: true, stores_off: 0, imbalance: { count: 0, amount: "0.00" }, open: { count: 2_450, amount: "49000.00" }, poison: 0 }, reporting: { answers: true },
    actors: actors(started, stores), faults: {}, generator: { rate: 50 },
  };
}

function actors(started, stores) {
  const paths = {
    root: "supervisor", "root.session": "supervisor", "root.session.publisher": "publisher", "root.session.flow-aggregation": "flow", "root.session.flow-reporting": "flow", "root.session.flow-ledger": "flow",
    "root.validation": "supervisor", "root.validation.validator-1": "validator", "root.validation.validator-2": "validator",
    "root.pipeline": "supervisor", "root.pipeline.outbox": "outbox", "root.pipeline.windows": "supervisor", "root.pipeline.router": "router", "root.pipeline.intake": "intake",
    "root.reporting": "supervisor", "root.reporting.turnover": "turnover", "root.reporting.ledger": "ledger", "root.pos": "supervisor", "root.pos.generator": "generator", "root.users": "users", "root.secrets": "secrets",
  };
  const all = Object.fromEntries(Object.entries(paths).map(([path, kind]) => [path, actor(kind, started)]));
  if (stores > 50) all["root.pipeline.windows.*"] = { kind: "window", state: "running", count: stores, running: stores, generation: 3, restarts: 7, mailbox: 12 };
  else for (let number = 1; number <= stores; number += 1) all[`root.pipeline.windows.STORE_${number}`] = actor("window", started, number === 3 ? { generation: 2, restarts: 1, last_failure: "panicked: asked to panic" } : {});
  return all;
}

/** Start of the window that is so many behind the one of this time. */
const windowStart = (at, back) => (Math.floor(at / (SECONDS * 1_000)) - back) * SECONDS * 1_000;

module.exports = { calm, pretend, time, windowStart, FAILED };
