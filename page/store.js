// One store from near: its windows as bars and as a table, its figures, its equation.
// Reads what the stream does not carry, again every few seconds while it is open.

import { read } from "./api.js";
import { WindowChart } from "./chart.js";
import { attribute, byId, cell, h, list, text } from "./dom.js";
import { cents, count, currencyCode, money, plural, time } from "./format.js";

const WINDOWS = 30;
const AGAIN = 3_000;
let shown = null;

export function startStore() {
  window.addEventListener("hashchange", follow);
  byId("store").addEventListener("close", () => {
    if (location.hash.startsWith("#store=")) history.replaceState(null, "", location.pathname + location.search);
    shown = null;
  });
  // A click beside the panel closes it.
  byId("store").addEventListener("click", (event) => event.target === byId("store") && byId("store").close());
  follow();
}

/** The store is in the address, so that it can be sent to a colleague. */
export function openStore(name) {
  location.hash = `store=${name}`;
}

function follow() {
  const name = /^#store=(STORE_\d+)$/.exec(location.hash)?.[1];
  if (!name) return;
  shown = panel(name);
  byId("store").replaceChildren(...shown.parts);
  if (!byId("store").open) byId("store").showModal();
  readAgain(shown);
}

function panel(name) {
  const chart = new WindowChart({ label: `Turnover of ${name}`, unit: `${currencyCode()} per window` });
  const facts = h("dl", { class: "facts" });
  const equation = h("p", { class: "equation" });
  const rows = h("tbody");
  const problem = h("p", { class: "problem", role: "status" });
  const close = h("button", { type: "button", class: "quiet", onclick: () => byId("store").close() }, "Close");
  const heads = ["Window", "Turnover", "Sales", "Late", "State", "Told at"].map((word) => h("th", { scope: "col" }, word));
  const table = h("div", { class: "scroll", hidden: true, tabindex: "0", role: "region", "aria-label": "Its last windows" },
    h("table", {}, h("caption", {}, "Its last windows, as /api/v1/pos/turnover tells them"), h("thead", {}, h("tr", {}, heads)), rows));
  const title = h("div", { class: "title-row" }, h("h2", { id: "store-title" }, name.replace("STORE_", "Store ")), close);
  return { name, chart, facts, equation, rows, table, problem, parts: [title, facts, equation, problem, chart.element, table] };
}

async function readAgain(mine) {
  while (shown === mine) {
    try {
      const [windows, stores] = await Promise.all([
        read(`api/v1/pos/turnover?store_id=${mine.name}&limit=${WINDOWS}`), read(`api/v1/stores?search=${mine.name}&limit=100`)]);
      mine.store = stores.stores.find(({ store_id: id }) => id === mine.name);
      text(mine.problem, windows.length + (mine.store ? 1 : 0) === 0 ? "This store has not sold anything." : "");
      attribute(mine.table, "hidden", windows.length === 0);
      list(mine.rows, windows, ({ window_start: start }) => start, newRow, fillRow);
    } catch (error) {
      text(mine.problem, error.message);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}

function newRow() {
  return h("tr", {}, cell("Window", "", "th"), cell("Turnover"), cell("Sales"), cell("Late"), cell("State"), cell("Told at"));
}

function fillRow(row, window) {
  const late = window.late_count > 0 ? `${money(window.late_amount)} (${count(window.late_count)})` : "0";
  const words = [`${time(Date.parse(window.window_start))} – ${time(Date.parse(window.window_end))}`, money(window.total_amount),
    count(window.transaction_count), late, window.final ? "final" : "not final", time(Date.parse(window.end_stream_aggregator))];
  words.forEach((word, index) => text(row.children[index], word));
  attribute(row, "class", window.final ? null : "open");
}

export function updateStore(model) {
  if (!shown) return;
  const store = model.state.stores?.[shown.name] ?? shown.store;
  if (!store) return;
  shown.chart.update(model.slots(store, window.innerWidth < 600 ? 18 : WINDOWS, shown.name), model.now);
  list(shown.facts, facts(store), ([name]) => name, () => h("div", {}, h("dt"), h("dd")), (node, [name, value]) => {
    text(node.firstChild, name);
    text(node.lastChild, value);
  });
  fillEquation(shown.equation, store.ledger);
}

function facts(store) {
  return [
    ["Sold in total", money(store.accepted)],
    ["Sales", count(store.accepted_count)],
    ["Last minute", `${money(store.last_minute)}, ${plural(store.last_minute_count, "sale")}`],
    ["In told windows", money(store.turnover)],
    ["Late", `${money(store.late)}, ${plural(store.late_count, "sale")}`],
    ["Failed payments", count(store.failed)],
  ];
}

function fillEquation(node, ledger) {
  if (!ledger) return text(node, "");
  const off = ledger.imbalance.count !== 0 || cents(ledger.imbalance.amount) !== 0n;
  attribute(node, "class", `equation${off ? " bad" : ""}`);
  const parts = [ledger.accepted, ledger.in_windows, ledger.late, ledger.rejected].map(({ amount }) => money(amount));
  text(node, `Books of final windows: ${parts[0]} accepted = ${parts[1]} in windows + ${parts[2]} late + ${parts[3]} rejected`
    + (off ? `; ${money(ledger.imbalance.amount)} and ${plural(ledger.imbalance.count, "sale")} off` : ""));
}

