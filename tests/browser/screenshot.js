// The picture in the README: the page over the built service, after some minutes under load, with an actor killed a while ago.
// Judges nothing but that the books agree.
"use strict";

const { readFileSync, writeFileSync } = require("node:fs");
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
  const page = await pages.show(`${service.address}/`, { user: service.user("admin"), size: [1440, 1320] });
  console.log(`under load on ${service.address} for ${UNDER_LOAD / 1_000} s`);
  await new Promise((resolve) => setTimeout(resolve, UNDER_LOAD));
  await until("books that agree", async () => (await page.locator(".tile:nth-child(4) .figure").innerText()) === "Agree");
  const picture = await pages.picture(page);
  await pages.close();
  await service.stop();
  if (picture.length > LARGEST) throw new Error(`the picture has ${picture.length} bytes, more than ${LARGEST}`);
  writeFileSync(given.picture, picture);
  console.log(`${given.picture}: ${picture.length} bytes`);
}

main();
