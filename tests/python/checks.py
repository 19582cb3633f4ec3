"""Runs named checks one after the other, each with a deadline, and sums them up in the words that the stages count.

Knows nothing of brokers.
"""

import os
import threading
import traceback

# A check that takes longer is stuck; the message says which one.
DEADLINE_SECONDS = 60


class Checks:
    """What passed and what failed so far."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def run(self, check):
        """Runs one check on a thread of its own: a client library that hangs must not hang the run."""
        name = check.__name__
        outcome = ["stuck: no end within %d s" % DEADLINE_SECONDS]

        def body():
            try:
                check()
                outcome[0] = None
            except BaseException:  # whatever it is, it is the check's verdict
                outcome[0] = traceback.format_exc()

        thread = threading.Thread(target=body, name=name, daemon=True)
        thread.start()
        thread.join(DEADLINE_SECONDS)
        if outcome[0] is None:
            self.passed += 1
            print("test %s ... ok" % name, flush=True)
        else:
            self.failed += 1
            print("test %s ... FAILED\n%s" % (name, outcome[0]), flush=True)

    def finish(self):
        """Prints the sum and ends the process; 1 if a check failed or none ran."""
        well = self.failed == 0 and self.passed > 0
        word = "ok" if well else "FAILED"
        print("test result: %s. %d passed; %d failed" % (word, self.passed, self.failed), flush=True)
        # A client's native thread that does not end must not turn a verdict into a hang.
        os._exit(0 if well else 1)
