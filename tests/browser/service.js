// The built service as a child: started, found by the address that it prints, asked as one of its users, ended.
// Knows nothing of browsers.
"use strict";

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const { mkdirSync, readFileSync } = require("node:fs");
const { createInterface } = require("node:readline");
const { setTimeout: pause } = require("node:timers/promises");

/** Generous: two busy cores, and a debug build; yet shorter than a check may take, so that it says what it waits for. */
const SOON = 45_000;

/** Windows that are told and final soon. */
const QUICK = {
  TILLSTREAM__WINDOW__SIZE: "2s",
  TILLSTREAM__WINDOW__DISORDER: "500ms",
  TILLSTREAM__WINDOW__IDLE: "2s",
  TILLSTREAM__WINDOW__ALLOWED_LATENESS: "4s",
  TILLSTREAM__POS__RATE: "40",
};

/** Lines of a service's log that are kept, for the failure of whoever waits for it. */
const LAST_WORDS = 5;

/** Every service that still runs; a check that failed leaves some. */
const running = new Set();

class Service {
  /** Starts it in this folder; `listen` with a port of before is a restart in its place. */
  static async start({ binary, folder, listen = "127.0.0.1:0", settings = QUICK }) {
    mkdirSync(folder, { recursive: true });
    // Elsewhere than in the sources, whose config/base.toml it would read.
    const child = spawn(binary, ["run", "--listen", listen, "--data-dir", folder], { env: { ...process.env, ...settings }, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    child.on("exit", () => running.delete(child));
    const said = [];
    createInterface({ input: child.stderr }).on("line", (line) => said.push(line) > LAST_WORDS && said.shift());
    const lines = createInterface({ input: child.stdout });
    const address = await new Promise((resolve, reject) => {
      child.on("exit", (code) => reject(new Error(`the service ended with ${code} before it said where it listens: ${said.join("\n")}`)));
      lines.on("line", (line) => /http:\/\/127\.0\.0\.1:\d+/.test(line) && resolve(/http:\/\/127\.0\.0\.1:\d+/.exec(line)[0]));
    });
    return new Service(child, address, folder);
  }

  constructor(child, address, folder) {
    Object.assign(this, { child, address, folder });
  }

  /** Name and password of a user by the last part of its path in the secrets. */
  user(name) {
    const secrets = readFileSync(`${this.folder}/secrets.toml`, "utf8");
    const table = secrets.split(/^\[/m).find((part) => part.startsWith(`"validation-service/creds/${name}"]`));
    const value = (key) => new RegExp(`^${key} = "(.*)"$`, "m").exec(table)[1];
    return { username: value("username"), password: value("password") };
  }

  /** Asks as a user, or as nobody. */
  async ask(path, { user, method = "GET", body } = {}) {
    const headers = { "Content-Type": "application/json" };
    if (user) {
      const { username, password } = this.user(user);
      headers.Authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    }
    return fetch(this.address + path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(SOON) });
  }

  async read(path) {
    return (await this.ask(path, { user: "admin" })).json();
  }

  /** Politely; its end is a failure unless it is 0. */
  async stop() {
    const ended = once(this.child, "exit");
    this.child.kill("SIGTERM");
    const [code] = await ended;
    if (code !== 0) throw new Error(`the service ended with ${code} after SIGTERM`);
  }
}

/** Until the answer is not null, undefined or false; says what was waited for in vain. */
async function until(what, look, within = SOON) {
  const end = Date.now() + within;
  let failure = "";
  while (Date.now() < end) {
    const found = await Promise.resolve(look()).catch((error) => {
      failure = `: ${error.message}`;
      return null;
    });
    if (found !== null && found !== undefined && found !== false) return found;
    await pause(50);
  }
  throw new Error(`stuck: ${what} did not happen within ${within} ms${failure}`);
}

function endAll() {
  for (const child of running) child.kill("SIGKILL");
}

module.exports = { Service, endAll, until };
