"""One process with all roles, Prometheus and Alertmanager beside it, until Ctrl-C: what `make monitor` starts.

Takes the program as its only argument; the service keeps its data in ./data as `make run` does, the others under
target/monitor.
"""

import sys
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT.parent / "target" / "monitor"

sys.path.append(str(ROOT.parent / "twin"))

from places import Ports
from servers import fetch
from supervise import Process, Supervisor, end_by_signal
from view import View

SERVICE, PROMETHEUS, ALERTMANAGER = "127.0.0.1:8080", "127.0.0.1:9090", "127.0.0.1:9093"

QUESTIONS = [
    (
        "how much did STORE_3 sell in the last minute, in euros",
        'sum(store_id:turnover_cents:increase1m{store_id="STORE_3"}) / 100',
    ),
    ("which actor restarted, and why", "sum by (actor, reason) (actor_restarts_total) > 0"),
]

HINT = "if they are the services of Debian's packages: sudo systemctl disable --now prometheus prometheus-alertmanager"


def processes(binary):
    """What is started."""
    prometheus = [
        "prometheus",
        "--config.file=%s" % (ROOT / "prometheus" / "native.yml"),
        "--storage.tsdb.path=%s" % (FOLDER / "prometheus"),
        "--web.listen-address=%s" % PROMETHEUS,
        # Examples of traces beside figures, for whoever asks Prometheus for them.
        "--enable-feature=exemplar-storage",
        "--web.console.templates=%s" % (ROOT / "prometheus" / "consoles"),
    ]
    alertmanager = [
        "prometheus-alertmanager",
        "--config.file=%s" % (ROOT / "alertmanager" / "native.yml"),
        "--storage.path=%s" % (FOLDER / "alertmanager"),
        "--web.listen-address=%s" % ALERTMANAGER,
        "--cluster.listen-address=",
    ]
    service = [binary, "run", "--listen", SERVICE]
    return [
        # Where `make run` starts it too: its data are in ./data.
        Process("tillstream", service, answers(SERVICE + "/health/ready"), url="http://" + SERVICE, directory=ROOT.parent),
        Process("alertmanager", alertmanager, answers(ALERTMANAGER + "/-/ready"), url="http://" + ALERTMANAGER),
        Process("prometheus", prometheus, answers(PROMETHEUS + "/-/ready"), url="http://" + PROMETHEUS),
    ]


def answers(address):
    """A probe: whether it says 200."""
    return lambda: fetch("http://" + address, within=5)[0] == 200


def greet():
    """What to open, what to ask."""
    page = "http://%s/consoles/index.html" % PROMETHEUS
    print("\n  live page    http://%s/" % SERVICE)
    print("  shop floor   %s" % page)
    print("  Prometheus   http://%s      alerts: http://%s/classic/alerts" % (PROMETHEUS, PROMETHEUS))
    print("  Alertmanager http://%s (Debian's has no page: amtool --alertmanager.url=http://%s alert)" % (ALERTMANAGER, ALERTMANAGER))
    print("  service      http://%s/api/v1/pos/docs, http://%s/metrics\n" % (SERVICE, SERVICE))
    for question, expression in QUESTIONS:
        asked = urllib.parse.urlencode({"g0.expr": expression, "g0.tab": "1"})
        print("  %s?\n    http://%s/classic/graph?%s" % (question, PROMETHEUS, asked))
    print("  where is transaction X?\n    http://%s/consoles/transaction.html asks for its id" % PROMETHEUS)
    print("    grep -rh X data/audit*     has every corrected and every refused one, with its trace_id;")
    print(
        "    with a collector and Tempo beside it (traces.endpoint), Grafana's page `Find a transaction` shows its trace"
    )
    print("\nCtrl-C ends all of them.", flush=True)


def main(binary):
    """Starts all, keeps all running, ends all; 1 if one of them could not be started."""
    ports = {"tillstream": SERVICE, "prometheus": PROMETHEUS, "alertmanager": ALERTMANAGER}
    taken = Ports({name: int(address.split(":")[1]) for name, address in ports.items()}).taken()
    if taken:
        listed = " and ".join("127.0.0.1:%d (%s)" % (port, name) for name, port in taken.items())
        print("error: somebody listens on %s; %s" % (listed, HINT), file=sys.stderr)
        return 1
    view = View()
    supervisor = Supervisor(processes(binary), FOLDER, view.told)
    view.keepers = list(supervisor.keepers.values())
    end_by_signal()
    greeted = False
    try:
        supervisor.start()
        while not supervisor.never_ready():
            view.draw()
            if not greeted and supervisor.are_ready():
                greet()
                greeted, view.lines = True, 0
            time.sleep(0.5)
        view.say("error: " + why(supervisor.never_ready()))
        return 1
    except KeyboardInterrupt:
        view.say("\nending")
        return 0
    finally:
        supervisor.stop()


def why(keepers):
    """What to do about those that cannot be started."""
    names = " and ".join(keeper.name for keeper in keepers)
    return "%s ended; its log is in %s" % (names, FOLDER / "logs")


sys.exit(main(sys.argv[1]))
