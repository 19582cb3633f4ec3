"""One process with all roles, Prometheus and Alertmanager beside it, until Ctrl-C: what `make monitor` starts.

Takes the program as its only argument; the service keeps its data in ./data as `make run` does, the others under
target/monitor.
"""

import signal
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

from servers import eventually, fetch

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT.parent / "target" / "monitor"

SERVICE, PROMETHEUS, ALERTMANAGER = "127.0.0.1:8080", "127.0.0.1:9090", "127.0.0.1:9093"

QUESTIONS = [
    (
        "how much did STORE_3 sell in the last minute, in euros",
        'sum(increase(pos_turnover_cents_total{store_id="STORE_3"}[1m])) / 100',
    ),
    ("which actor restarted, and why", "sum by (actor, reason) (actor_restarts_total) > 0"),
]


def commands(binary):
    """What is started, in this order."""
    native = ROOT / "prometheus" / "native.yml"
    return {
        "the service": [binary, "run", "--listen", SERVICE],
        "Alertmanager": [
            "prometheus-alertmanager",
            "--config.file=%s" % (ROOT / "alertmanager" / "native.yml"),
            "--storage.path=%s" % (FOLDER / "alertmanager"),
            "--web.listen-address=%s" % ALERTMANAGER,
            "--cluster.listen-address=",
        ],
        "Prometheus": [
            "prometheus",
            "--config.file=%s" % native,
            "--storage.tsdb.path=%s" % (FOLDER / "prometheus"),
            "--web.listen-address=%s" % PROMETHEUS,
            # Examples of traces beside figures, for whoever asks Prometheus for them.
            "--enable-feature=exemplar-storage",
            "--web.console.templates=%s" % (ROOT / "prometheus" / "consoles"),
        ],
    }


def start(name, command):
    """A child that Ctrl-C does not reach: it is ended in order, and gets the time that it needs."""
    log = FOLDER / (name.replace(" ", "-").lower() + ".log")
    with open(log, "wb") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    print("started %s; it says what it does in %s" % (name, log), flush=True)
    return child


def greet():
    """What to open, what to ask."""
    page = "http://%s/consoles/index.html" % PROMETHEUS
    print("\n  shop floor   %s" % page)
    print("  Prometheus   http://%s      alerts: http://%s/classic/alerts" % (PROMETHEUS, PROMETHEUS))
    print("  Alertmanager http://%s" % ALERTMANAGER)
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
    """Starts all, waits, ends all; 1 if one of them ended by itself."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    FOLDER.mkdir(parents=True, exist_ok=True)
    children = {}
    try:
        for name, command in commands(binary).items():
            children[name] = start(name, command)
        waits = {
            "the service": SERVICE + "/health/ready",
            "Prometheus": PROMETHEUS + "/-/ready",
            "Alertmanager": ALERTMANAGER + "/-/ready",
        }
        for name, address in waits.items():
            eventually(
                "%s on %s" % (name, address), 60, lambda: alive(children) and fetch("http://" + address)[0] == 200
            )
        greet()
        while alive(children):
            time.sleep(0.5)
    except KeyboardInterrupt:
        print("\nending", flush=True)
    except (AssertionError, OSError) as error:
        print("error: %s" % error, flush=True)
        return 1
    finally:
        for child in children.values():
            child.terminate()
        for child in children.values():
            child.wait()
    return 0


def alive(children):
    """Whoever ends by itself, because its port is taken for instance, ends the others."""
    ended = [name for name, child in children.items() if child.poll() is not None]
    if ended:
        hint = "if its port is taken by the service of the Debian package: systemctl disable --now prometheus prometheus-alertmanager"
        raise SystemExit("error: %s ended; its log is in %s; %s" % (" and ".join(ended), FOLDER, hint))
    return True


sys.exit(main(sys.argv[1]))
