"""Checks all of monitoring/ that can be checked without the programs that will read it, then the checks themselves.

Needs promtool and amtool in PATH, and the packages of tests/python/monitoring.txt.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT.parent / "tests" / "python"))

import dashboards
import mistakes
import references
import rules
from checks import Checks
from findings import Findings, Folder


def holds(module):
    """A check that fails with all that is wrong."""

    def check():
        findings = Findings()
        module.check(Folder(ROOT), findings)
        assert not findings, "\n  " + "\n  ".join(findings)

    check.__name__ = "%s_hold" % module.__name__
    return check


def every_alert_is_made_to_fire_in_the_long_runs():
    """Which alarms.py does; it is read here and not run."""
    rules_of = [group["rules"] for group in Folder(ROOT).yaml("prometheus/rules/alerts.yml")["groups"]]
    alerts = {rule["alert"] for group in rules_of for rule in group}
    heard = set(re.findall(r'scene[.]hears\(\s*"(\w+)"', Folder(ROOT).text("checks/alarms.py")))
    assert alerts == heard, "not made to fire: %s; no alerts: %s" % (sorted(alerts - heard), sorted(heard - alerts))


def main():
    """Runs all of them."""
    runner, modules = Checks(), [rules, dashboards, references]
    for module in modules:
        runner.run(holds(module))
    runner.run(every_alert_is_made_to_fire_in_the_long_runs)
    for check in mistakes.checks(ROOT):
        runner.run(check)
    runner.finish()


main()
