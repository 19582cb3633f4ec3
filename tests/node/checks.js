// Runs named checks one after the other, each with a deadline, and sums them up in the words that the stages count.
// Knows nothing of brokers.
"use strict";

// A check that takes longer is stuck; the message says which one.
const DEADLINE_MILLISECONDS = 60_000;

/** Rejects after that time with what was waited for; the timer keeps the process alive, so a hang ends as a failure. */
function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`stuck: ${what} did not end within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Runs all checks, tidying up after each, and ends the process; 1 if a check failed or there was none. */
async function runAll(checks, tidyUp, deadline = DEADLINE_MILLISECONDS) {
  let passed = 0;
  let failed = 0;
  for (const check of checks) {
    try {
      await within(deadline, check.name, check());
      passed += 1;
      console.log(`test ${check.name} ... ok`);
    } catch (error) {
      failed += 1;
      console.log(`test ${check.name} ... FAILED\n${error.stack ?? error}`);
    }
    tidyUp();
  }
  const well = failed === 0 && passed > 0;
  console.log(`test result: ${well ? "ok" : "FAILED"}. ${passed} passed; ${failed} failed`);
  process.exitCode = well ? 0 : 1;
  // A session that a failed check left open would keep the process alive.
  setTimeout(() => process.exit(), 1_000).unref();
}

module.exports = { runAll, within };
