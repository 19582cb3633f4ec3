// Starts the page: opens the stream, and draws what it says, once per frame at most.
// Each part of the page draws itself; what they share is the model.

import { updateActors, startActors } from "./actors.js";
import { address } from "./api.js";
import { updateBooks } from "./books.js";
import { attribute, byId, text } from "./dom.js";
import { chooseTarget, startFaults, updateFaults } from "./faults.js";
import { updateFlow } from "./flow.js";
import { date, plural, span, time, useCurrency } from "./format.js";
import { updateGenerator } from "./generator.js";
import { updateHeadline } from "./headline.js";
import { startJourney, updateJourney } from "./journey.js";
import { Model } from "./model.js";
import { say, updateNews } from "./news.js";
import { updateOutcomes } from "./outcomes.js";
import { openStore, startStore, updateStore } from "./store.js";
import { startStores, updateStores } from "./stores.js";
import { Stream } from "./stream.js";
import { startTheme } from "./theme.js";
import { updateTurnover } from "./turnover.js";

/** Figures that come so much later than the service has said are old; a network may take its time. */
const GRACE = 3_000;
/** What a service that has said nothing yet is given. */
const FIRST_WITHIN_SECONDS = 3;
const PARTS = [updateHeadline, updateTurnover, updateStores, updateFlow, updateOutcomes, updateActors, updateBooks, updateStore,
  updateFaults, updateGenerator, updateJourney, updateNews];
const model = new Model();
let lost = { since: Date.now(), why: null };
/** When figures came last, or the connection did; null without one. By a clock that nobody sets. */
let heard = null;
let planned = false;

function plan() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(draw);
}

function draw() {
  planned = false;
  drawLink();
  // What time it is changes nothing about figures that stand still.
  if (model.state === null || isOverdue()) return;
  useCurrency(model.state.currency);
  for (const part of PARTS) part(model);
  const { version, process, roles = [], backend } = model.state;
  text(byId("foot"), `tillstream ${version} · ${roles.join(", ")} · broker ${backend} · process started ${date(Date.parse(process.started))} · `
    + `${plural(process.pages, "page")} open · times are the service's, shown in your time zone`);
}

/** A connection alone proves nothing: whoever paints the figures may be silent while it stands. */
function isOverdue() {
  const within = 1_000 * (model.state?.next_within_seconds ?? FIRST_WITHIN_SECONDS) + GRACE;
  return heard !== null && performance.now() - heard > within;
}

function linkState() {
  if (isOverdue()) return "old";
  if (lost === null) return "live";
  return lost.why === null ? "connecting" : "lost";
}

/** Whether what is shown is true now; nobody may take old figures for new ones. */
function drawLink() {
  const state = linkState();
  const isOld = state === "lost" || state === "old";
  attribute(byId("link"), "data-state", state);
  text(byId("link-text"), { live: `Live, ${model.user?.user ?? ""}`, connecting: "Connecting", lost: "Connection lost", old: "Figures are old" }[state]);
  attribute(byId("main"), "data-stale", String(isOld && model.state !== null));
  attribute(byId("banner"), "hidden", !isOld);
  if (!isOld) return;
  const old = model.state === null ? "" : ` What you see is from ${time(Date.parse(model.state.at))} and not renewed.`;
  text(byId("banner"), state === "old"
    ? `The connection stands, but no new figures come.${old} The page goes on by itself when some do.`
    : `Connection lost: ${lost.why}.${old} Trying again by itself.`);
}

const stream = new Stream(address("api/v1/events"), {
  event(name, data) {
    if (!model.take(name, JSON.parse(data))) return false;
    if (name !== "hello") heard = performance.now();
    if (model.state !== null && name !== "hello") lost = null;
    plan();
    return true;
  },
  open() {
    heard = performance.now();
    if (lost?.why) say(`Connected again after ${span(Date.now() - lost.since)}`);
    // Figures are renewed by the first event, not by the connection alone.
  },
  lost(why) {
    heard = null;
    lost = { since: lost?.since ?? Date.now(), why };
    plan();
  },
});

startTheme();
startActors(chooseTarget);
startStores(openStore);
startStore();
startFaults(model);
startJourney();
// Windows fill by the clock too, not by events alone; and figures grow old by it.
setInterval(() => document.visibilityState === "visible" && heard !== null && plan(), 1_000);
stream.run();
