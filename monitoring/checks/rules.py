"""Prometheus: configurations, rules, their test cases and their runbooks; Alertmanager's configuration.

Syntax is judged by promtool and amtool; here is what they do not look at.
"""

import re

import promql
from known import Known

HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]

# One process, the native twin, compose: each has a block of words in the runbooks' README.
SET_UPS = 3

# What is asked of services by their names.
COMPOSE = "docker compose (?:up -d|restart|logs|kill|exec(?: -T)?|run --rm)"

# What our own roles are called, natively and in compose.
ROLES = ["validation", "aggregation", "reporting", "pos"]


def check(folder, findings):
    """All of it."""
    tools(folder, findings)
    cases(folder, findings)
    reading(folder, findings)


def tools(folder, findings):
    """What promtool and amtool say of syntax."""
    for name in folder.all("prometheus/*.yml"):
        findings.run(name, "promtool", "check", "config", "--lint-fatal", folder.path(name))
    for name in folder.all("prometheus/rules/*.yml"):
        findings.run(name, "promtool", "check", "rules", "--lint-fatal", folder.path(name))
    for name in folder.all("alertmanager/*.yml"):
        findings.run(name, "amtool", "check-config", folder.path(name))


def cases(folder, findings):
    """What promtool makes of the rules when time passes."""
    for name in folder.all("prometheus/tests/*.yml"):
        findings.run(name, "promtool", "test", "rules", folder.path(name))


def reading(folder, findings):
    """What can be seen without running anything."""
    rules = [
        rule
        for name in folder.all("prometheus/rules/*.yml")
        for group in folder.yaml(name)["groups"]
        for rule in group["rules"]
    ]
    alerts = [rule for rule in rules if "alert" in rule]
    scraping(folder, findings)
    names(folder, findings, rules)
    complete(findings, alerts)
    tested(folder, findings, rules)
    runbooks(folder, findings, {rule["alert"] for rule in alerts})
    silenced(folder, findings, alerts)


def scraping(folder, findings):
    """Every replica by itself, never through the balancer; nobody is forgotten."""
    where = "prometheus/prometheus.yml"
    jobs = {job["job_name"]: job for job in folder.yaml(where)["scrape_configs"]}
    wanted = ROLES + ["otel-collector", "traefik", "vault", "solace-exporter", "alertmanager", "prometheus"]
    for missing in sorted(set(wanted) - set(jobs)):
        findings.say(where, "nobody scrapes %s" % missing)
    for role in set(ROLES) & set(jobs):
        findings.unless(are_apart(jobs[role], role), where, "replicas of %s share a target" % role)
    for job in jobs.values():
        for target in (target for entry in job.get("static_configs", []) for target in entry["targets"]):
            findings.unless(
                not target.startswith("traefik:") or job["job_name"] == "traefik",
                where,
                "%s goes through the balancer" % target,
            )
    files = [folder.yaml(name)["rule_files"] for name in (where, "prometheus/native.yml")]
    findings.unless(files[0] == files[1], "prometheus/native.yml", "has other rules than prometheus.yml")


def are_apart(job, role):
    """Whether each replica is a target: by a name of its own, or by what one name resolves to."""
    discovery = job.get("dns_sd_configs", [])
    if [entry.get("type") for entry in discovery] == ["A"]:
        return discovery[0]["names"] == [role] and "static_configs" not in job
    targets = [target for entry in job.get("static_configs", []) for target in entry["targets"]]
    return bool(targets) and targets == ["%s-%d:8080" % (role, number) for number in range(1, len(targets) + 1)]


def names(folder, findings, rules):
    """Only series that exist."""
    known = Known(folder)
    document = folder.json("metrics.json")
    findings.unless(list(document["metrics"]) == sorted(document["metrics"]), "metrics.json", "is not in order")
    for name, other in document["others"].items():
        findings.unless("type" not in other, "metrics.json", "%s is one of ours and stands among the others" % name)
    for rule in rules:
        known.judge(findings, rule.get("alert") or rule["record"], rule["expr"])
    for page in folder.all("prometheus/consoles/*.html"):
        for expression in re.findall(r'query (?:\(printf )?"([^"]+)"', folder.text(page)):
            known.judge(findings, page, expression)


def complete(findings, alerts):
    """Every alert says how bad it is, what happened, and where to read on."""
    for alert in alerts:
        name, notes = alert["alert"], alert.get("annotations", {})
        findings.unless(
            alert.get("labels", {}).get("severity") in ("critical", "warning", "ticket"), name, "has no severity"
        )
        for note in ("summary", "description"):
            findings.unless(notes.get(note), name, "has no %s" % note)
        page = "monitoring/runbooks/%s.md" % name
        findings.unless(notes.get("runbook_url") == page, name, "does not point at %s" % page)


def tested(folder, findings, rules):
    """Every alert is shown to fire and not to fire, every recorded series has an expected value."""
    fires, silent, recorded = [], set(), set()
    for name in folder.all("prometheus/tests/*.yml"):
        for case in folder.yaml(name)["tests"]:
            recorded |= {metric for test in case.get("promql_expr_test", []) for metric in promql.metrics(test["expr"])}
            for test in case.get("alert_rule_test", []):
                labels = [alert["exp_labels"] for alert in test.get("exp_alerts", [])]
                fires += [(test["alertname"], each) for each in labels]
                silent |= set() if labels else {test["alertname"]}
    for rule in rules:
        if "record" in rule:
            findings.unless(rule["record"] in recorded, rule["record"], "no test says what it should be")
            continue
        name, own = rule["alert"], rule["labels"].items()
        findings.unless(name in silent, name, "no test says when it does not fire")
        fired = any(name == other and own <= labels.items() for other, labels in fires)
        findings.unless(fired, name, "no test says when it fires with %s" % dict(own))


def runbooks(folder, findings, alerts):
    """A page for every alert and an alert for every page; what the pages ask exists."""
    pages = {
        name.rsplit("/", 1)[1][:-3]: name for name in folder.all("runbooks/*.md") if not name.endswith("README.md")
    }
    for alert in sorted(alerts - set(pages)):
        findings.say(alert, "has no page in runbooks/")
    for page in sorted(set(pages) - alerts):
        findings.say(pages[page], "is about no alert")
    known = Known(folder)
    for page in pages.values():
        text = folder.text(page)
        findings.unless(
            re.findall(r"^## (.+)$", text, re.M) == HEADINGS, page, "needs the headings %s" % ", ".join(HEADINGS)
        )
        for quoted, bare in re.findall(r"`ask (?:'([^']+)'|([a-z_:]+))`", text):
            known.judge(findings, page, quoted or bare)
        for other in re.findall(r"\]\(([A-Za-z]+)\.md\)", text):
            findings.unless(other in pages, page, "points at %s, which is not there" % other)
    everywhere(folder, findings, pages.values())


def everywhere(folder, findings, pages):
    """Pages fit every set-up: addresses stand in the README, in the same words for each; what compose is asked for exists."""
    readme = "runbooks/README.md"
    services = folder.yaml("../docker-compose.yml")["services"]
    blocks = re.findall(r"^```sh\n(.*?)^```", folder.text(readme), re.M | re.S)
    words = [set(re.findall(r"^(\w+)(?:=|\(\))", block, re.M)) for block in blocks[:SET_UPS]]
    are_same = len(words) == SET_UPS and all(each == words[0] for each in words)
    findings.unless(are_same, readme, "has other words for one set-up: %s" % words)
    for page in [readme, *pages]:
        text = folder.text(page)
        fits = page == readme or not re.search(r"127[.]0[.]0[.]1|localhost", text)
        findings.unless(fits, page, "holds an address of one set-up")
        for names in re.findall(COMPOSE + r" ([a-z][a-z0-9 -]*)", text):
            for name in asked(names):
                findings.unless(name in services, page, "compose has no service `%s`" % name)


def asked(names):
    """Of the words behind a compose command those that name services: a list of replicas, or the one before its own command."""
    words = names.split()
    return [word for word in words if word.rsplit("-", 1)[-1].isdigit()] or words[:1]


def silenced(folder, findings, alerts):
    """Inhibition names alerts that exist, and every receiver is used."""
    where = "alertmanager/alertmanager.yml"
    config, names = folder.yaml(where), {alert["alert"] for alert in alerts}
    for matcher in [
        each for rule in config["inhibit_rules"] for each in rule["source_matchers"] + rule["target_matchers"]
    ]:
        label, value = re.fullmatch(r'(\w+) *(?:=~|=) *"?([^"]*)"?', matcher).groups()
        for name in value.split("|") if label == "alertname" else []:
            findings.unless(name in names, where, "inhibition names %s, which is no alert" % name)
    used = {config["route"]["receiver"]} | {route["receiver"] for route in config["route"]["routes"]}
    for receiver in config["receivers"]:
        findings.unless(receiver["name"] in used, where, "nothing goes to %s" % receiver["name"])
    for line in folder.text(where).splitlines():
        secret = re.match(r"[\s-]*(\w*(?:password|key|token|credentials|secret))\s*:", line)
        findings.unless(not secret, where, "a secret belongs in a file: `%s`" % line.strip())
