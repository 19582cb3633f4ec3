// The state of the service as the stream tells it, and what follows from it: windows in a row, groups of actors, troubles.
// Draws nothing and asks nobody.

import { cents, decimal, known } from "./format.js";

/** How long after its return an actor that failed is still shown as trouble: a restart takes less than a blink. */
const FRESH_FAILURE = 5_000;
/** A reporting that does not answer for so long is restarting and no news. */
const BLINK = 2_000;

/** RFC 7396: objects merge, null deletes, anything else replaces. */
export function merge(target, patch) {
  if (!isObject(patch)) return patch;
  const merged = isObject(target) ? target : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === "__proto__") continue;
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the page knows. */
export class Model {
  constructor() {
    this.state = null;
    this.user = null;
    this.firstAmounts = new Map();
    this.generations = new Map();
    this.failedAt = new Map();
    this.clockAhead = 0;
  }

  /** False if a difference comes before there is anything that it differs from. */
  take(name, data) {
    if (name === "hello") this.user = data;
    else if (name === "snapshot") this.state = data;
    else if (name === "change" && this.state === null) return false;
    else if (name === "change") this.state = merge(this.state, data);
    else return true;
    if (this.state !== null && name !== "hello") this.observe();
    return true;
  }

  get isAdmin() {
    return this.user?.role === "admin";
  }

  /** The service's clock now: what counts for windows is not the clock of whoever looks. */
  get now() {
    return Date.now() - this.clockAhead;
  }

  has(role) {
    return this.state.roles?.includes(role) ?? false;
  }

  observe() {
    const at = Date.parse(this.state.at);
    this.clockAhead = Date.now() - at;
    this.observeActors(at);
    this.observeWindows();
  }

  observeActors(at) {
    const actors = this.state.actors ?? {};
    for (const [path, actor] of Object.entries(actors)) {
      const before = this.generations.get(path);
      const failedNow = actor.state !== "running" && actor.state !== "starting";
      if (failedNow || (before !== undefined && actor.generation > before)) this.failedAt.set(path, at);
      this.generations.set(path, actor.generation);
    }
    for (const [path, when] of this.failedAt) if (at - when > FRESH_FAILURE) this.failedAt.delete(path);
    if (this.generations.size > 2 * Object.keys(actors).length + 100) this.generations.clear();
  }

  /** Remembers what a window was told as first, so that a revision can be seen as such. */
  observeWindows() {
    const seen = new Set();
    for (const [store, { windows = {} }] of Object.entries(this.state.stores ?? {})) {
      for (const [start, { amount, revision }] of Object.entries(windows)) {
        const key = `${store} ${start}`;
        seen.add(key);
        if (revision === 1 && !this.firstAmounts.has(key)) this.firstAmounts.set(key, amount);
      }
    }
    for (const key of this.firstAmounts.keys()) if (!seen.has(key)) this.firstAmounts.delete(key);
  }

  /** The amount of the window's first event, if this page was there to see it. */
  firstAmount(store, start) {
    return this.firstAmounts.get(`${store} ${start}`);
  }

  /** `well`, `trouble` (it does not run) or `back` (it runs again, and failed a moment ago). */
  health(path, actor) {
    if (actor.state !== "running" && actor.state !== "starting") return "trouble";
    return this.failedAt.has(path) ? "back" : "well";
  }

  /** Actors that do not run, or failed a moment ago. */
  troubled() {
    return Object.entries(this.state.actors ?? {})
      .map(([path, actor]) => ({ path, actor, health: this.health(path, actor) }))
      .filter(({ health }) => health !== "well");
  }

  actorCount() {
    return Object.entries(this.state.actors ?? {}).reduce((sum, [path, { count }]) => sum + (count ?? (this.inLine(path) ? 0 : 1)), 0);
  }

  /** Whether the actor is counted in the one line of its kind already. */
  inLine(path) {
    const parent = path.slice(0, path.lastIndexOf("."));
    return !path.endsWith(".*") && `${parent}.*` in (this.state.actors ?? {});
  }

  /** What is degraded, longest first. */
  degraded() {
    const entries = Object.entries(this.state.process?.degraded ?? {});
    return entries.map(([name, { since, why }]) => ({ name, why, since: since && Date.parse(since) }))
      .sort((left, right) => (left.since ?? Infinity) - (right.since ?? Infinity));
  }

  /** Since when reporting does not answer, so that its last word stands; undefined while it does, or where it is but a blink. */
  silentSince() {
    const { answers, since } = this.state.reporting ?? {};
    if (answers !== false || !since) return undefined;
    return this.now - Date.parse(since) > BLINK ? Date.parse(since) : undefined;
  }

  /** The newest `length` windows in a row, oldest first, gaps included; of a store, or of all (`store` undefined). */
  slots({ windows = {}, filling = {}, windows_since: since }, length, store) {
    const seconds = this.state.window_seconds;
    const size = seconds * 1_000;
    const current = Math.floor(this.now / size) * size;
    const newest = Math.max(current, ...Object.keys(filling).map(Date.parse));
    const last = newest - current > 2 * size ? current : newest;
    const told = byTime(windows);
    const open = byTime(filling);
    // A window that is not told of is one without sales only where the service would know of some.
    const certain = { from: since ? Date.parse(since) : Infinity, until: this.silentSince() ?? Infinity };
    return Array.from({ length }, (_, index) => last - (length - 1 - index) * size)
      .map((start) => this.slot({ start, size, current, certain, told: told.get(start), open: open.get(start), store }));
  }

  slot({ start, size, current, certain, told, open, store }) {
    const slot = { start, end: start + size, amount: "0.00", count: 0, late: told?.late ?? "0.00", lateCount: told?.late_count ?? 0 };
    if (told !== undefined && (told.revision !== undefined || told.stores !== undefined)) return this.toldSlot(slot, told, open, store);
    if (open !== undefined) return { ...slot, state: "filling", amount: open.amount, count: open.count, current: start === current };
    if (slot.end > certain.until) return { ...slot, state: "unknown" };
    if (start >= current) return { ...slot, state: "filling", current: start === current };
    return { ...slot, state: start < certain.from ? "unknown" : "gap" };
  }

  toldSlot(slot, told, open, store) {
    const isFinal = told.final ?? told.final_stores === told.stores;
    const first = store === undefined ? undefined : this.firstAmount(store, new Date(slot.start).toISOString().replace(".000Z", "Z"));
    const more = !isFinal && open !== undefined && cents(open.amount) > cents(told.amount) ? open : undefined;
    return {
      ...slot, state: isFinal ? "final" : "told", amount: told.amount, count: told.count, revision: told.revision,
      stores: told.stores, finalStores: told.final_stores,
      more: more && decimal(cents(more.amount) - cents(told.amount)),
      revised: known(first) && cents(first) !== cents(told.amount) ? decimal(cents(told.amount) - cents(first)) : undefined,
    };
  }
}

function byTime(entries) {
  return new Map(Object.entries(entries).map(([start, value]) => [Date.parse(start), value]));
}
