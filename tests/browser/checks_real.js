// The page over the built service: sales, a killed actor, faults by its own controls, a sale's way, the keyboard, pictures.
// All checks share one service; what they change they change back.
"use strict";

const assert = require("node:assert/strict");
const { randomUUID } = require("node:crypto");
const { Service, until } = require("./service.js");

/** Of the issue: so soon after opening, sales are there. */
const SALES_WITHIN = 5_000;
const ACTOR = "root.pipeline.windows.STORE_3";
const SIZES = { phone: [390, 844], desk: [1440, 900], wall: [1920, 1080] };

module.exports = ({ given, pages }) => {
  let started = null;
  const service = () => (started ??= Service.start({ binary: given.binary, folder: `${given.folder}/real` }));

  /** The page as this user sees it, once it is live. */
  async function open(user, options = {}) {
    const { address, ...rest } = await service().then((up) => ({ address: up.address + (options.path ?? "/"), user: up.user(user) }));
    const page = await pages.show(address, { ...rest, ...options });
    await page.locator("#link[data-state=live]").waitFor();
    return page;
  }

  const words = (page, selector) => page.locator(selector).first().innerText();
  const digits = (figure) => Number(figure.replace(/\D/g, ""));
  const sales = async (page) => digits(await words(page, ".tile.lead .note"));
  const row = (page, path = ACTOR) => page.locator(`[data-actor="${path}"]`);
  const generation = async (page, path = ACTOR) => Number(await row(page, path).locator("td").first().innerText());

  async function theLoginGuardsThePageAndItsStream() {
    const up = await service();
    for (const path of ["/", "/page/app.js", "/api/v1/events", "/validation-service/"]) {
      const nobody = await up.ask(path);
      assert.equal(nobody.status, 401, path);
      assert.match(nobody.headers.get("www-authenticate"), /^Basic/, path);
      assert.equal((await up.ask(path, { user: "pos-service" })).status, 403, path);
    }
    const page = await up.ask("/", { user: "reporting-service" });
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-security-policy"), /default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.doesNotMatch(page.headers.get("content-security-policy"), /unsafe/);
  }

  async function theGeneratorsSalesAreThereWithinSeconds() {
    const up = await service();
    const page = await pages.show(`${up.address}/`, { user: up.user("reporting-service") });
    const before = await until("the first sales on the page", async () => (await sales(page)) || null, SALES_WITHIN);
    await until("more sales on the page", async () => (await sales(page)) > before, SALES_WITHIN);
  }

  async function whatThePageShowsIsWhatTheBooksSay() {
    const up = await service();
    const page = await open("admin");
    await up.ask("/api/v1/generator", { user: "admin", method: "PUT", body: { rate: 0 } });
    const total = ({ stores }, side) => stores.reduce((sum, store) => sum + side(store), 0);
    await until("the page and the books agree on the number of sales", async () => {
      const ledger = await up.read("/api/v1/ledger");
      const known = total(ledger, ({ accepted, open: still }) => accepted.count + still.count);
      return known > 0 && (await sales(page)) === known;
    });
    await until("all windows final", async () => (await words(page, ".tile:nth-child(4) .note")).startsWith("0 sales"));
    const { stores } = await up.read("/api/v1/ledger");
    for (const { store_id: id, accepted } of stores) {
      const books = await page.locator(".books tbody tr", { has: page.getByText(id.replace("STORE_", "Store "), { exact: true }) }).innerText();
      assert.equal(digits(books.split(/\n/).find((part) => /sale/.test(part))), accepted.count, id);
    }
    await up.ask("/api/v1/generator", { user: "admin", method: "PUT", body: { rate: 40 } });
    await until("sales again", async () => Number(await words(page, ".tile:nth-child(3) .figure")) > 5);
  }

  async function aWindowFillsIsToldAndBecomesFinal() {
    const page = await open("reporting-service");
    await page.locator("#company-chart summary").click();
    const states = () => page.locator("#company-chart tbody td:last-child").allInnerTexts();
    for (const wanted of [/^filling/, /not final|final for/, /^final/]) {
      await until(`a window that is ${wanted}`, async () => (await states()).some((state) => wanted.test(state)));
    }
  }

  async function aKilledActorTurnsRedAndGreenAgainWithAHigherGeneration() {
    const up = await service();
    const page = await open("admin");
    await until("the actor on the page", async () => (await row(page).getAttribute("data-health")) === "well");
    const before = await generation(page);
    await up.ask(`/api/v1/actors/${ACTOR}/fault`, { user: "admin", method: "POST", body: { kind: "panic" } });
    await until("it is red", async () => (await row(page).getAttribute("data-health")) !== "well");
    await until("it is green again", async () => (await row(page).getAttribute("data-health")) === "well");
    assert.ok((await generation(page)) > before);
    assert.match(await row(page).locator(".failure").innerText(), /panic/);
  }

  async function aFaultIsInjectedByThePagesOwnControlsAndItsVerdictComesIn() {
    const page = await open("admin");
    await row(page, "root.pipeline.router").locator("button").click();
    assert.equal(await page.locator("#fault-target").inputValue(), "root.pipeline.router");
    await page.locator("#fault-kind").selectOption("stop");
    await page.locator(".fault-form button").click();
    const verdict = page.locator(".verdicts li", { hasText: "root.pipeline.router" }).first();
    await until("the verdict", async () => /recovered[\s\S]*generation \d+ → \d+/.test(await verdict.innerText()));
    assert.match(await verdict.innerText(), /nothing lost, nothing double/);
  }

  async function aFaultOfTheEnvironmentIsShownAsDegradedWhileItLasts() {
    const page = await open("admin");
    await page.locator("#fault-target").selectOption("environment");
    await page.locator("#fault-kind").selectOption("broker_stall");
    await page.locator("#fault-seconds").fill("15");
    await page.locator(".fault-form button").click();
    await until("a degraded leg on the page", async () => /publish/.test(await words(page, "#actors-verdict")));
    await until("all is well again", async () => (await words(page, "#actors-verdict")) === "all running");
  }

  async function theRateOfTheTillsIsChangedByTheKeyboard() {
    const up = await service();
    const page = await open("admin");
    await page.locator("#rate").focus();
    await page.keyboard.press("ArrowLeft");
    await until("a lower rate", async () => (await up.read("/api/v1/generator")).rate < 40);
    await page.keyboard.press("ArrowRight");
    await until("the rate as it was, more or less", async () => (await up.read("/api/v1/generator")).rate >= 40);
    await up.ask("/api/v1/generator", { user: "admin", method: "PUT", body: { rate: 40 } });
  }

  async function aSaleIsFollowedByItsId() {
    const up = await service();
    const id = randomUUID();
    const answer = await up.ask("/api/v1/pos/validate_transaction", { user: "pos-service", method: "POST", body: sale(id) });
    assert.equal(answer.status, 200, await answer.text());
    const page = await open("reporting-service");
    await until("the sale's window on the page", async () => {
      await page.locator("#journey-id").fill(id);
      await page.locator("#journey-form button").click();
      await page.locator("#journey-answer .steps:not(.hint) li").nth(2).waitFor({ timeout: 5_000 });
      return true;
    });
    const steps = await page.locator("#journey-answer .steps li").evaluateAll((nodes) => nodes.map((node) => node.dataset.step));
    assert.ok(steps.includes("received") && steps.includes("corrected") && steps.includes("published"), steps.join());
  }

  async function theKeyboardIsEnough() {
    const page = await open("admin");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    await tabTo(page, "svg.chart");
    const before = await words(page, "#company-chart .readout");
    await page.keyboard.press("Home");
    assert.notEqual(await words(page, "#company-chart .readout"), before);
    await tabTo(page, "#stores-list button");
    const store = await page.evaluate(() => document.activeElement.dataset.store);
    await page.keyboard.press("Enter");
    await page.locator("dialog[open]").waitFor();
    await until("the store's windows", async () => (await page.locator("dialog > .scroll tbody tr").count()) > 0);
    await page.keyboard.press("Escape");
    await page.locator("dialog:not([open])").waitFor({ state: "attached" });
    assert.equal(await page.evaluate(() => document.activeElement.dataset.store), store, "the focus is where it was");
    await tabTo(page, "#fault-target");
  }

  async function tabTo(page, selector) {
    for (let presses = 0; presses < 120; presses += 1) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) return;
    }
    assert.fail(`${selector} is not reached with Tab`);
  }

  async function coloursAreSwitchedAndKept() {
    const page = await open("reporting-service", { scheme: "light" });
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    await page.locator("#theme").click();
    const dark = await paper();
    assert.notEqual(dark, light);
    await page.reload();
    assert.equal(await paper(), dark);
  }

  async function underThePrefixThePageWorksToo() {
    const page = await open("reporting-service", { path: "/validation-service/" });
    await until("sales under the prefix", async () => (await sales(page)) > 0);
  }

  async function axeFindsNothingSerious() {
    for (const scheme of ["light", "dark"]) {
      const page = await open("admin", { scheme });
      assert.deepEqual(await pages.findings(page), [], scheme);
      await page.locator("#stores-list button").first().click();
      await until("the store's windows", async () => (await page.locator("dialog > .scroll tbody tr").count()) > 0);
      assert.deepEqual(await pages.findings(page), [], `${scheme}, one store`);
    }
  }

  async function picturesAreTakenAtThreeSizesAndNothingIsWiderThanTheScreen() {
    for (const [name, size] of Object.entries(SIZES)) {
      for (const scheme of ["light", "dark"]) {
        const page = await open("admin", { size, scheme });
        await until("bars", async () => (await page.locator("#company-chart .bar").count()) > 3);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= size[0], `${name}: the page is ${wide} wide on a screen of ${size[0]}`);
        await page.screenshot({ path: `${given.screenshots}/${name}-${scheme}.png` });
        await page.screenshot({ path: `${given.screenshots}/${name}-${scheme}-whole.png`, fullPage: true });
        await page.close();
      }
    }
  }

  return [theLoginGuardsThePageAndItsStream, theGeneratorsSalesAreThereWithinSeconds, whatThePageShowsIsWhatTheBooksSay, aWindowFillsIsToldAndBecomesFinal,
    aKilledActorTurnsRedAndGreenAgainWithAHigherGeneration, aFaultIsInjectedByThePagesOwnControlsAndItsVerdictComesIn,
    aFaultOfTheEnvironmentIsShownAsDegradedWhileItLasts, theRateOfTheTillsIsChangedByTheKeyboard, aSaleIsFollowedByItsId, theKeyboardIsEnough,
    coloursAreSwitchedAndKept, underThePrefixThePageWorksToo, axeFindsNothingSerious, picturesAreTakenAtThreeSizesAndNothingIsWiderThanTheScreen];
};

/** Its total does not fit its line, so that it is corrected on the way. */
function sale(id) {
  const paid = { total_amount: 3.58, payment_method: "cash" };
  return {
    transaction_id: id, timestamp: new Date().toISOString(), store_id: "STORE_1", cashier_id: "CASHIER_2", customer_id: "CUSTOMER_9", ...paid, payment_status: "success", loyalty_points_earned: 1,
    items: [{ item_id: "milk", name: "Milk", quantity: 2, price_per_unit: 1.29, total_price: 2.58 }],
    receipt: { receipt_id: "r1", date: "today", transaction_id: id, ...paid },
  };
}
