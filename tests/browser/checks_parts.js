// The page's modules one by one, in the browser that runs them: exact money, merging, reading a stream, round scales.
// Needs no service; a few lines of Node serve the files.
"use strict";

const assert = require("node:assert/strict");
const { calm, pretend } = require("./fixture.js");

module.exports = ({ given, pages }) => {
  /** Runs a function in the page with a module of it. */
  async function inside(module, run) {
    const server = await pretend({ folder: given.page, state: calm });
    const page = await pages.show(server.address);
    try {
      return await page.evaluate(`import("/page/${module}").then((module) => (${run})(module))`);
    } finally {
      await page.close();
      await server.stop();
    }
  }

  async function sumsOfMoneyAreExactHoweverLarge() {
    const sums = await inside("format.js", ({ cents, decimal }) =>
      ["0.10", "9007199254740993.01", "-0.05", "12"].map((amount) => decimal(cents(amount) + cents("0.20"))));
    assert.deepEqual(sums, ["0.30", "9007199254740993.21", "0.15", "12.20"]);
  }

  async function moneyIsShownDigitByDigit() {
    assert.equal(await inside("format.js", ({ money }) => money("9007199254740993.01")), "€9,007,199,254,740,993.01");
  }

  async function amountsInAnAnswerDoNotBecomeFloats() {
    const parsed = await inside("api.js", ({ parse }) => parse('{"amount":9007199254740993.01,"count":3,"text":"at: 1.5, ok"}'));
    assert.deepEqual(parsed, { amount: "9007199254740993.01", count: 3, text: "at: 1.5, ok" });
  }

  async function differencesAreMergedAsRfc7396Says() {
    const merged = await inside("model.js", ({ merge }) => [
      [{ a: "b" }, { a: "c" }], [{ a: "b" }, { a: null }], [{ a: ["b"] }, { a: "c" }], [{ a: { b: "c" } }, { a: { b: "d", c: null } }],
      [{ a: [{ b: "c" }] }, { a: [1] }], [["a"], { b: "c" }], [{ e: 1 }, { a: { bb: { ccc: null } } }],
    ].map(([target, patch]) => merge(target, patch)));
    assert.deepEqual(merged, [{ a: "c" }, {}, { a: "c" }, { a: { b: "d" } }, { a: [1] }, { b: "c" }, { e: 1, a: { bb: {} } }]);
  }

  async function eventsAreReadHoweverTheirBytesAreCut() {
    const heard = await inside("stream.js", ({ Parser }) => {
      const stream = ": beat\n\nid: a-1\nevent: snapshot\ndata: {\"a\":\ndata: 1}\n\nevent: change\r\ndata:{}\r\n\r\ndata: last\n\nevent: empty\n\n";
      const cut = (size) => {
        const events = [];
        const parser = new Parser((event) => events.push(event));
        for (let from = 0; from < stream.length; from += size) parser.feed(stream.slice(from, from + size));
        return JSON.stringify(events);
      };
      return [...new Set([1, 2, 3, 7, 1_000].map(cut))];
    });
    assert.equal(heard.length, 1, `the same for every cut: ${heard.join("\n")}`);
    assert.deepEqual(JSON.parse(heard[0]), [
      { name: "snapshot", data: '{"a":\n1}', id: "a-1" }, { name: "change", data: "{}", id: null }, { name: "message", data: "last", id: null }]);
  }

  async function axesEndAtARoundFigureThatNothingExceeds() {
    const tops = await inside("chart.js", ({ scale }) => [0, 1, 4, 9, 10.01, 417, 14_200, 99_999].map((most) => [most, scale(most).at(-1), scale(most).length]));
    for (const [most, top, ticks] of tops) {
      assert.ok(top >= most && top <= Math.max(1, most) * 2.6, `${top} for ${most}`);
      assert.ok(ticks >= 3 && ticks <= 6, `${ticks} ticks for ${most}`);
    }
  }

  return [sumsOfMoneyAreExactHoweverLarge, moneyIsShownDigitByDigit, amountsInAnAnswerDoNotBecomeFloats, differencesAreMergedAsRfc7396Says,
    eventsAreReadHoweverTheirBytesAreCut, axesEndAtARoundFigureThatNothingExceeds];
};
