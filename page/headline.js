// The first thing that is read: one sentence on how it is, and the figures of the whole company.
// Detail is for the sections below.

import { attribute, byId, h, list, text } from "./dom.js";
import { count, money, plural, rate, span, time } from "./format.js";

export function updateHeadline(model) {
  text(byId("headline"), sentence(model));
  text(byId("subline"), second(model));
  list(byId("kpis"), tiles(model), ({ name }) => name, newTile, fillTile);
}

function sentence(model) {
  const down = model.troubled().filter(({ health }) => health === "trouble");
  const { ledger, process } = model.state;
  if (ledger?.balanced === false) return `The books of ${plural(ledger.stores_off, "store")} do not agree`;
  if (process?.ready === false) return "The service is not ready";
  if (down.length > 0) return down.length === 1 ? `${shortName(down[0].path)} is down and being restarted` : `${count(down.length)} actors are down and being restarted`;
  if (model.degraded().length > 0) return "Something is degraded";
  if (model.silentSince() !== undefined) return "The sums of sales are not renewed";
  return selling(model);
}

function selling(model) {
  const { stores_total: stores, company } = model.state;
  if (company === undefined) return "Everything runs here";
  const speed = company.sales_per_second;
  if (speed === undefined) return stores > 0 ? `${plural(stores, "store")} known` : "Waiting for the first sale";
  if (speed === 0) return "No sales at the moment";
  const who = `Sales of ${plural(stores, "store")} so far`;
  return model.state.ledger?.balanced ? `${who}, and every sale counts once` : who;
}

function second(model) {
  const troubles = model.degraded();
  if (troubles.length > 0) return troubles.map((trouble) => degradedWords(trouble, model.now)).join(" · ");
  const back = model.troubled().filter(({ health }) => health === "back");
  if (back.length > 0) return `${back.map(({ path, actor }) => `${shortName(path)} failed and is back as generation ${actor.generation}`).slice(0, 3).join(" · ")}.`;
  if (model.silentSince() !== undefined) return `Reporting, which knows them, does not answer since ${time(model.silentSince())}.`;
  const actors = `All ${plural(model.actorCount(), "actor")} of this process run`;
  return model.state.ledger?.balanced ? `${actors}, and two independent counts agree to the cent.` : `${actors}.`;
}

/** `publish: the broker is stalled, for 12 s`. */
export function degradedWords({ name, why, since }, now) {
  const words = why && why !== name ? `${name}: ${why}` : name;
  return since === undefined ? words : `${words}, for ${span(now - since)}`;
}

export function shortName(path) {
  return path === "root" ? path : path.split(".").slice(-2).join(".").replace(/^root\.|^windows\.(?=STORE)/, "");
}

function tiles(model) {
  const { company, ledger, process } = model.state;
  const standing = company === undefined || model.silentSince() === undefined ? null : `as of ${time(model.silentSince())}`;
  const instead = model.has("reporting") ? standing : "role reporting runs elsewhere";
  const degraded = model.degraded();
  const down = model.troubled().filter(({ health }) => health === "trouble").length;
  return [
    { name: "Sold in total", figure: money(company?.accepted), note: instead ?? plural(company?.accepted_count, "sale"), lead: true },
    { name: "Last minute", figure: money(company?.last_minute), note: instead ?? plural(company?.last_minute_count, "sale") },
    { name: "Sales per second", figure: rate(company?.sales_per_second), note: instead ?? `in ${plural(model.state.stores_total, "store")}` },
    booksTile(ledger, instead),
    { name: "Health", figure: down > 0 ? `${count(down)} down` : degraded.length > 0 ? "Degraded" : process?.ready === false ? "Not ready" : "Well",
      note: down + degraded.length > 0 ? "see actors below" : `${plural(model.actorCount(), "actor")} running`, bad: down > 0 || degraded.length > 0 || process?.ready === false },
  ];
}

function booksTile(ledger, instead) {
  if (ledger === undefined) return { name: "Books", figure: "–", note: instead ?? "not known yet" };
  if (ledger.balanced) return { name: "Books", figure: "Agree", note: instead ?? `${plural(ledger.open?.count ?? 0, "sale")} not judged yet` };
  return { name: "Books", figure: `${money(ledger.imbalance?.amount)} off`, note: `in ${plural(ledger.stores_off, "store")}`, bad: true };
}

function newTile() {
  return h("div", { class: "tile" }, h("dt"), h("dd", { class: "figure" }), h("dd", { class: "note" }));
}

function fillTile(node, { name, figure, note, lead = false, bad = false }) {
  const [title, value, below] = node.children;
  text(title, name);
  text(value, figure);
  text(below, note);
  attribute(node, "class", `tile${lead ? " lead" : ""}${bad ? " bad" : ""}`);
}
