"""Checks all of terraform/ with Terraform itself and without a registry or a broker: providers have stand-ins.

Needs `terraform` in PATH and the packages of tests/python/terraform.txt; takes a folder to work in, which it empties.
"""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "tests" / "python"))

import checks
import leftovers
import mistakes
import order
from workspace import AS_RENDERED, RENDERED, ROOT, Workspace

# Longer than any command of workspace.py may take.
checks.DEADLINE_SECONDS = 300

FOLDER = Path(sys.argv[1])
WHOLE = Workspace.fresh(FOLDER / "whole")
NAMES = WHOLE.root / "modules" / "names"


def everything_is_formatted():
    WHOLE.run("fmt", "-check", "-diff", "-recursive", folder=ROOT)


def module_names_needs_no_provider_and_is_valid():
    WHOLE.run("init", "-no-color", "-input=false", folder=NAMES)
    WHOLE.run("validate", "-no-color", folder=NAMES)
    assert not list(NAMES.glob(".terraform.lock.hcl")), "module names has come to need a provider"


def the_whole_is_valid_by_the_tables_of_its_providers():
    WHOLE.run("init", "-no-color", "-input=false")
    WHOLE.run("validate", "-no-color")


def nothing_is_declared_and_not_used():
    found = list(leftovers.check(ROOT))
    assert not found, "\n  " + "\n  ".join(found)


def the_agents_file_is_a_var_file_and_a_second_apply_changes_nothing():
    WHOLE.run("apply", "-auto-approve", *AS_RENDERED)
    # 2 would be: there are changes.
    WHOLE.run("plan", "-detailed-exitcode", *AS_RENDERED)


def nobody_may_publish_before_every_queue_has_its_subscriptions():
    found = list(order.check(WHOLE.applied()))
    assert not found, found


def d22_no_output_holds_a_password():
    told = WHOLE.run("output", "-json", "-no-color")
    assert not [name for name, login in RENDERED["users"].items() if login["password"] in told], told


def what_turnover_is_made_of_is_neither_destroyed_nor_replaced():
    code, said = WHOLE.outcome("destroy", "-auto-approve", *AS_RENDERED)
    assert code and "prevent_destroy" in said, said
    code, said = WHOLE.outcome("plan", *AS_RENDERED, "-var=pos_topic_prefix=other")
    assert code and "prevent_destroy" in said, said


def tests_of(folder):
    """Each run of `terraform test` as a check."""
    said = WHOLE.outcome("test", "-json", folder=folder)[1]
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    about = [(line.get("@testfile"), line.get("@testrun"), line["diagnostic"]) for line in lines if "diagnostic" in line]
    runs = [line["test_run"] for line in lines if line.get("test_run", {}).get("progress") == "complete"]
    if not runs:
        yield verdict("tests_of_%s" % folder.name, said)
    for run in runs:
        told = ["%(summary)s: %(detail)s" % one for file, name, one in about if (file, name) == (run["path"], run["run"])]
        name = "%s_%s" % (Path(run["path"]).name.split(".")[0], run["run"])
        yield verdict(name, None if run["status"] == "pass" else "\n".join([run["status"], *told]))


def verdict(name, complaint):
    """A check whose outcome is known."""

    def check():
        assert complaint is None, complaint

    check.__name__ = name
    return check


def main():
    """Runs all of them."""
    runner = checks.Checks()
    runner.run(everything_is_formatted)
    runner.run(module_names_needs_no_provider_and_is_valid)
    runner.run(the_whole_is_valid_by_the_tables_of_its_providers)
    runner.run(nothing_is_declared_and_not_used)
    for folder in (NAMES, WHOLE.root):
        for check in tests_of(folder):
            runner.run(check)
    for check in mistakes.checks(WHOLE):
        runner.run(check)
    runner.run(the_agents_file_is_a_var_file_and_a_second_apply_changes_nothing)
    runner.run(nobody_may_publish_before_every_queue_has_its_subscriptions)
    runner.run(d22_no_output_holds_a_password)
    runner.run(what_turnover_is_made_of_is_neither_destroyed_nor_replaced)
    runner.finish()


main()
