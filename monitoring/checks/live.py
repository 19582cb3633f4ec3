"""Three replicas and a real Prometheus: each is a target of its own, and every query of the dashboards about them answers.

Reads one JSON object from standard input: `binary`, the program under test, and `folder`, an empty one.
"""

import json
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT.parent / "tests" / "python"))

import checks
import yaml

import queries
from servers import Prometheus, Service, eventually, fetch

# Longer than any wait below, so that what fails says what it waited for.
checks.DEADLINE_SECONDS = 180

GIVEN = json.load(sys.stdin)

# What these replicas do, in the words of `from` in metrics.json: all roles on the embedded broker, a listener, and traces for
# a collector that is not there.
DOING = {"every", "publisher", "consumer", "embedded", "validation", "aggregation", "reporting", "pos", "smf", "traces"}
DOING |= {"prometheus"}
SETTINGS = {"SMF__LISTEN": "127.0.0.1:0", "TRACES__ENDPOINT": "http://127.0.0.1:1"}

# Metrics that are there once something has happened, and what is made to happen below.
HAPPENED = {
    "actor_restarts_total",
    "actor_restart_duration_seconds_bucket",
    "pos_rejections_total",
    "http_refusals_total",
    "audit_records_total",
}


def config():
    """The product's own, asked more often, with the replicas' addresses instead of the names that compose knows."""
    found = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    found["global"].update(scrape_interval="1s", scrape_timeout="1s", evaluation_interval="1s")
    found["rule_files"] = [str(ROOT / "prometheus" / "rules" / "*.yml")]
    del found["alerting"]
    # No balancer is before these: links lead to each process.
    del found["global"]["external_labels"]["entrance"]
    jobs = [job for job in found["scrape_configs"] if job["job_name"] == "validation"]
    for job in jobs:
        job["static_configs"] = [{"targets": [service.address for service in SERVICES]}]
    found["scrape_configs"] = jobs
    return found


def make_things_happen():
    """One restart, one body that breaks a rule, one stranger; then every scrape sees it."""
    one = SERVICES[0]
    eventually(
        "a window to panic",
        30,
        lambda: one.fault("/api/v1/actors/root.pipeline.windows.STORE_3/fault", {"kind": "panic"}) is None,
    )
    assert one.ask("/api/v1/pos/validate_transaction", {}, one.user("pos-service"))[0] == 422
    assert one.ask("/api/v1/ledger")[0] == 401


def d27_the_replicas_are_three_targets_with_an_instance_each():
    def three():
        up = [
            target for target in PROMETHEUS.get("targets", state="active")["activeTargets"] if target["health"] == "up"
        ]
        return len({target["labels"]["instance"] for target in up}) == len(SERVICES)

    eventually("three targets to be up", 60, three)
    instances = {target["labels"]["instance"] for target in PROMETHEUS.get("targets", state="active")["activeTargets"]}
    assert instances == {service.address for service in SERVICES}, instances


def d27_no_counter_ever_jumps_back():
    """Which is what a replica behind a balancer would look like."""
    expression = 'resets(http_requests_total{endpoint="/api/v1/pos/validate_transaction"}[5m])'

    def scraped_for_a_while():
        samples = PROMETHEUS.query(
            'count_over_time(http_requests_total{endpoint="/api/v1/pos/validate_transaction",status="200"}[5m])'
        )
        return len(samples) == len(SERVICES) and all(float(sample["value"][1]) >= 10 for sample in samples)

    eventually("ten scrapes of each", 60, scraped_for_a_while)
    assert all(sample["value"][1] == "0" for sample in PROMETHEUS.query(expression))


def d28_every_query_of_the_dashboards_about_these_processes_answers():
    asked, left_out = queries.wanted(DOING, HAPPENED)
    for where, reason in sorted(left_out.items()):
        print("not asked: %s: %s" % (where, reason))
    deadline = time.monotonic() + 120
    silent = dict(asked)
    while silent and time.monotonic() < deadline:
        # A histogram that appears with its first observation has no rate before the second.
        SERVICES[0].fault("/api/v1/actors/root.pipeline.windows.STORE_3/fault", {"kind": "panic"})
        silent = {where: text for where, text in silent.items() if not PROMETHEUS.numbers(text)}
        time.sleep(5)
    print("%d queries answered" % (len(asked) - len(silent)))
    assert not silent, "no data for:\n  " + "\n  ".join("%s: %s" % each for each in silent.items())


def how_much_did_store_3_sell_in_the_last_minute():
    expression = 'sum(store_id:turnover_cents:increase1m{store_id="STORE_3"}) / 100'
    eventually(
        "turnover of STORE_3",
        120,
        lambda: [sample for sample in PROMETHEUS.query(expression) if float(sample["value"][1]) > 0],
    )


def which_actor_restarted_and_why():
    found = eventually("the restart", 90, lambda: PROMETHEUS.query("actor_reason:restarts:increase5m > 0"))
    labels = [(sample["metric"]["instance"], sample["metric"]["actor"], sample["metric"]["reason"]) for sample in found]
    assert (SERVICES[0].address, "window", "panic") in labels, labels


def a_browser_on_prometheus_shows_both():
    def shown():
        status, page = fetch(PROMETHEUS.address + "/consoles/index.html")
        assert status == 200, page
        return (
            re.search(r"<td>STORE_3</td>\s*<td class=\"number\">[0-9]*[.][0-9]{2}</td>", page)
            and "<td>panic</td>" in page
        )

    eventually("the page to show turnover and restarts", 90, shown)


def a_browser_on_prometheus_finds_a_transaction():
    """The page leads to every process that may know it; one of them does."""
    known, transaction = SERVICES[0], "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    assert known.sell(transaction=transaction)[0] == 200

    def links():
        status, page = fetch("%s/consoles/transaction.html?id=%s" % (PROMETHEUS.address, transaction))
        assert status == 200, page
        found = re.findall(r'<a href="http://([^/"]+)(/api/v1/transactions/[^"]+)"', page)
        return found if len(found) == len(SERVICES) else None

    paths = dict(eventually("a link to each replica", 30, links))
    assert set(paths) == {service.address for service in SERVICES}, paths
    eventually(
        "the journey of the sale",
        30,
        lambda: '"steps":[{"step":"received"' in known.ask(paths[known.address], user=known.user())[1],
    )
    _, page = fetch("%s/consoles/transaction.html?id=%s" % (PROMETHEUS.address, "%22%3E%3Cscript%3E/.."))
    assert "<script" not in page and "/transactions/%22%3E%3Cscript%3E%2F../journey" in page, page


def main():
    """Starts all, runs all."""
    runner = checks.Checks()
    for check in (
        d27_the_replicas_are_three_targets_with_an_instance_each,
        d27_no_counter_ever_jumps_back,
        how_much_did_store_3_sell_in_the_last_minute,
        which_actor_restarted_and_why,
        a_browser_on_prometheus_shows_both,
        a_browser_on_prometheus_finds_a_transaction,
        d28_every_query_of_the_dashboards_about_these_processes_answers,
    ):
        runner.run(check)
    return runner


FOLDER = Path(GIVEN["folder"])


def replica(name):
    """One of them."""
    return Service(GIVEN["binary"], name, FOLDER, **SETTINGS)


with replica("first") as first, replica("second") as second:
    with replica("third") as third:
        SERVICES = [first.ready(), second.ready(), third.ready()]
        with Prometheus(FOLDER, config()) as PROMETHEUS:
            make_things_happen()
            RUNNER = main()
RUNNER.finish()
