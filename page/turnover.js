// The windows of all stores together.
// Only draws; a window is final here when it is final in every store.

import { WindowChart } from "./chart.js";
import { byId, text } from "./dom.js";
import { currencyCode } from "./format.js";

let chart;

export function updateTurnover(model) {
  const { company, window_seconds: seconds } = model.state;
  text(byId("turnover-lede"), company === undefined
    ? "Role reporting, which adds the stores up, runs elsewhere."
    : `${currencyCode()} per window of ${seconds} seconds. A window fills while its ${seconds} seconds last, is told when they are over, and is final once no sale for it can be on its way.`);
  if (company === undefined) return;
  if (!chart) {
    chart = new WindowChart({ label: "Turnover of all stores", unit: `${currencyCode()} per ${seconds} s` });
    byId("company-chart").append(chart.element);
  }
  chart.update(model.slots(company, bars()), model.now);
}

function bars() {
  return window.innerWidth < 600 ? 18 : 30;
}
