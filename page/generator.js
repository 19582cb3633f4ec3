// The rate of the simulated tills, for whoever may change it.
// Is a part of the section that breaks things; says why where it cannot be changed.

import { send } from "./api.js";
import { attribute, h, text } from "./dom.js";
import { count, known } from "./format.js";

const STEPS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];
const parts = {};

export function generatorPart() {
  parts.slider = h("input", { type: "range", id: "rate", min: 0, max: STEPS.length - 1, step: 1, oninput: showWanted, onchange: order });
  parts.value = h("output", { for: "rate", class: "figure" });
  parts.note = h("p", { class: "hint", role: "status" });
  const label = h("label", { for: "rate" }, "Sales per second of the simulated tills");
  return h("div", { class: "generator" }, h("h3", {}, "Load"), label, h("div", { class: "row" }, parts.slider, parts.value), parts.note);
}

function showWanted() {
  parts.busy = true;
  text(parts.value, `${count(STEPS[parts.slider.value])}/s`);
  attribute(parts.slider, "aria-valuetext", `${STEPS[parts.slider.value]} sales per second`);
}

async function order() {
  const rate = STEPS[parts.slider.value];
  try {
    await send("PUT", "api/v1/generator", { rate });
    text(parts.note, rate === 0 ? "Paused; what is rung up already is still posted." : `Set to ${count(rate)} a second.`);
  } catch (error) {
    text(parts.note, error.message);
  } finally {
    parts.busy = false;
  }
}

export function updateGenerator(model) {
  if (!parts.slider) return;
  const rate = model.state.generator?.rate;
  const why = known(rate) ? null : "Role pos, the simulated tills, runs elsewhere.";
  attribute(parts.slider, "disabled", why !== null);
  if (why) text(parts.note, why);
  if (parts.busy || why) return;
  parts.slider.value = STEPS.reduce((best, step, index) => (Math.abs(step - rate) < Math.abs(STEPS[best] - rate) ? index : best), 0);
  text(parts.value, `${count(rate)}/s`);
  attribute(parts.slider, "aria-valuetext", `${rate} sales per second`);
}
