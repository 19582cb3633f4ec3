"""A stack on free ports under load, and what is done to it: killed, restarted, asked.

Decides nothing about what is well; the checks do.
"""

import json
import signal
import time

import places
import promql
import queries
from servers import Asked, eventually, fetch
from services import VALIDATIONS, Stack
from supervise import Supervisor
from tills import MOST_STORES, Load
from vault import Operator

# Windows that are final soon, and secrets that are read often.
QUICK = {
    "WINDOW__SIZE": "2s",
    "WINDOW__DISORDER": "500ms",
    "WINDOW__IDLE": "1s",
    "WINDOW__ALLOWED_LATENESS": "3s",
    "SECRETS__REFRESH": "2s",
    "RULES__MAX_STORE": MOST_STORES,
    # A balancer on a machine without spare time learns of it late.
    "SHUTDOWN__ANNOUNCE": "4s",
    "SHUTDOWN__GRACE": "15s",
}

# What the processes here do, in the words of `from` in metrics.json.
DOING = {"every", "publisher", "consumer", "validation", "aggregation", "reporting", "pos", "solace", "traces", "prometheus"}
DOING |= {"handover", "vault"}

# What nobody here exports: no actor has restarted, and queues are told by the embedded broker in a process with HTTP, or by the
# exporter for Solace.
NOT_HERE = {"actor_restarts_total", "actor_restart_duration_seconds_bucket", "actor_reason:restarts:increase5m"}
NOT_HERE |= {"queue:messages:max", "queue:fill:ratio"}

# For whatever is only slow because the machine is busy.
PATIENCE = 120


class Scene:
    """Everything that a script of disasters needs."""

    def __init__(self, given, tills, rate, till_rate, **settings):
        programs = places.Programs(given["target"], given["binary"])
        settings = {**QUICK, "POS__RATE": str(till_rate), **settings}
        self.stack = Stack(places.Path(given["folder"]), places.Ports.free(), programs, tills, 1, **settings)
        self.stack.prepare()
        self.operator, self.rate, self.load = Operator(self.stack), rate, None
        self.began = time.monotonic()
        self.prometheus = Asked(self.stack.ports.url("prometheus"))
        self.supervisor = Supervisor(self.stack.processes(), self.stack.folder, self.told)

    def told(self, keeper, remark):
        """A line for whoever reads the log of a run."""
        after = time.monotonic() - self.began
        print("%7.1f s  %-14s %s%s" % (after, keeper.name, keeper.state, remark and ": " + remark), flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.load:
            self.load.kill()
        self.supervisor.stop()

    def start(self):
        """All of it, and waits for it."""
        self.supervisor.start()
        self.until_all_ready()

    def until_all_ready(self, seconds=PATIENCE):
        """Waits; says who is missing."""
        eventually("everybody to be ready", seconds, lambda: self.supervisor.are_ready() or missing(self.supervisor))

    def begin_load(self):
        """Sales of our own, through the balancer."""
        self.load = Load(self.stack, self.operator.user("admin")[1], self.rate)
        self.load.sells(PATIENCE)

    # === asking ===

    def ask(self, path, user=None):
        """A route below the balancer's prefix."""
        return fetch(self.stack.entrance() + path, user and self.operator.user(user))

    def books(self):
        """The ledger's stores, as reporting itself says."""
        status, text = fetch(self.stack.ports.url("reporting") + "/api/v1/ledger", self.operator.user("admin"))
        assert status == 200, text
        return json.loads(text)["stores"]

    def balanced(self):
        """Waits until every window of every store is final; then all of them must balance."""
        at_rest = lambda: all(store["open"]["count"] == 0 for store in self.books())
        eventually("all windows to be final", PATIENCE, at_rest)
        even = lambda: all(store["imbalance"] == {"count": 0, "cents": 0} for store in self.books())
        eventually("the books to balance", 30, even)
        return sum(store["accepted"]["count"] for store in self.books())

    def silent_queries(self):
        """Queries of the dashboards about what runs here that do not answer."""
        wanted, _ = queries.wanted(DOING, set())
        here = {where: text for where, text in wanted.items() if not NOT_HERE & set(promql.metrics(text))}
        return {where: text for where, text in here.items() if not self.prometheus.numbers(text)}

    def dashboards_answer(self, seconds):
        """Waits until all of them do."""

        def all_answer():
            silent = self.silent_queries()
            assert not silent, "no data for:\n  " + "\n  ".join("%s: %s" % each for each in silent.items())
            return True

        eventually("the dashboards' queries to answer", seconds, all_answer)

    # === breaking ===

    def kill(self, *names, seconds=PATIENCE):
        """As a power cut would; seconds until the last of them is ready again."""
        keepers, at = [self.supervisor[name] for name in names], time.monotonic()
        for keeper in keepers:
            keeper.send(signal.SIGKILL)
        eventually("%s to be back" % ", ".join(names), seconds, lambda: all(self.is_new(k, at) for k in keepers))
        return max(keeper.became_ready for keeper in keepers) - at

    def restart(self, name):
        """Politely; waits until it is back, and until the balancer knows."""
        keeper, at = self.supervisor[name], time.monotonic()
        keeper.send(signal.SIGTERM)
        eventually("%s to be back" % name, PATIENCE, lambda: self.is_new(keeper, at))
        assert keeper.statuses[-1] == 0, "%s ended with %d" % (name, keeper.statuses[-1])
        eventually("the balancer to see %s" % name, 30, lambda: self.stack.ports.url(name) in self.seen_by_balancer())
        return keeper.became_ready - at

    def is_new(self, keeper, since):
        """Whether a life that began since then is ready."""
        return keeper.began > since and keeper.became_ready > since and keeper.state == "ready"

    def seen_by_balancer(self):
        """Replicas that it sends sales to."""
        _, text = fetch(self.stack.ports.url("traefik-internal") + "/metrics")
        lines = [line for line in text.splitlines() if line.startswith("traefik_service_server_up{")]
        return {line.split('url="')[1].split('"')[0] for line in lines if line.endswith(" 1")}

    def rotate_all(self):
        """Every password there is; the tills show the new one once the processes know it."""
        paths = list(self.operator.paths())
        for path in paths:
            self.stack.as_operator("rotate", path)
        fresh = self.operator.user("admin")
        for name in [*VALIDATIONS, "reporting", "aggregation", *self.stack.tills]:
            url = self.stack.ports.url(name) + "/api/v1/actors"
            eventually("%s to know the new password" % name, 30, lambda url=url: fetch(url, fresh)[0] == 200)
        self.load.show(fresh[1])
        return paths


def missing(supervisor):
    """Says who is not there."""
    raise AssertionError("; ".join(supervisor.waiting()))
