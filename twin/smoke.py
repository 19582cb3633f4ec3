"""The whole stack for a moment, under a little load: what must hold before a commit. The long script is disasters.py.

Reads one JSON object from standard input: `binary`, the program under test, `target`, where other programs are, and `folder`.
"""

import json
import re
import sys
import time
from datetime import datetime

import places

import checks
from servers import eventually, fetch
from scene import Scene
from services import VALIDATIONS
from supervise import Process, Supervisor, refuse
from tills import Timeline
from view import table

# Longer than any wait below, so that what fails says what it waited for.
checks.DEADLINE_SECONDS = 600

GIVEN = json.load(sys.stdin)


def the_table_says_what_was_heard_last_of_who_is_not_ready():
    process = Process("clerk", ["sleep", "600"], lambda: refuse("503\nwaiting for secrets " + "x" * 500))
    supervisor = Supervisor([process], SCENE.stack.folder / "table")
    supervisor.start()
    drawn = lambda: table(supervisor.keepers.values(), 120)
    eventually("its word in the table", 30, lambda: "503 waiting for secrets x" in drawn()[1] or refuse(drawn()[1]))
    assert all(len(line) <= 120 and "\n" not in line for line in drawn()), drawn()
    supervisor.stop()
    assert "waiting" not in drawn()[1], drawn()


def a_cut_that_nothing_excuses_is_found():
    file = SCENE.stack.folder / "table" / "timeline.ndjson"
    second = '{"at":"2026-01-01T00:00:%02dZ","statuses":{"200":9,"404":%d},"cuts":%d,"timeouts":0}'
    file.write_text("\n".join([second % (1, 1, 1), second % (2, 0, 0), second % (3, 0, 2), (second % (4, 0, 0))[:20]]))
    report = {"cuts": 3, "timeouts": 0, "statuses": {"200": 36, "404": 1}}
    at = datetime.fromisoformat("2026-01-01T00:00:00+00:00").timestamp()
    timeline = Timeline(file)
    timeline.excuses.append((at + 0.5, at + 0.9, ("cut", "timeout")))
    assert timeline.strays(report) == {"cut": 2, 404: 1}, timeline.strays(report)
    timeline.excuses.append((at + 0.5, at + 2.5, ("cut", 404)))
    assert not timeline.strays(report), timeline.strays(report)
    timeline.excuses = [(at + 1.5, at + 1.6, ("cut", 404))]
    assert timeline.strays(report) == {"cut": 3, 404: 1}, timeline.strays(report)


def all_of_it_starts():
    SCENE.start()


def turnover_is_live_through_the_balancer():
    SCENE.begin_load()

    def grows():
        status, text = SCENE.ask("/api/v1/pos/turnover?limit=100", "reporting-service")
        assert status == 200, text
        return {row["store_id"] for row in json.loads(text)} & {"STORE_%d" % store for store in range(11, 21)}

    eventually("turnover of the load's stores", 60, grows)


def the_live_page_comes_through_the_balancer():
    status, text = SCENE.ask("/", "reporting-service")
    assert status == 200, text
    files = re.findall(r'(?:href|src)="(page/[^"]+)"', text)
    assert files and {SCENE.ask("/" + file, "reporting-service")[0] for file in files} == {200}, files
    assert SCENE.ask("/api/v1/stores", "reporting-service")[0] == 200


def the_page_that_finds_a_transaction_leads_through_the_balancer():
    """An `instance` is an address that in compose only containers reach."""
    sale = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    page = SCENE.stack.ports.url("prometheus", "/consoles/transaction.html?id=" + sale)
    links = lambda: re.findall('href="([^"]+/journey)"', fetch(page)[1])
    eventually("a link", 60, lambda: links() or refuse(fetch(page)[1]))
    assert links() == ["%s/api/v1/transactions/%s/journey" % (SCENE.stack.entrance(), sale)], links()
    status, text = fetch(links()[0], SCENE.operator.user("reporting-service"))
    assert status == 404 and sale in text, (status, text)


def what_is_a_processs_own_does_not_pass_the_balancer():
    for path in ["/metrics", "/health/ready", "/api/v1/health", "/api/v1/actors", "/api/v1/secrets", "/api/v1/log"]:
        assert SCENE.ask(path, "admin")[0] == 404, path
    for path in ["/api/v1/pos/docs/../../../../metrics", "/api/v1/pos%2f..%2f..%2f../metrics", "/health%2Fready"]:
        assert SCENE.ask(path, "admin")[0] in (400, 404), path


def the_balancer_speaks_tls_and_logs_the_trace_of_what_it_refuses():
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    url = "https://127.0.0.1:%d/validation-service/api/v1/ledger" % SCENE.stack.ports["traefik-tls"]
    authority = SCENE.stack.folder / "balancer" / "tls" / "ca.pem"
    headers = {"traceparent": "00-%s-00f067aa0ba902b7-01" % trace}
    assert fetch(url, trust=authority, headers=headers)[0] == 401

    def logged():
        lines = [json.loads(line) for line in SCENE.supervisor["traefik"].log.read_text().splitlines() if "TraceId" in line]
        return [line for line in lines if (line["TraceId"], line["DownstreamStatus"]) == (trace, 401)]

    eventually("the line in the access log", 20, logged)


def d27_every_process_is_a_target_of_its_own():
    def all_up():
        targets = SCENE.prometheus.get("targets", state="active")["activeTargets"]
        down = [target["scrapeUrl"] + " " + target["lastError"] for target in targets if target["health"] != "up"]
        assert not down, down
        instances = {target["labels"]["instance"] for target in targets if target["labels"]["job"] == "validation"}
        return instances == {SCENE.stack.ports.host(name) for name in VALIDATIONS} and len(targets) > len(VALIDATIONS)

    eventually("all targets to be up", 120, all_up)


def a_replica_that_is_killed_costs_no_sale_and_comes_back():
    SCENE.kill("validation-1")
    SCENE.load.sells()


def all_replicas_killed_at_once_are_a_503_that_says_when_to_come_back():
    began = time.time()
    # Held: they would be back before a sale has come to all of them.
    for name in VALIDATIONS:
        SCENE.supervisor.hold(name)
    eventually("a 503", 60, lambda: SCENE.load.answers(began)[503] or SCENE.load.alive())
    for name in VALIDATIONS:
        SCENE.supervisor.let_go(name)
    SCENE.until_all_ready()
    # A replica has its address before it can answer, and while none is ready the balancer asks any of them.
    SCENE.load.timeline.excuse(began, "timeout")
    SCENE.load.sells()
    # The load itself refuses a 503 without Retry-After.
    answers = SCENE.load.answers(began)
    assert set(answers) <= {200, 503, "timeout"}, dict(answers)


def a_balancer_that_is_killed_comes_back():
    began = time.time()
    SCENE.kill("traefik")
    SCENE.load.timeline.excuse(began, "cut", "timeout", 404)
    SCENE.load.sells()


def replicas_are_restarted_one_by_one_without_a_failed_request():
    began = time.time()
    for name in VALIDATIONS:
        SCENE.restart(name)
    SCENE.load.sells()
    answers = SCENE.load.answers(began)
    assert set(answers) == {200}, dict(answers)


def every_sale_that_was_answered_with_200_is_counted_once():
    report = SCENE.load.finish()
    print("%(answered)d sales, answers by status: %(statuses)s, cut: %(cuts)d" % report["load"])
    # A balancer opens its port a moment before it knows its routes; the load tells its 404 from the service's.
    assert set(report["load"]["statuses"]) <= {"200", "503", "404"}, report["load"]["statuses"]
    strays = SCENE.load.timeline.strays(report["load"])
    assert not strays, "while nobody was away whom a sale could be lost with: %s" % dict(strays)


def all_of_it_ends_in_order():
    SCENE.supervisor.stop()
    keepers, program = SCENE.supervisor.keepers, SCENE.stack.programs.tillstream
    ended = {name: keeper.statuses[-1] for name, keeper in keepers.items() if keeper.process.command[0] == program}
    assert set(ended.values()) == {0}, ended
    order = ["pos-1", "aggregation", "traefik", "validation-2", "broker", "openbao"]
    assert order == sorted(order, key=lambda name: keepers[name].ended), "another order"


RUNNER = checks.Checks()
with Scene(GIVEN, tills=1, rate=30, till_rate=5) as SCENE:
    for check in (
        the_table_says_what_was_heard_last_of_who_is_not_ready,
        a_cut_that_nothing_excuses_is_found,
        all_of_it_starts,
        turnover_is_live_through_the_balancer,
        the_live_page_comes_through_the_balancer,
        the_page_that_finds_a_transaction_leads_through_the_balancer,
        what_is_a_processs_own_does_not_pass_the_balancer,
        the_balancer_speaks_tls_and_logs_the_trace_of_what_it_refuses,
        d27_every_process_is_a_target_of_its_own,
        a_replica_that_is_killed_costs_no_sale_and_comes_back,
        all_replicas_killed_at_once_are_a_503_that_says_when_to_come_back,
        a_balancer_that_is_killed_comes_back,
        replicas_are_restarted_one_by_one_without_a_failed_request,
        every_sale_that_was_answered_with_200_is_counted_once,
        all_of_it_ends_in_order,
    ):
        RUNNER.run(check)
RUNNER.finish()
