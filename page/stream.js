// Keeps one stream of events open: reads it, notices when it is silent, and opens it again where it broke off.
// Knows nothing of what the events say.

/** The service says something at least every 10 s; after so much silence the connection is dead. */
const SILENT_FOR = 25_000;
const PAUSES = [500, 1_000, 2_000, 4_000, 8_000];

/** Calls `on.event(name, data)` for each event, `on.open()` and `on.lost(reason)` as the connection comes and goes. */
export class Stream {
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.lastId = null;
    this.failures = 0;
    window.addEventListener("online", () => this.hurry?.());
  }

  async run() {
    for (;;) {
      const reason = await this.once().catch((error) => wording(error));
      this.on.lost(reason);
      await this.pause();
    }
  }

  /** Until the connection ends, for whatever reason. */
  async once() {
    const abort = new AbortController();
    const watch = new Watch(() => abort.abort(new Error("the service said nothing for a while")));
    try {
      return await this.read(abort.signal, watch);
    } finally {
      watch.stop();
      abort.abort();
    }
  }

  async read(signal, watch) {
    const headers = { Accept: "text/event-stream" };
    if (this.lastId !== null) headers["Last-Event-ID"] = this.lastId;
    const answer = await fetch(this.url, { headers, signal, cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) return refusal(answer.status);
    const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    this.on.open();
    const parser = new Parser((event) => this.hand(event));
    for (;;) {
      const { value, done } = await lines.read();
      if (done) return "the service ended the connection";
      watch.alive();
      parser.feed(value);
    }
  }

  hand({ name, data, id }) {
    this.failures = 0;
    // Until it is taken, what is there may be neither the old nor the new: whoever comes back now begins with a snapshot.
    const before = this.lastId;
    this.lastId = null;
    if (this.on.event(name, data) === false) throw new Error("a difference did not fit");
    this.lastId = id ?? before;
  }

  pause() {
    const base = PAUSES[Math.min(this.failures, PAUSES.length - 1)];
    this.failures += 1;
    return new Promise((resolve) => {
      this.hurry = resolve;
      // Pages that lost the same service do not come back in the same moment.
      setTimeout(resolve, base * (0.75 + Math.random() / 2));
    });
  }
}

/** Ends what is silent for too long. */
class Watch {
  constructor(end) {
    this.end = end;
    this.alive();
  }

  alive() {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.end, SILENT_FOR);
  }

  stop() {
    clearTimeout(this.timer);
  }
}

/** The event stream format of the HTML standard: fields in lines, an event per empty line. */
export class Parser {
  constructor(hand) {
    this.handEvent = hand;
    this.rest = "";
    this.clear();
  }

  clear() {
    this.event = { name: "message", data: [], id: null };
  }

  feed(chunk) {
    const lines = (this.rest + chunk).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    lines.forEach((line) => this.line(line));
  }

  line(line) {
    if (line === "") return this.finish();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.event.name = value;
    else if (field === "data") this.event.data.push(value);
    else if (field === "id") this.event.id = value;
  }

  finish() {
    const { name, data, id } = this.event;
    this.clear();
    if (data.length > 0) this.handEvent({ name, data: data.join("\n"), id });
  }
}

function refusal(status) {
  if (status === 401) return "the password is not accepted any more; reload the page to log in";
  if (status === 403) return "this user may not see the page";
  if (status === 429) return "this user has as many pages open as one may, or has failed to log in too often";
  if (status === 404) return "role reporting, which serves the page's figures, does not run here";
  return `the service answers ${status}`;
}

function wording(error) {
  return error instanceof TypeError ? "the service cannot be reached" : error.message;
}
