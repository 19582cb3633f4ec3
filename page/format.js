// Says money, figures and times in the reader's language.
// Never calculates with money as a float: sums are whole cents, `height` is for drawing only.

const NOTHING = "–";
let currency = "EUR";
let exact = moneyFormat({});
let compact = moneyFormat({ notation: "compact", maximumFractionDigits: 1 });

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const oneDecimal = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const clockShort = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const precise = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function moneyFormat(options) {
  return new Intl.NumberFormat(undefined, { style: "currency", currency, currencyDisplay: "narrowSymbol", ...options });
}

/** From now on amounts are in this currency. */
export function useCurrency(code) {
  if (!code || code === currency) return;
  currency = code;
  exact = moneyFormat({});
  compact = moneyFormat({ notation: "compact", maximumFractionDigits: 1 });
}

export function currencyCode() {
  return currency;
}

/** A decimal as the service wrote it, digit by digit. */
export function money(decimal) {
  return known(decimal) ? exact.format(String(decimal)) : NOTHING;
}

/** For axes and narrow places. */
export function moneyShort(decimal) {
  return known(decimal) ? compact.format(String(decimal)) : NOTHING;
}

/** `12.34` as 1234n; exact however large. */
export function cents(decimal) {
  if (!known(decimal)) return 0n;
  const [, sign, units, rest] = /^(-?)(\d+)(?:\.(\d{0,2}))?/.exec(String(decimal)) ?? [];
  if (units === undefined) return 0n;
  const sum = BigInt(units) * 100n + BigInt((rest ?? "").padEnd(2, "0"));
  return sign ? -sum : sum;
}

/** 1234n as `12.34`. */
export function decimal(sum) {
  const digits = (sum < 0n ? -sum : sum).toString().padStart(3, "0");
  return `${sum < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** A float, good enough for the height of a bar and for nothing else. */
export function height(value) {
  return known(value) ? Number(value) : 0;
}

export function count(value) {
  return known(value) ? whole.format(value) : NOTHING;
}

export function countShort(value) {
  return known(value) ? (Math.abs(value) < 10_000 ? whole : short).format(value) : NOTHING;
}

/** Per second; one decimal while it matters. */
export function rate(value) {
  if (!known(value)) return NOTHING;
  return (value < 10 && value > 0 ? oneDecimal : value < 10_000 ? whole : short).format(value);
}

/** `1 sale`, `2 sales`. */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${Number(value) === 1 ? one : many}`;
}

export function time(milliseconds) {
  return clock.format(milliseconds);
}

export function timeShort(milliseconds) {
  return clockShort.format(milliseconds);
}

export function timePrecise(milliseconds) {
  return precise.format(milliseconds);
}

export function date(milliseconds) {
  return day.format(milliseconds);
}

/** How long ago or how long, in words short enough for a table. */
export function span(milliseconds) {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`;
}

export function millis(value) {
  if (!known(value)) return NOTHING;
  return value < 10 ? `${oneDecimal.format(value)} ms` : value < 10_000 ? `${whole.format(value)} ms` : span(value);
}

export function known(value) {
  return value !== null && value !== undefined;
}

/** STORE_2 before STORE_10. */
export function byNumber(left, right) {
  return left.localeCompare(right, "en", { numeric: true });
}
