"""The whole stack under load while everything in it is killed, restarted, given other passwords, taken away, and restored.

Reads one JSON object from standard input: `binary`, the program under test, `target`, where other programs are, and `folder`;
`rate` is optional.
"""

import json
import shutil
import sys
import time

import places

import checks
from scene import Scene
from servers import eventually
from services import VALIDATIONS
from supervise import Supervisor

# Longer than any wait below, so that what fails says what it waited for.
checks.DEADLINE_SECONDS = 600

GIVEN = json.load(sys.stdin)
RATE = GIVEN.get("rate", 500)

# Whoever was killed is ready again within this.
BACK_SECONDS = 10

# The broker is away for so long.
AWAY_SECONDS = 30

# After each disaster, for what it does to the sales that follow.
QUIET_SECONDS = 5

ROWS = []

# Between two balancers there is nobody who could answer, and the next one opens its port before it knows its routes. A sale that a
# broker had in hand waits for `validation.publish_timeout`, which is as long as these tills wait. Only then and only so: what comes
# at any other time fails the run at its end.
MAY_BE = {"traefik": ("cut", "timeout", 404), "broker": ("timeout",)}


def told(what, began, back, may_be=()):
    """A row of the table; tills were told nothing but 200, or 503 with Retry-After, which the load itself looks for."""
    SCENE.load.timeline.excuse(began, *may_be)
    time.sleep(QUIET_SECONDS)
    SCENE.load.sells()
    answers = SCENE.load.answers(began)
    ROWS.append((what, back, answers))
    print(row(*ROWS[-1]), flush=True)
    assert set(answers) <= {200, 503, *may_be}, dict(answers)
    assert back <= BACK_SECONDS, "%s was back after %.1f s" % (what, back)


def row(what, back, answers):
    """A line of the table."""
    cells = [answers[key] for key in (200, 503, 404, "cut", "timeout")]
    return "%-38s %7.1f s %9d %7d %6d %6d %8d" % (what, back, *cells)


def table():
    """What happened, for people."""
    print("\n%-38s %9s %9s %7s %6s %6s %8s" % ("disaster", "back in", "200", "503", "404", "cut", "timeout"))
    for each in ROWS:
        print(row(*each))


def killed(name):
    """The check of one process."""

    def check():
        began = time.time()
        back = SCENE.kill(name)
        told("kill -9 " + name, began, back, MAY_BE.get(name, ()))
        SCENE.dashboards_answer(60)

    check.__name__ = "kill_9_of_%s_costs_no_sale" % name.replace("-", "_")
    return check


def all_of_it_starts():
    SCENE.start()


def sales_come_in_and_the_dashboards_answer():
    SCENE.begin_load()
    SCENE.dashboards_answer(90)


def all_three_replicas_at_once():
    began = time.time()
    told("kill -9 of all three replicas at once", began, SCENE.kill(*VALIDATIONS))


def a_rolling_restart_fails_no_request():
    began, longest = time.time(), 0
    for name in VALIDATIONS:
        longest = max(longest, SCENE.restart(name))
    SCENE.load.sells()
    answers = SCENE.load.answers(began)
    # From the request to end until it is ready again: the announcement and the drain are in it.
    ROWS.append(("rolling restart, each replica", longest, answers))
    assert set(answers) == {200}, dict(answers)


def d25_a_rotation_of_all_passwords_reaches_everybody_and_fails_no_request():
    began, at = time.time(), time.monotonic()
    paths = SCENE.rotate_all()
    took = time.monotonic() - at
    print("%d passwords rotated" % len(paths))
    time.sleep(QUIET_SECONDS)
    SCENE.load.sells()
    answers = SCENE.load.answers(began)
    ROWS.append(("rotation of %d passwords, in use" % len(paths), took, answers))
    assert set(answers) <= {200, 503}, dict(answers)


def the_broker_is_away_for_half_a_minute():
    began = time.time()
    SCENE.supervisor.hold("broker")
    time.sleep(AWAY_SECONDS)
    away = SCENE.load.answers(began + 2)
    assert away[503] > 0 and away[200] == 0, dict(away)
    SCENE.supervisor.let_go("broker")
    at = time.monotonic()
    keepers = [SCENE.supervisor[name] for name in [*VALIDATIONS, "aggregation", "reporting"]]
    eventually("everybody on the broker", 60, lambda: all(k.state == "ready" for k in keepers))
    back = time.monotonic() - at
    told("broker away for %d s" % AWAY_SECONDS, began, back, MAY_BE["broker"])
    SCENE.dashboards_answer(60)


def every_sale_that_was_answered_with_200_is_counted_once():
    report = SCENE.load.finish()
    load = report["load"]
    print("%(answered)d sales answered with 200; all answers: %(statuses)s, cut: %(cuts)d, timeouts: %(timeouts)d" % load)
    assert set(load["statuses"]) <= {"200", "503", "404"}, load["statuses"]
    strays = SCENE.load.timeline.strays(load)
    assert not strays, "while neither balancer nor broker was away: %s" % dict(strays)


def the_books_of_the_simulated_tills_balance_too():
    for name in SCENE.stack.tills:
        keeper = SCENE.supervisor[name]
        keeper.ending.set()
        keeper.send(15)
        keeper.join(30)
    print("%d sales in the books of all stores" % SCENE.balanced())


def d24_what_was_copied_while_it_stood_still_is_all_there_when_it_is_put_back():
    """A backup as docs/operations.md describes it, and the second start on data that is there."""
    turnover = SCENE.ask("/api/v1/pos/turnover?limit=1000000", "reporting-service")[1]
    books, password = SCENE.books(), SCENE.operator.user("admin")
    SCENE.supervisor.stop()
    folder, backup = SCENE.stack.folder, SCENE.stack.folder.parent / "disasters-backup"
    shutil.rmtree(backup, ignore_errors=True)
    kept = ("data", "vault-data", "vault-keys", "vault-approles")
    for name in kept:
        shutil.copytree(folder / name, backup / name)
        shutil.rmtree(folder / name)
        shutil.copytree(backup / name, folder / name)
    SCENE.supervisor = Supervisor(
        [process for process in SCENE.stack.processes() if process.name not in SCENE.stack.tills], folder, SCENE.told
    )
    SCENE.start()
    assert SCENE.operator.user("admin") == password, "another password"
    assert SCENE.books() == books, "other books"
    assert SCENE.ask("/api/v1/pos/turnover?limit=1000000", "reporting-service")[1] == turnover, "another turnover"
    shutil.rmtree(backup)


RUNNER = checks.Checks()
with Scene(GIVEN, tills=5, rate=RATE, till_rate=5) as SCENE:
    RUNNER.run(all_of_it_starts)
    RUNNER.run(sales_come_in_and_the_dashboards_answer)
    for process in SCENE.stack.processes():
        RUNNER.run(killed(process.name))
    for check in (
        all_three_replicas_at_once,
        a_rolling_restart_fails_no_request,
        d25_a_rotation_of_all_passwords_reaches_everybody_and_fails_no_request,
        the_broker_is_away_for_half_a_minute,
        every_sale_that_was_answered_with_200_is_counted_once,
        the_books_of_the_simulated_tills_balance_too,
        d24_what_was_copied_while_it_stood_still_is_all_there_when_it_is_put_back,
    ):
        RUNNER.run(check)
    table()
RUNNER.finish()
