"""Grafana: dashboards as Grafana's own schema reads them, every panel's query, and the sources that provisioning makes.

Whether a panel shows something is tested elsewhere, against a real Prometheus.
"""

import json
import re
import tempfile
from pathlib import Path

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from known import Known

PANELS = {"bargauge", "logs", "row", "stat", "table", "text", "timeseries"}

# What stands for variables while an expression is only looked at.
VALUES = {"$__rate_interval": "1m", "$instance": ".*", "$store": ".*", "$id": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}

# Span attributes by which a trace is found, and labels that promtail gives.
ATTRIBUTES = {"pos.transaction.id"}
LOG_LABELS = {"service", "level", "verdict"}


def check(folder, findings):
    """All of it."""
    register_default_plugins()
    sources = {
        source["uid"]: source
        for source in folder.yaml("grafana/provisioning/datasources/datasources.yml")["datasources"]
    }
    linked(findings, sources)
    uids, expressions = [], {}
    for name in folder.all("grafana/dashboards/*.json"):
        dashboard = folder.json(name)
        uids.append(dashboard["uid"])
        survives(findings, name, dashboard)
        laid_out(findings, name, dashboard)
        for panel in dashboard["panels"]:
            described(findings, name, panel)
            expressions.update(queries(findings, name, dashboard, panel, sources))
    findings.unless(len(uids) == len(set(uids)), "grafana/dashboards", "two dashboards have one uid")
    known = Known(folder)
    for where, expression in expressions.items():
        known.judge(findings, where, expression)
    parse(findings, expressions)


def linked(findings, sources):
    """Links between sources lead to sources that exist."""
    where = "grafana/provisioning/datasources"
    for uid in re.findall(r'"(?:datasourceUid|datasource_uid)": "([^"]*)"', json.dumps(sources)):
        findings.unless(uid in sources, where, "links to the source %s, which is not there" % uid)
    ways = {
        "prometheus": ["exemplarTraceIdDestinations"],
        "tempo": ["tracesToLogsV2", "tracesToMetrics"],
        "loki": ["derivedFields"],
    }
    for uid, keys in ways.items():
        for key in keys:
            findings.unless(key in sources.get(uid, {}).get("jsonData", {}), where, "%s has no %s" % (uid, key))


def survives(findings, name, dashboard):
    """Grafana's schema must know every key: one that it does not know is dropped without a word."""
    try:
        read = json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))
    except Exception as error:  # whatever the schema cannot read is a finding
        findings.say(name, "cannot be read: %r" % error)
        return
    for path in lost(dashboard, read, ""):
        findings.say(name, "Grafana's schema does not know %s" % path)


def lost(written, read, path):
    """Paths of what is in `written` and not in `read`."""
    if isinstance(written, dict) and isinstance(read, dict):
        for key, value in written.items():
            yield from lost(value, read[key], path + "/" + key) if key in read else [path + "/" + key]
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for number, (value, other) in enumerate(zip(written, read)):
            yield from lost(value, other, "%s/%d" % (path, number))
    elif written != read:
        yield path


def laid_out(findings, name, dashboard):
    """Ids are unique, and panels lie beside and not upon each other."""
    ids = [panel["id"] for panel in dashboard["panels"]]
    findings.unless(len(ids) == len(set(ids)), name, "two panels have one id")
    taken = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        findings.unless(place["x"] + place["w"] <= 24, name, "panel %d is too wide" % panel["id"])
        for cell in (
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ):
            other = taken.setdefault(cell, panel["id"])
            if other != panel["id"]:
                findings.say(name, "panels %d and %d overlap" % (other, panel["id"]))
                break


def described(findings, name, panel):
    """A reader learns what is shown, in which unit, and what the axis is."""
    where = "%s, panel %d" % (name, panel["id"])
    findings.unless(panel["type"] in PANELS, where, "`%s` is no panel" % panel["type"])
    findings.unless(panel.get("title"), where, "has no title")
    if panel["type"] == "row":
        return
    findings.unless(panel.get("description"), where, "has no description")
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    if panel["type"] in ("timeseries", "stat", "bargauge"):
        findings.unless(defaults.get("unit"), where, "has no unit")
    if panel["type"] == "timeseries":
        findings.unless(defaults.get("custom", {}).get("axisLabel"), where, "its axis has no label")


def queries(findings, name, dashboard, panel, sources):
    """The panel's expressions for Prometheus, by where they stand; others are judged here."""
    found = {}
    own = {"$" + variable["name"] for variable in dashboard["templating"]["list"]} | {"$__rate_interval"}
    for target in panel.get("targets", []):
        where = "%s, panel %d, query %s" % (name, panel["id"], target["refId"])
        uid = target["datasource"]["uid"]
        findings.unless(uid in sources, where, "asks the source %s, which provisioning does not make" % uid)
        findings.unless(
            target["datasource"]["type"] == sources.get(uid, {}).get("type"), where, "asks a source of another type"
        )
        text = target.get("expr") or target["query"]
        for variable in sorted(set(re.findall(r"\$\w+", text)) - own):
            findings.say(where, "nobody defines %s" % variable)
        for variable in sorted(VALUES, key=len, reverse=True):
            text = text.replace(variable, VALUES[variable])
        if uid == "prometheus":
            found[where] = text
        elif uid == "loki":
            for label in re.findall(r"[{,]\s*(\w+)\s*[=!]", text):
                findings.unless(label in LOG_LABELS, where, "log lines have no label `%s`" % label)
        else:
            for attribute in re.findall(r'span\."([^"]+)"', text):
                findings.unless(attribute in ATTRIBUTES, where, "no span has `%s`" % attribute)
    return found


def parse(findings, expressions):
    """promtool reads each as the only rule of its group, so that it names the one that is wrong."""
    groups = [
        {"name": where, "rules": [{"record": "panel:query:value", "expr": text}]} for where, text in expressions.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "panels.yml"
        file.write_text(yaml.safe_dump({"groups": groups}))
        findings.run("a panel", "promtool", "check", "rules", "--lint=none", file)
