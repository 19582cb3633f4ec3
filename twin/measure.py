"""CPU, memory and disk of every process at three rates, as markdown.

Judges the account of the sales, and no figure.

Reads one JSON object from standard input: `binary`, `target` and `folder`; `rates` and `seconds` are optional.
"""

import json
import os
import sys
import time
from pathlib import Path

import places

import checks
from scene import Scene

checks.DEADLINE_SECONDS = 1200

GIVEN = json.load(sys.stdin)
RATES = GIVEN.get("rates", [200, 500, 1000])
SECONDS = GIVEN.get("seconds", 60)
TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """Of all threads, in user and system."""
    fields = Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid):
    """Resident now and at its highest, in MiB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/%d/status" % pid).read_text().splitlines() if ":" in line)
    return [int(lines[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM")]


def written(pid):
    """Bytes that it had written to disk."""
    lines = Path("/proc/%d/io" % pid).read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


def measured(rate):
    """One check: a stack of its own, a minute of load."""

    def check():
        folder = Path(GIVEN["folder"]) / str(rate)
        normal = {"WINDOW__SIZE": "10s", "WINDOW__ALLOWED_LATENESS": "30s", "WINDOW__DISORDER": "1s", "WINDOW__IDLE": "5s"}
        with Scene({**GIVEN, "folder": folder}, 0, rate, 0, SECRETS__REFRESH="30s", **normal) as scene:
            scene.start()
            scene.begin_load()
            # Until windows are final and forgotten as fast as they come.
            time.sleep(60)
            pids = {name: keeper.pid() for name, keeper in scene.supervisor.keepers.items()}
            pids["load"] = scene.load.child.pid
            before = {name: (cpu_seconds(pid), written(pid)) for name, pid in pids.items()}
            began = time.time()
            time.sleep(SECONDS)
            took, answers = time.time() - began, scene.load.answers(began + 1, began + SECONDS - 1)
            sold = answers[200] / (SECONDS - 1)
            print("\n%d sales per second wanted, %.0f answered with 200 (%s)\n" % (rate, sold, dict(answers)))
            print("| process | CPU, of a core | per 1,000 sales/s | resident MiB | highest MiB | written MiB/s |")
            print("| --- | ---: | ---: | ---: | ---: | ---: |")
            for name, pid in pids.items():
                cpu = (cpu_seconds(pid) - before[name][0]) / took
                disk = (written(pid) - before[name][1]) / took / 2**20
                print("| %s | %.3f | %.2f | %.0f | %.0f | %.2f |" % (name, cpu, cpu / sold * 1000, *memory(pid), disk))
            scene.load.finish()
            used = sum(f.stat().st_size for f in (scene.stack.folder / "data").rglob("*") if f.is_file()) / 2**20
            print("\ndata after the run: %.0f MiB" % used, flush=True)

    check.__name__ = "%d_sales_per_second" % rate
    return check


RUNNER = checks.Checks()
for each in RATES:
    RUNNER.run(measured(each))
RUNNER.finish()
