"""What is up, for whoever looks: a table that redraws itself on a terminal, a line per change elsewhere.

Changes nothing.
"""

import sys
import time

HEAD = "%-14s %8s  %-8s %8s  %9s  %s"


class View:
    """One of the two, whichever suits the output."""

    def __init__(self):
        self.is_terminal, self.began, self.keepers, self.lines = sys.stdout.isatty(), time.monotonic(), [], 0

    def told(self, keeper, remark):
        """A process is in another state; on a terminal the next drawing shows it."""
        if self.is_terminal:
            return
        after = time.monotonic() - self.began
        print("%7.1f s  %-14s %s%s" % (after, keeper.name, keeper.state, remark and ": " + remark), flush=True)

    def draw(self):
        """The table in the place of the one before."""
        if not self.is_terminal:
            return
        lines = table(self.keepers)
        up = "\x1b[%dA" % self.lines if self.lines else ""
        print(up + "".join("\x1b[2K%s\n" % line for line in lines), end="", flush=True)
        self.lines = len(lines)

    def say(self, text):
        """Something that stays; the next table comes below."""
        print(text, flush=True)
        self.lines = 0


def table(keepers):
    """Lines for people."""
    lines = [HEAD % ("process", "pid", "state", "restarts", "since", "address")]
    for keeper in keepers:
        since = "%d s" % (time.monotonic() - keeper.began) if keeper.pid() else "-"
        lines.append(HEAD % (keeper.name, keeper.pid() or "-", keeper.state, keeper.restarts, since, keeper.process.url))
    return lines
