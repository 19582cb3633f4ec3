// What a browser sees of the live page: of the built service, and of one that only pretends where a real one shows nothing odd.
// Reads one JSON object from standard input. Judges the page; what the service tells it is judged elsewhere.
"use strict";

const { mkdirSync, readFileSync } = require("node:fs");
const { runAll } = require("../node/checks.js");
const { Pages } = require("./pages.js");
const { endAll } = require("./service.js");

const given = JSON.parse(readFileSync(0, "utf8"));

async function main() {
  mkdirSync(given.screenshots, { recursive: true });
  const pages = await Pages.open(given.browser);
  const shared = { given, pages };
  const checks = ["parts", "odd", "real", "restart"].flatMap((name) => require(`./checks_${name}.js`)(shared));
  await runAll(checks.map((check) => tidied(check, pages)), () => {}, 180_000);
  endAll();
  await pages.close();
}

/** The same check, whose pages are closed whatever becomes of it, and which fails if a page complained. */
function tidied(check, pages) {
  const tidy = async () => {
    try {
      await check();
      pages.assertQuiet();
    } finally {
      pages.noise = [];
      await pages.tidy();
    }
  };
  return Object.defineProperty(tidy, "name", { value: check.name });
}

main();
