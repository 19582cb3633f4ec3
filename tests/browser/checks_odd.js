// The page over states that a healthy service does not show: books off, gaps, thousands of stores, roles elsewhere, no sale yet.
// The service behind it only pretends.
"use strict";

const assert = require("node:assert/strict");
const { pretend, FAILED } = require("./fixture.js");
const odd = require("./oddities.js");
const { until } = require("./service.js");

module.exports = ({ given, pages }) => {
  /** Looks at a page over this state. */
  async function over(state, look, options = {}) {
    const server = await pretend({ folder: given.page, state, ...options });
    try {
      const page = await pages.show(server.address, options);
      await page.locator("#link[data-state=live]").waitFor();
      await look(page, server);
    } finally {
      await pages.tidy();
      await server.stop();
    }
  }

  const words = (page, selector) => page.locator(selector).innerText();

  async function booksThatDoNotAgreeAreTheHeadlineAndTheirStoreComesFirst() {
    await over(odd.troubled, async (page) => {
      assert.match(await words(page, "#headline"), /books of 1 store do not agree/);
      const first = page.locator(".books tbody tr").first();
      assert.match(await first.innerText(), /Store 2[\s\S]*12\.34/);
      assert.equal(await first.getAttribute("class"), "bad");
      assert.match(await words(page, "#books-verdict"), /12\.34 and 1 sale off in 1 store/);
      assert.match(await words(page, ".check"), /differs from the windows/);
    });
  }

  async function whatIsDegradedSaysSinceWhen() {
    await over(odd.troubled, async (page) => {
      assert.match(await words(page, "#subline"), /publish: the broker is stalled, for \d+ s/);
      assert.match(await words(page, "#actors-verdict"), /1 down/);
    });
  }

  async function whatAnActorSaidLastIsTextAndNeverMarkup() {
    await over(odd.troubled, async (page) => {
      assert.match(await words(page, '[data-actor="root.session.publisher"] .failure'), /<b>&amp;<\/b>/);
      assert.equal(await page.locator(".failure b").count(), 0);
    });
  }

  async function aWindowWithoutSalesIsAGapAndSaysSo() {
    await over(odd.troubled, async (page) => {
      await page.locator('[data-store="STORE_4"]').click();
      await page.locator("dialog summary").click();
      const last = page.locator("dialog .as-table tbody tr td:last-child");
      // The windows come by a question of their own.
      await last.filter({ hasText: /^no sales$/ }).nth(3).waitFor();
      const states = await last.allInnerTexts();
      assert.equal(states.filter((state) => state === "no sales").length, 4, states.join());
      assert.ok(states.some((state) => /not final, may still grow/.test(state)), states.join());
      assert.ok(await page.locator("dialog svg .hole").count() >= 4);
      assert.ok(await page.locator("dialog svg .bar.told[fill^=url]").count() > 0, "windows that are not final are hatched");
    });
  }

  async function aRevisionIsSeenAsSuch() {
    const start = Math.floor(Date.now() / 10_000) * 10_000 - 20_000;
    let amount = "100.00";
    let revision = 1;
    const state = (now) => {
      const calm = odd.calm(now);
      const key = new Date(start).toISOString().replace(".000Z", "Z");
      calm.stores.STORE_1.windows[key] = { amount, count: 5, final: false, revision, late: "0.00", late_count: 0 };
      delete calm.stores.STORE_1.filling[key];
      return calm;
    };
    await over(state, async (page) => {
      await page.locator('[data-store="STORE_1"]').click();
      [amount, revision] = ["130.00", 2];
      await page.locator("dialog summary").click();
      await until("the revision in the table", async () => /revised by €30\.00/.test(await words(page, "dialog .as-table")));
      assert.equal(await page.locator("dialog svg .bar.revised").count(), 1);
    });
  }

  async function tenThousandStoresAreATopListAndASearch() {
    await over(odd.many, async (page) => {
      assert.match(await words(page, "#stores-note"), /busiest of 10,000 stores/);
      assert.equal(await page.locator("#stores-list li").count(), 10);
      assert.match(await words(page, '[data-actor="root.pipeline.windows.*"]'), /all 10,000 windows/);
      assert.ok(await page.evaluate(() => document.querySelectorAll("*").length) < 3_000, "the page stays small");
      await page.locator("#stores-query").fill("12");
      await until("the found store", async () => /1 of 10,000 stores match/.test(await words(page, "#stores-note")));
      await page.locator("#stores-query").press("Enter");
      await page.locator("dialog[open] h2").waitFor();
      assert.equal(await words(page, "dialog h2"), "Store 12");
    });
  }

  async function windowsThatTheServiceHasForgottenAreNotKnownAndNotWithoutSales() {
    await over(odd.many, async (page) => {
      await page.locator('[data-store="STORE_4"]').click();
      for (const chart of ["#company-chart", "dialog"]) {
        assert.match(await page.locator(`${chart} svg.chart`).getAttribute("aria-label"), / 0 without sales, 1[78] not known/, chart);
        assert.equal(await page.locator(`${chart} svg.chart .hole`).count(), 0, chart);
      }
      await page.locator("dialog svg.chart").focus();
      await page.keyboard.press("Home");
      assert.match(await words(page, "dialog .readout"), /not known to this page/);
    });
  }

  async function whileReportingDoesNotAnswerTheRateIsNotKnownAndSumsSayOfWhenTheyAre() {
    await over(odd.silent, async (page) => {
      assert.match(await words(page, "#headline"), /sums of sales are not renewed/);
      assert.equal(await words(page, ".tile:nth-child(3) .figure"), "–");
      for (const tile of [1, 2, 3, 4]) assert.match(await words(page, `.tile:nth-child(${tile}) .note`), /^as of \d+:\d+:\d+/);
      assert.match(await words(page, "#station-turnover-station"), /does not answer/);
      assert.match(await page.locator("#company-chart svg").first().getAttribute("aria-label"), / 0 without sales, [34] not known/);
    });
  }

  async function nobodyReadsThatATillHeardAcceptedOfAPaymentThatFailed() {
    await over(odd.calm, async (page) => {
      await page.locator("#journey-id").fill(FAILED);
      await page.locator("#journey-form button").click();
      await page.locator("#journey-answer [data-step=payment_failed]").waitFor();
      const published = await words(page, "#journey-answer [data-step=published]");
      assert.match(published, /the till heard “payment failed, recorded”/);
      assert.doesNotMatch(published, /accepted|0 times/);
    });
  }

  async function rolesThatRunElsewhereAreSaidAndNotZero() {
    await over(odd.elsewhere, async (page) => {
      assert.match(await words(page, "#station-windows"), /runs elsewhere/);
      const late = await page.locator("#outcomes-list > div", { hasText: "Late" }).innerText();
      assert.match(late, /–[\s\S]*aggregation runs elsewhere/);
      assert.ok(await page.locator("#rate").isDisabled());
      assert.match(await words(page, ".generator"), /runs elsewhere/);
    });
  }

  async function aServiceWithoutASaleSaysSo() {
    await over(odd.fresh, async (page) => {
      assert.match(await words(page, "#headline"), /Waiting for the first sale/);
      assert.match(await words(page, "#stores-note"), /No store has sold anything yet/);
    });
  }

  async function figuresAreInTheReadersLanguage() {
    await over(odd.calm, async (page) => {
      assert.match(await words(page, ".tile.lead .figure"), /^3\.612\.345,67\s€$/);
    }, { locale: "de-DE" });
  }

  async function whoeverOnlyReadsHasNoControlsAndReadsWhy() {
    await over(odd.calm, async (page) => {
      assert.match(await words(page, "#break-body"), /Only an admin may break things/);
      assert.equal(await page.locator("#break-body button, #break-body input, #break-body select").count(), 0);
    }, { role: "reporting" });
  }

  async function aLostConnectionMarksTheFiguresAsOld() {
    const server = await pretend({ folder: given.page, state: odd.calm });
    const page = await pages.show(server.address, { mayFail: /Failed to load resource/ });
    await page.locator("#link[data-state=live]").waitFor();
    await server.stop();
    await page.locator("#banner:not([hidden])").waitFor();
    assert.match(await words(page, "#banner"), /Connection lost: .* What you see is from .* and not renewed/);
    assert.equal(await page.locator("#main").getAttribute("data-stale"), "true");
    const again = await pretend({ folder: given.page, state: odd.calm, port: Number(new URL(server.address).port) });
    // The page's pauses between two attempts add up to nearly twenty seconds.
    await page.locator("#link[data-state=live]").waitFor({ timeout: 60_000 });
    assert.ok(await page.locator("#banner").isHidden());
    await pages.tidy();
    await again.stop();
  }

  async function figuresThatNobodyRenewsAreOldHoweverWellTheConnectionStands() {
    let isPainting = true;
    await over((now) => (isPainting ? odd.calm(now) : null), async (page) => {
      assert.equal(await page.locator("#main").getAttribute("data-stale"), "false");
      isPainting = false;
      await page.locator("#link[data-state=old]").waitFor();
      assert.match(await words(page, "#banner"), /The connection stands, but no new figures come\. What you see is from .* and not renewed/);
      assert.equal(await page.locator("#main").getAttribute("data-stale"), "true");
      isPainting = true;
      await page.locator("#link[data-state=live]").waitFor();
      assert.ok(await page.locator("#banner").isHidden());
      assert.equal(await page.locator("#main").getAttribute("data-stale"), "false");
    });
  }

  async function aServiceThatNeverPaintsIsNotTakenForOneThatIsBeingConnected() {
    const server = await pretend({ folder: given.page, state: () => null });
    const page = await pages.show(server.address);
    await page.locator("#link[data-state=old]").waitFor();
    assert.equal(await words(page, "#banner"), "The connection stands, but no new figures come. The page goes on by itself when some do.");
    await pages.tidy();
    await server.stop();
  }

  async function axeFindsNothingSeriousInOddStatesEither() {
    for (const [name, scheme, size] of [["troubled", "light", [1440, 900]], ["troubled", "dark", [390, 844]], ["elsewhere", "dark", [1920, 1080]], ["fresh", "light", [390, 844]]]) {
      await over(odd[name], async (page) => {
        assert.deepEqual(await pages.findings(page), [], `${name}, ${scheme}`);
      }, { scheme, size });
    }
  }

  return [booksThatDoNotAgreeAreTheHeadlineAndTheirStoreComesFirst, whatIsDegradedSaysSinceWhen, whatAnActorSaidLastIsTextAndNeverMarkup,
    aWindowWithoutSalesIsAGapAndSaysSo, aRevisionIsSeenAsSuch, tenThousandStoresAreATopListAndASearch,
    windowsThatTheServiceHasForgottenAreNotKnownAndNotWithoutSales, whileReportingDoesNotAnswerTheRateIsNotKnownAndSumsSayOfWhenTheyAre,
    nobodyReadsThatATillHeardAcceptedOfAPaymentThatFailed, rolesThatRunElsewhereAreSaidAndNotZero,
    aServiceWithoutASaleSaysSo, figuresAreInTheReadersLanguage, whoeverOnlyReadsHasNoControlsAndReadsWhy, aLostConnectionMarksTheFiguresAsOld,
    figuresThatNobodyRenewsAreOldHoweverWellTheConnectionStands, aServiceThatNeverPaintsIsNotTakenForOneThatIsBeingConnected,
    axeFindsNothingSeriousInOddStatesEither];
};
