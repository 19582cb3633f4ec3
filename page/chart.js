// A row of windows as bars: final ones solid, told ones hatched, the filling one outlined, gaps left open and said.
// Knows nothing of stores; the same rows are in a table below for whoever prefers figures.

import { attribute, cell, h, list, svg, text } from "./dom.js";
import { count, currencyCode, height, money, moneyShort, plural, span, time, timeShort } from "./format.js";

const MARGIN = { top: 26, right: 6, bottom: 26, left: 56 };
let charts = 0;

/** One chart; `update` draws, the element stays. */
export class WindowChart {
  constructor({ label, unit = "" }) {
    charts += 1;
    this.id = `chart-${charts}`;
    this.label = label;
    this.unit = unit;
    this.chosen = null;
    this.drawing = svg("svg", { class: "chart", role: "img", tabindex: "0", "aria-label": label, "aria-describedby": `${this.id}-readout` });
    this.readout = h("p", { class: "readout", id: `${this.id}-readout` });
    this.rows = h("tbody");
    this.table = h("details", { class: "as-table", ontoggle: () => this.draw() }, h("summary", {}, "As a table"), this.frame());
    this.element = h("div", { class: "chart-frame" }, this.readout, this.drawing, legend(), this.table);
    this.listen();
  }

  frame() {
    const heads = ["Window", "Amount", "Sales", "Late", "State"].map((name) => h("th", { scope: "col" }, name));
    return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${this.label}, as a table` },
      h("table", {}, h("thead", {}, h("tr", {}, heads)), this.rows));
  }

  listen() {
    this.drawing.addEventListener("pointermove", (event) => this.choose(this.at(event)));
    this.drawing.addEventListener("pointerleave", () => this.choose(null));
    this.drawing.addEventListener("blur", () => this.choose(null));
    this.drawing.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.drawing);
  }

  at(event) {
    const { left } = this.drawing.getBoundingClientRect();
    const index = Math.floor((event.clientX - left - MARGIN.left) / this.step);
    return this.slots?.[Math.min(Math.max(index, 0), this.slots.length - 1)]?.start ?? null;
  }

  key(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (!(event.key in moves) || !this.slots) return;
    event.preventDefault();
    const last = this.slots.length - 1;
    const now = this.slots.findIndex(({ start }) => start === this.chosen);
    const next = (now < 0 ? last : now) + moves[event.key];
    this.choose(this.slots[Math.min(Math.max(next, 0), last)].start);
  }

  choose(start) {
    this.chosen = start;
    this.draw();
  }

  /** `slots` as the model has them, and what time it is there. */
  update(slots, now) {
    this.slots = slots;
    this.now = now;
    this.draw();
  }

  draw() {
    const { clientWidth: wide, clientHeight: tall } = this.drawing;
    if (!this.slots || wide === 0) return;
    this.tall = tall;
    this.step = (wide - MARGIN.left - MARGIN.right) / this.slots.length;
    this.inner = this.tall - MARGIN.top - MARGIN.bottom;
    const ticks = scale(Math.max(...this.slots.map(total)));
    this.top = ticks.at(-1);
    attribute(this.drawing, "viewBox", `0 0 ${wide} ${this.tall}`);
    attribute(this.drawing, "aria-label", this.summary());
    this.drawing.replaceChildren(pattern(this.id), ...this.axis(ticks, wide), ...this.slots.flatMap((slot, index) => this.bar(slot, index)));
    this.tell();
    this.fillTable();
  }

  y(value) {
    return MARGIN.top + this.inner * (1 - value / this.top);
  }

  axis(ticks, wide) {
    const lines = ticks.flatMap((tick) => [
      svg("line", { class: tick === 0 ? "base" : "rule", x1: MARGIN.left, x2: wide - MARGIN.right, y1: this.y(tick), y2: this.y(tick) }),
      svg("text", { class: "tick", x: MARGIN.left - 8, y: this.y(tick) + 4, "text-anchor": "end" }, moneyShort(tick)),
    ]);
    const every = Math.max(1, Math.ceil(74 / this.step));
    const period = niceTime(every * this.slots[0].end - every * this.slots[0].start);
    const times = this.slots.flatMap((slot, index) => (slot.start % period === 0 ? this.timeTick(slot, index, period) : []));
    const units = [
      svg("text", { class: "tick unit", x: 0, y: 12 }, this.unit),
      svg("text", { class: "tick unit", x: MARGIN.left - 8, y: this.tall - 7, "text-anchor": "end" }, "time"),
    ];
    return [...lines, ...times, ...units];
  }

  timeTick({ start }, index, period) {
    const x = MARGIN.left + index * this.step;
    if (x > this.drawing.clientWidth - 24 || x < MARGIN.left + 24) return [];
    return [
      svg("line", { class: "tickmark", x1: x, x2: x, y1: this.tall - MARGIN.bottom, y2: this.tall - MARGIN.bottom + 5 }),
      svg("text", { class: "tick", x, y: this.tall - 7, "text-anchor": "middle" }, period % 60_000 === 0 ? timeShort(start) : time(start)),
    ];
  }

  bar(slot, index) {
    const x = MARGIN.left + index * this.step;
    const gap = Math.min(5, this.step * 0.22);
    const box = { x: x + gap / 2, width: Math.max(1, this.step - gap) };
    const back = slot.start === this.chosen ? [svg("rect", { class: "chosen", x, width: this.step, y: MARGIN.top, height: this.inner })] : [];
    if (slot.state === "unknown") return back;
    if (slot.state === "gap") return [...back, ...this.late(slot, box, 0), ...this.hole(box)];
    return [...back, ...this.column(slot, box)];
  }

  /** No sales: said by a mark on the base line, not by a bar of height nothing. */
  hole({ x, width }) {
    const y = this.y(0) - 3;
    return [svg("line", { class: "hole", x1: x, x2: x + width, y1: y, y2: y })];
  }

  column(slot, box) {
    const told = slot.state === "filling" ? 0 : height(slot.amount);
    const revised = Math.max(0, height(slot.revised));
    const parts = [
      ...this.part(box, 0, told, slot.state === "final" ? "final" : "told", slot.state === "told" && `url(#${this.id}-hatch)`),
      ...(revised > 0 ? this.part(box, told - revised, told, "revised") : []),
      ...(slot.more ? this.part(box, told, told + height(slot.more), "filling") : []),
      ...(slot.state === "filling" ? this.filling(slot, box) : []),
    ];
    return [...parts, ...this.late(slot, box, told)];
  }

  filling(slot, box) {
    const done = Math.min(1, Math.max(0, (this.now - slot.start) / (slot.end - slot.start)));
    return [
      ...this.part(box, 0, height(slot.amount), "filling"),
      svg("rect", { class: "elapsed-back", ...box, y: this.y(0) + 2, height: 3, rx: 1.5 }),
      svg("rect", { class: "elapsed", x: box.x, width: box.width * done, y: this.y(0) + 2, height: 3, rx: 1.5 }),
    ];
  }

  late(slot, box, from) {
    const amount = height(slot.late);
    return amount > 0 ? this.part(box, from, from + amount, "late") : [];
  }

  part({ x, width }, from, to, kind, fill) {
    const tall = this.y(from) - this.y(to);
    if (tall < 0.5) return [];
    return [svg("rect", { class: `bar ${kind}`, x, width, y: this.y(to), height: tall, rx: Math.min(2, tall / 2), fill: fill || null })];
  }

  tell() {
    const slot = this.slots.find(({ start }) => start === this.chosen) ?? this.slots.findLast(({ current }) => current) ?? this.slots.at(-1);
    text(this.readout, `${interval(slot)} · ${sentence(slot, this.now)}`);
  }

  summary() {
    const states = ["final", "told", "gap", "unknown"].map((state) => this.slots.filter((slot) => slot.state === state).length);
    return `${this.label}: ${currencyCode()} per window, ${this.slots.length} windows, ${states[0]} final, ${states[1]} not final yet, ${states[2]} without sales${states[3] > 0 ? `, ${states[3]} not known` : ""}. `
      + "Arrow keys move from window to window; the same figures are in the table below.";
  }

  fillTable() {
    if (!this.table.open) return;
    const rows = this.slots.filter(({ state }) => state !== "unknown").reverse();
    list(this.rows, rows, ({ start }) => start, newRow, fillRow);
  }
}

function newRow() {
  return h("tr", {}, cell("Window", "", "th"), cell("Amount"), cell("Sales"), cell("Late"), cell("State"));
}

function fillRow(row, slot) {
  const late = slot.lateCount > 0 ? `${money(slot.late)} (${count(slot.lateCount)})` : "0";
  const words = [interval(slot), money(slot.amount), count(slot.count), late, stateWords(slot)];
  words.forEach((word, index) => text(row.children[index], word));
}

function total(slot) {
  return height(slot.amount) + height(slot.more) + height(slot.late);
}

function interval({ start, end }) {
  return `${time(start)} – ${time(end)}`;
}

/** Everything about one window. */
export function sentence(slot, now) {
  if (slot.state === "unknown") return "not known to this page";
  if (slot.state === "gap") return "no sales";
  const left = slot.state === "filling" && slot.end > now ? `, ${span(slot.end - now)} left` : "";
  const late = slot.lateCount > 0 ? ` · ${money(slot.late)} came late` : "";
  return `${money(slot.amount)} · ${plural(slot.count, "sale")} · ${stateWords(slot)}${left}${late}`;
}

/** How certain its amount is. */
export function stateWords(slot) {
  if (slot.state === "gap") return "no sales";
  if (slot.state === "filling") return slot.current ? "filling" : "waits to be told";
  const revised = slot.revised ? `, revised by ${money(slot.revised)}` : "";
  if (slot.state === "final") return `final${revised}`;
  const some = slot.finalStores > 0 ? `final for ${slot.finalStores} of ${slot.stores} stores` : "not final";
  return `${some}, may still grow${revised}`;
}

function legend() {
  const entries = [["final", "final"], ["told", "not final, may grow"], ["filling", "filling"], ["revised", "revision"], ["late", "late"], ["hole", "no sales"]];
  return h("ul", { class: "legend", "aria-hidden": "true" }, entries.map(([kind, words]) => h("li", {}, h("span", { class: `key ${kind}` }), words)));
}

function pattern(id) {
  const size = 6;
  return svg("defs", {}, svg("pattern", { id: `${id}-hatch`, width: size, height: size, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { class: "hatch-back", width: size, height: size }), svg("rect", { class: "hatch-line", width: size / 2, height: size })));
}

/** From 0 to a round figure that nothing exceeds, in three to five steps. */
export function scale(greatest) {
  const most = Math.max(greatest, 1);
  const power = 10 ** Math.floor(Math.log10(most / 4));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size * 4 >= most);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, index) => index * step);
}

/** A distance between ticks that clocks like. */
function niceTime(atLeast) {
  const second = 1_000;
  const steps = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];
  return steps.map((step) => step * second).find((step) => step >= atLeast) ?? 86_400 * second;
}

/** A few bars without axes, for a row of a list; `aria-hidden`, since the row says the figures. */
export function drawSpark(drawing, slots, wide = 132, tall = 30) {
  const most = Math.max(1, ...slots.map(total));
  const step = wide / slots.length;
  attribute(drawing, "viewBox", `0 0 ${wide} ${tall}`);
  drawing.replaceChildren(...slots.filter(({ state }) => state !== "unknown").map((slot) => {
    const index = slots.indexOf(slot);
    const bar = Math.max((tall - 2) * total(slot) / most, slot.state === "gap" ? 0 : 1);
    const box = { x: index * step + 0.75, width: step - 1.5 };
    if (bar === 0) return svg("line", { class: "hole", x1: box.x, x2: box.x + box.width, y1: tall - 1, y2: tall - 1 });
    return svg("rect", { class: `bar ${slot.state} small`, ...box, y: tall - bar, height: bar, rx: 1 });
  }));
}
