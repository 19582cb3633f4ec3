"""A supervisor of processes: each is started when those that it needs are ready, started again when it dies, ended in order.

Knows neither what the processes are nor where their files stand.
"""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional

# Between two looks at a process: quick while somebody waits for it, calm once it is ready.
LOOK_SECONDS = 0.1
CALM_SECONDS = 1.0

# Before a dead process is started again; doubles, and is short again after it has been ready for a while, as with compose.
FIRST_PAUSE, LONGEST_PAUSE, GOOD_AFTER = 0.1, 10.0, 10.0


@dataclass
class Process:
    """What is to run."""

    name: str
    command: list
    # Whether it can do its work; an error is a no.
    ready: Callable[[], bool]
    # Who must be ready before it is started for the first time.
    after: tuple = ()
    environment: dict = field(default_factory=dict)
    # What has to be done in every life before it can be ready, such as opening a server that starts sealed.
    attend: Optional[Callable[[], None]] = None
    # What has to be done before every life.
    before: Optional[Callable[[], None]] = None
    url: str = ""
    # Where it is started if not in the supervisor's folder.
    directory: Optional[Path] = None
    # From the request to end until it is ended by force.
    stop_seconds: float = 45.0


class Afresh(Exception):
    """Raised by what attends: this life leads nowhere, and the next one will not be the same."""


def end_by_signal():
    """Whoever ends this process means all of it, as Ctrl-C does. A shell that starts it in the background has signals ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


class Keeper(threading.Thread):
    """Looks after one process for as long as the supervisor wants."""

    def __init__(self, process, folder, others, tell):
        super().__init__(name=process.name, daemon=True)
        self.process, self.folder, self.others, self.tell = process, Path(folder), others, tell
        self.log = self.folder / "logs" / (process.name + ".log")
        self.child, self.state, self.restarts = None, "waits", 0
        self.said, self.has_been_ready = "", False
        # When the present life began, when it became ready, when the last one ended; of a clock that never jumps.
        self.began = self.became_ready = self.ended = 0.0
        self.statuses = []
        self.ending, self.held = threading.Event(), threading.Event()
        # Held while something is done for the child.
        self.attending = threading.Lock()

    def run(self):
        """Until told to end: waits for the others, then one life after the other."""
        while not all(self.others[name].has_been_ready for name in self.process.after):
            if self.ending.wait(LOOK_SECONDS):
                return self.becomes("stopped")
        pause = FIRST_PAUSE
        while not self.ending.is_set():
            if self.held.is_set():
                self.ending.wait(LOOK_SECONDS)
                continue
            self.start_child()
            # Whoever decided otherwise meanwhile had nobody to send it to.
            if self.ending.is_set():
                self.send(signal.SIGTERM)
            elif self.held.is_set():
                self.send(signal.SIGKILL)
            status = self.live()
            was_good = self.became_ready > 0 and self.ended - self.became_ready > GOOD_AFTER
            self.statuses.append(status)
            if self.ending.is_set():
                break
            pause = FIRST_PAUSE if was_good else min(pause * 2, LONGEST_PAUSE)
            self.said = words(status)
            self.becomes("ended", self.said)
            self.ending.wait(pause)
            self.restarts += 1
        self.becomes("stopped")

    def start_child(self):
        """The next life; what it prints is added to what the others printed."""
        if self.process.before:
            self.attempt(self.process.before)
        self.began, self.became_ready = time.monotonic(), 0.0
        self.becomes("starts")
        # Whatever becomes of the supervisor, nobody is left behind.
        command = ["setpriv", "--pdeathsig", "KILL"] + [str(word) for word in self.process.command]
        with open(self.log, "ab") as output:
            self.child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.process.environment},
                cwd=self.process.directory or self.folder,
                # A Ctrl-C in the terminal is for the supervisor, which ends the others in order.
                start_new_session=True,
            )

    def live(self):
        """Looks at the child until it has ended; its status."""
        attended = False
        while True:
            try:
                status = self.child.wait(CALM_SECONDS if self.state == "ready" else LOOK_SECONDS)
                self.ended = time.monotonic()
                return status
            except subprocess.TimeoutExpired:
                pass
            if self.process.attend and not attended:
                attended = self.attend()
                # What fails at once would be tried hundreds of times.
                if not attended:
                    self.ending.wait(1)
                continue
            self.look()

    def attend(self):
        """Whether what has to be done for this life is done; once it is to end, nothing is begun any more."""
        with self.attending:
            return not self.ending.is_set() and self.attempt(self.process.attend)

    def look(self):
        """Asks whether it is ready; the state follows."""
        if self.attempt(lambda: self.process.ready() or refuse("not ready")):
            self.became_ready = self.became_ready or time.monotonic()
            self.has_been_ready = True
            self.becomes("ready")
        elif self.state == "ready":
            self.becomes("unready", self.heard())

    def heard(self):
        """What was heard of it last that was no good, in one line."""
        return " ".join(self.said.split())

    def attempt(self, what):
        """Whether this went well; what went wrong is kept for whoever asks."""
        try:
            what()
            return True
        except Afresh as error:
            self.said = str(error)
            self.send(signal.SIGKILL)
            return False
        except Exception as error:  # whatever it is: it will be tried again
            self.said = str(error)
            return False

    def becomes(self, state, remark=""):
        """The next state, told to whoever watches."""
        if state != self.state:
            self.state = state
            self.tell(self, remark)

    def pid(self):
        """Of the present life."""
        return self.child.pid if self.child and self.child.poll() is None else None

    def end(self):
        """Asks it to end; what is being done for it ends first, as long as it may take to end: half done, it may be of no use ever."""
        is_free = self.attending.acquire(timeout=self.process.stop_seconds)
        self.send(signal.SIGTERM)
        if is_free:
            self.attending.release()

    def send(self, number):
        """A signal to the process itself."""
        if self.pid():
            self.child.send_signal(number)


class Supervisor:
    """All of them."""

    def __init__(self, processes, folder, tell=lambda keeper, remark: None):
        self.folder = Path(folder)
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        self.keepers = {}
        for process in processes:
            self.keepers[process.name] = Keeper(process, folder, self.keepers, tell)

    def start(self):
        """All at once; who needs others waits for them by itself."""
        for keeper in self.keepers.values():
            keeper.log.write_bytes(b"")
            keeper.start()

    def __getitem__(self, name):
        return self.keepers[name]

    def are_ready(self):
        """Whether everybody is."""
        return all(keeper.state == "ready" for keeper in self.keepers.values())

    def never_ready(self):
        """Who has ended without ever having been ready: most likely its port is somebody else's."""
        return [keeper for keeper in self.keepers.values() if keeper.restarts and not keeper.has_been_ready]

    def waiting(self):
        """Who is not ready, and the last thing that was heard of them."""
        return ["%s %s (%s)" % (k.name, k.state, k.heard()) for k in self.keepers.values() if k.state != "ready"]

    def hold(self, name):
        """Ends it as a power cut would, and starts it only when it is let go."""
        self[name].held.set()
        self[name].send(signal.SIGKILL)

    def let_go(self, name):
        """Starts it again."""
        self[name].held.clear()

    def stop(self):
        """Those that need others first, those that others need last; whoever does not end in time is ended."""
        for layer in reversed(self.layers()):
            for keeper in layer:
                keeper.ending.set()
            for keeper in layer:
                keeper.end()
            for keeper in layer:
                keeper.join(keeper.process.stop_seconds)
                if keeper.is_alive():
                    keeper.send(signal.SIGKILL)
                    keeper.join()

    def layers(self):
        """Keepers by how far they are from those that need nobody."""
        depths = {}
        while len(depths) < len(self.keepers):
            for name, keeper in self.keepers.items():
                if name not in depths and all(other in depths for other in keeper.process.after):
                    depths[name] = 1 + max([depths[other] for other in keeper.process.after], default=0)
        return [
            [self.keepers[name] for name in self.keepers if depths[name] == depth]
            for depth in range(1, max(depths.values()) + 1)
        ]


def refuse(why):
    """An expression that fails."""
    raise AssertionError(why)


def words(status):
    """An exit status for people."""
    return signal.Signals(-status).name if status < 0 else "status %d" % status
