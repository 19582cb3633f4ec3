"""Load through the balancer with an account of its own: `tillstream chaos` without a fault, in stores of its own.

Breaks nothing; who breaks things lays the seconds of the load beside what happened.
"""

import json
import signal
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from servers import eventually

# The simulated tills have the first ten.
STORES = "11-20"
MOST_STORES = "20"

# A debug build on a busy machine waits long for its books.
SETTLE_SECONDS = 240

# How long a till of the load waits for an answer, which is `validation.publish_timeout` too, and a second for what tells the time.
ANSWER_SECONDS = 5 + 1

# A child is told when the *thread* that started it ends, and a check's thread ends before its load does.
STARTER = ThreadPoolExecutor(max_workers=1)


class Timeline:
    """What came back in each second, laid beside what was done to the stack meanwhile."""

    def __init__(self, file):
        self.file, self.excuses = file, []

    def seconds(self):
        """Beginning, end and answers of each second so far: by status, and `cut` and `timeout`."""
        began = 0
        for line in self.file.read_text().splitlines() if self.file.exists() else []:
            # The last line may be half written.
            if not line.endswith("}"):
                continue
            second = json.loads(line)
            end = datetime.fromisoformat(second["at"].replace("Z", "+00:00")).timestamp()
            found = Counter({int(status): count for status, count in second["statuses"].items()})
            # A load that got no processor has seconds that are longer.
            yield began or end - 1, end, found + Counter({"cut": second["cuts"], "timeout": second["timeouts"]})
            began = end

    def answers(self, since, until=None):
        """What came in the seconds that overlap this time."""
        found = Counter()
        for began, end, answers in self.seconds():
            if end > since and (until is None or began <= until):
                found.update(answers)
        return found

    def excuse(self, began, *kinds):
        """Whoever sold since then may have got no answer, or such a one: from then on, and for as long as tills wait from now on."""
        self.excuses.append((began, time.time() + ANSWER_SECONDS, kinds))

    def strays(self, load):
        """What nothing excuses of the whole run's cuts, timeouts and answers of a balancer without routes."""
        strays = Counter({"cut": load["cuts"], "timeout": load["timeouts"], 404: load["statuses"].get("404", 0)})
        for began, end, answers in self.seconds():
            for since, until, kinds in self.excuses:
                if end > since and began <= until:
                    strays -= Counter({kind: answers.pop(kind, 0) for kind in kinds})
        return +strays


class Load:
    """Sales until told to stop; then every answered one is looked for in the books."""

    def __init__(self, stack, password, rate):
        self.folder = stack.folder / "load"
        self.folder.mkdir(exist_ok=True)
        self.password_file, self.timeline = self.folder / "password", Timeline(self.folder / "timeline.ndjson")
        self.report = self.folder / "report.json"
        self.show(password)
        command = [stack.programs.tillstream, "chaos", "--url", stack.entrance(), "--user", "admin"]
        command += ["--password-file", self.password_file, "--faults", "0", "--duration", "24h", "--load", str(rate)]
        command += ["--stores", STORES, "--settle-within", "%ds" % SETTLE_SECONDS]
        command += ["--timeline", self.timeline.file, "--report", self.report]
        command = ["setpriv", "--pdeathsig", "KILL"] + [str(word) for word in command]
        self.child = STARTER.submit(self.start, command).result()

    def start(self, command):
        """The child, with what it prints in a file."""
        with open(self.folder / "load.log", "wb") as log:
            return subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def show(self, password):
        """The password that the tills show from now on; never half of it."""
        fresh = self.password_file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(password)
        fresh.replace(self.password_file)

    def answers(self, since, until=None):
        """What came from then on: answers by status, and `cut` and `timeout`."""
        return self.timeline.answers(since, until)

    def sells(self, seconds=120):
        """Waits until sales are answered with 200 in a second that began now."""
        now = time.time() + 1
        eventually("sales to be answered with 200", seconds, lambda: self.answers(now)[200] or self.alive())
        return time.time() - now + 1

    def alive(self):
        """Nothing, unless the load has ended by itself."""
        assert self.child.poll() is None, "the load ended:\n" + self.text()[-2000:]

    def finish(self):
        """No more sales; the verdict."""
        self.alive()
        self.child.send_signal(signal.SIGTERM)
        status = self.child.wait(SETTLE_SECONDS + 60)
        report = json.loads(self.report.read_text())
        assert status == 0 and report["passed"], "the account is not right:\n" + self.text()[-4000:]
        return report

    def kill(self):
        """At once, without a verdict."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()

    def text(self):
        """What it printed."""
        return (self.folder / "load.log").read_text(errors="replace")
