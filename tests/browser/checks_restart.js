// A page that outlives its service: killed and started again on the same port, with its books kept.
// Has a service of its own.
"use strict";

const assert = require("node:assert/strict");
const { once } = require("node:events");
const { Service, until } = require("./service.js");

module.exports = ({ given, pages }) => {
  const folder = `${given.folder}/restart`;
  const sales = async (page) => Number((await page.locator(".tile.lead .note").innerText()).replace(/\D/g, ""));

  async function aRestartOfTheServiceReconnectsByItself() {
    const service = await Service.start({ binary: given.binary, folder });
    // A refused connection is on the console of every browser.
    const page = await pages.show(`${service.address}/`, { user: service.user("reporting-service"), mayFail: /Failed to load resource/ });
    await until("sales before", async () => (await sales(page)) > 20);
    const before = await sales(page);
    const ended = once(service.child, "exit");
    service.child.kill("SIGKILL");
    await ended;
    await page.locator("#banner:not([hidden])").waitFor();
    assert.equal(await page.locator("#main").getAttribute("data-stale"), "true");
    const again = await Service.start({ binary: given.binary, folder, listen: new URL(service.address).host });
    await page.locator("#link[data-state=live]").waitFor({ timeout: 40_000 });
    assert.ok(await page.locator("#banner").isHidden());
    await until("more sales than before", async () => (await sales(page)) > before);
    await again.stop();
  }

  return [aRestartOfTheServiceReconnectsByItself];
};
