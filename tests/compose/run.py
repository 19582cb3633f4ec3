"""Checks docker-compose.yml and what belongs to it without an engine, then the checks themselves.

Reads one JSON object from standard input: `binary`, the program under test with feature `solace`, the folder of `solclient`, and
where `bao`, `compose`, `hadolint` and `traefik` are.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / "tests" / "python"), str(ROOT / "monitoring" / "checks")]

import checks
import balancer
import defects
import mistakes
import rehearsal
import rules
from findings import Findings
from project import Project
from tools import Program, Tools, profiles

# A debug build on a busy machine needs its time; longer than any wait, so that what fails says what it waited for.
checks.DEADLINE_SECONDS = 300

GIVEN = json.load(sys.stdin)


def holds(name, rule, project):
    """A check that fails with all that is wrong."""

    def check():
        findings = Findings()
        rule(project, findings)
        assert not findings, "\n  " + "\n  ".join(findings)

    check.__name__ = name
    return check


def main():
    """Runs all of them."""
    runner, project = checks.Checks(), Project(ROOT, GIVEN["compose"])
    others = Tools(GIVEN["hadolint"], GIVEN["compose"], GIVEN["traefik"])
    runner.run(holds("compose_understands_every_profile", others.understood, project))
    runner.run(holds("hadolint_has_nothing_to_say", others.linted, project))
    runner.run(holds("profiles_build_on_each_other", profiles, project))
    for rule in rules.ALL:
        runner.run(holds("%s_hold" % rule.__name__, rule, project))
    for defect in defects.ALL:
        runner.run(holds(defect.__name__, defect, project))
    runner.run(holds("traefik_takes_its_files_and_answers_its_health_check", others.balanced, project))
    program = Program(GIVEN["binary"], GIVEN["solclient"])
    runner.run(holds("the_program_finds_its_libraries_in_the_image", program.finds_its_libraries, project))
    stage, acts, folder = rehearsal.checks(project, GIVEN["binary"], GIVEN["bao"])
    with folder, stage:
        for act in acts + [balancer.shows_a_certificate(GIVEN["traefik"], stage)]:
            runner.run(act)
    for check in mistakes.checks(ROOT, others, program):
        runner.run(check)
    runner.finish()


main()
