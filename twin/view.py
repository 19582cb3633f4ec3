"""What is up, for whoever looks: a table that redraws itself on a terminal, a line per change elsewhere.

Changes nothing.
"""

import shutil
import sys
import threading
import time

ROW = "%-14s %8s  %-8s %8s  %9s  %s"

# What was heard before is over.
WELL = ("ready", "stopped")


class View:
    """One of the two, whichever suits the output."""

    def __init__(self):
        self.is_terminal, self.began, self.keepers, self.lines = sys.stdout.isatty(), time.monotonic(), [], 0
        # Processes have threads of their own, and may have something to say.
        self.turn = threading.Lock()

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
        lines = table(self.keepers, shutil.get_terminal_size().columns)
        with self.turn:
            up = "\x1b[%dA" % self.lines if self.lines else ""
            print(up + "".join("\x1b[2K%s\n" % line for line in lines), end="", flush=True)
            self.lines = len(lines)

    def say(self, text):
        """Something that stays; the next table comes below."""
        with self.turn:
            print(text, flush=True)
            self.lines = 0


def table(keepers, columns):
    """Lines for people, none longer than this: one that the terminal breaks would be two when the next table is drawn."""
    lines = [ROW % ("process", "pid", "state", "restarts", "since", "address, or what was heard last")]
    for keeper in keepers:
        since = "%d s" % (time.monotonic() - keeper.began) if keeper.pid() else "-"
        cells = (keeper.name, keeper.pid() or "-", keeper.state, keeper.restarts, since)
        trouble = "" if keeper.state in WELL else keeper.heard()
        lines.append(ROW % (*cells, trouble or keeper.process.url))
    return [line[:columns] for line in lines]
