// Tells a screen reader what changed for better or worse, and nothing else: figures change all the time.
// One sentence at a time, and never one that was said a moment ago.

import { byId, text } from "./dom.js";
import { shortName } from "./headline.js";

const QUIET_FOR = 3_000;
let before = null;
let waiting = [];
let spokenAt = 0;

export function updateNews(model) {
  const now = picture(model);
  if (before !== null) waiting.push(...differences(before, now));
  before = now;
  // A flood is not read out: the newest matters.
  waiting = waiting.slice(-3);
  if (waiting.length === 0 || Date.now() - spokenAt < QUIET_FOR) return;
  spokenAt = Date.now();
  text(byId("news"), `${waiting.join(". ")}.`);
  waiting = [];
}

export function say(sentence) {
  waiting.push(sentence);
}

function picture(model) {
  return {
    troubled: new Map(model.troubled().map(({ path, actor }) => [path, actor.generation])),
    degraded: new Set(model.degraded().map(({ name }) => name)),
    balanced: model.state.ledger?.balanced,
  };
}

function differences(old, now) {
  const failed = [...now.troubled.keys()].filter((path) => !old.troubled.has(path)).map((path) => `${shortName(path)} failed`);
  const back = [...old.troubled.keys()].filter((path) => !now.troubled.has(path)).map((path) => `${shortName(path)} runs again`);
  const worse = [...now.degraded].filter((name) => !old.degraded.has(name)).map((name) => `${name} is degraded`);
  const better = [...old.degraded].filter((name) => !now.degraded.has(name)).map((name) => `${name} is well again`);
  const books = old.balanced === now.balanced || now.balanced === undefined ? [] : [now.balanced ? "the books agree again" : "the books do not agree"];
  return [...failed, ...back, ...worse, ...better, ...books];
}
