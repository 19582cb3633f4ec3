// Asks the service for what is not in the stream, and orders what an admin may order.
// Turns every refusal into one sentence.

/** Where the service answers, under whatever prefix the page was opened. */
export function address(path) {
  const url = new URL(path, document.baseURI);
  // Whoever opens `http://user:password@host/` is logged in; a request to such an address is refused by the browser.
  [url.username, url.password] = ["", ""];
  return url.href;
}

const JSON_ONLY = { Accept: "application/json" };

export function read(path) {
  return ask(path, { headers: JSON_ONLY });
}

export function send(method, path, body, headers = {}) {
  return ask(path, { method, body: JSON.stringify(body), headers: { ...JSON_ONLY, "Content-Type": "application/json", ...headers } });
}

async function ask(path, options) {
  const answer = await fetch(address(path), { cache: "no-store", credentials: "same-origin", ...options }).catch(() => null);
  if (answer === null) throw new Error("the service cannot be reached");
  const body = parse(await answer.text());
  if (!answer.ok) throw new Refused(answer.status, sentence(answer.status, body));
  return body;
}

/** An answer that is no. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Amounts become strings before JSON makes floats of them. */
export function parse(text) {
  try {
    // Strings are stepped over, whatever they say.
    return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d+\.\d+/g, (part) => (part.startsWith('"') ? part : `"${part}"`)));
  } catch {
    return null;
  }
}

function sentence(status, body) {
  const words = body?.errors?.join?.("; ") ?? body?.detail ?? body?.message;
  return typeof words === "string" ? words : `the service answers ${status}`;
}
