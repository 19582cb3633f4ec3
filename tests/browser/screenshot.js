// The picture in the README: the page over the built service, after some minutes under load, with an actor killed a while ago.
// Judges nothing but that the books agree.
"use strict";

const { readFileSync, statSync } = require("node:fs");
const { Pages } = require("./pages.js");
const { Service, until } = require("./service.js");

const given = JSON.parse(readFileSync(0, "utf8"));
const LOAD = { TILLSTREAM__POS__RATE: "400" };
/** A chart of thirty windows of ten seconds is full by then. */
const UNDER_LOAD = 320_000;
const LARGEST = 200_000;

async function main() {
  const service = await Service.start({ binary: given.binary, folder: `${given.folder}/picture`, settings: LOAD });
  const pages = await Pages.open(given.browser);
  const page = await pages.show(`${service.address}/`, { user: service.user("admin"), size: [1440, 1150] });
  console.log(`under load on ${service.address} for ${UNDER_LOAD / 1_000} s`);
  await new Promise((resolve) => setTimeout(resolve, UNDER_LOAD));
  await until("books that agree", async () => (await page.locator(".tile:nth-child(4) .figure").innerText()) === "Agree");
  await page.screenshot({ path: given.picture });
  await pages.close();
  await service.stop();
  const { size } = statSync(given.picture);
  if (size > LARGEST) throw new Error(`${given.picture} has ${size} bytes, more than ${LARGEST}`);
  console.log(`${given.picture}: ${size} bytes`);
}

main();
