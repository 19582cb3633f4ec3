// Pages of a real browser, each watched for what it says to the console and whom it asks.
// Knows nothing of what is on them.
"use strict";

const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { chromium } = require("playwright-core");

/** No first-run chatter, nothing that leaves this machine. The sandbox needs rights that a container lacks. */
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--disable-dev-shm-usage"];
/** Milliseconds for one question to a page; whoever waits for a state asks again. */
const PATIENCE = 15_000;
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

class Pages {
  static async open(executablePath) {
    return new Pages(await chromium.launch({ executablePath, args: FLAGS }));
  }

  constructor(browser) {
    this.browser = browser;
    this.contexts = new Set();
    this.noise = [];
    this.hosts = new Set();
  }

  /** A page of its own, as a browser of its own would show it. `mayFail` says which words on the console are expected. */
  async show(address, { user, size = [1440, 900], scheme = "light", locale = "en-IE", mayFail = /^$/, ...more } = {}) {
    const context = await this.browser.newContext({
      viewport: { width: size[0], height: size[1] }, colorScheme: scheme, locale, reducedMotion: "reduce", httpCredentials: user, bypassCSP: false, ...more,
    });
    this.contexts.add(context);
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.on("console", (message) => this.heard(message.type(), message.text(), mayFail));
    page.on("pageerror", (error) => this.heard("error", error.stack, /^$/));
    page.on("request", (request) => this.hosts.add(new URL(request.url()).hostname));
    await page.goto(address);
    return page;
  }

  heard(kind, words, mayFail) {
    if (["error", "warning"].includes(kind) && !mayFail.test(words)) this.noise.push(`${kind}: ${words}`);
  }

  /** Serious findings of axe, as sentences. It is injected past the page's policy, by the debugger and not by the page. */
  async findings(page) {
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document));
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
      .map(({ id, help, nodes }) => `${id}: ${help} (${nodes.slice(0, 3).map(({ html, any }) => `${html.slice(0, 160)} ${any[0]?.message ?? ""}`).join(" | ")})`);
  }

  /** As WebP, which is half as large as PNG and which only the debugger offers. */
  async picture(page) {
    const session = await page.context().newCDPSession(page);
    const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 88 });
    return Buffer.from(data, "base64");
  }

  assertQuiet() {
    assert.deepEqual(this.noise, [], "the console stays silent");
    assert.deepEqual([...this.hosts].filter((host) => host !== "127.0.0.1"), [], "nobody else is asked");
  }

  /** Closes the pages of a check. */
  async tidy() {
    const contexts = [...this.contexts];
    this.contexts.clear();
    await Promise.all(contexts.map((context) => context.close()));
  }

  close() {
    return this.browser.close();
  }
}

module.exports = { Pages };
