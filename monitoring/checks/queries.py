"""The queries of the dashboards: which of them must answer where certain processes run, and why others need not.

Asks nobody.
"""

import json
from pathlib import Path

import promql
from dashboards import VALUES
from findings import Folder

ROOT = Path(__file__).resolve().parent.parent


def wanted(doing, happened):
    """Queries that must answer, and why others need not, by where they stand; `doing` is what the processes do, in the words of
    `from` in metrics.json, `happened` are metrics that are there once something has happened, and it has."""
    folder, metrics = Folder(ROOT), json.loads((ROOT / "metrics.json").read_text())
    recorded = {
        rule["record"]: rule["expr"]
        for name in folder.all("prometheus/rules/*.yml")
        for group in folder.yaml(name)["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    queries, left_out = {}, {}
    for name in folder.all("grafana/dashboards/*.json"):
        for panel in folder.json(name)["panels"]:
            for target in panel.get("targets", []):
                if target["datasource"]["uid"] != "prometheus":
                    continue
                where, text = "%s, %s, %s" % (Path(name).stem, panel["title"], target["refId"]), target["expr"]
                for variable in sorted(VALUES, key=len, reverse=True):
                    text = text.replace(variable, VALUES[variable])
                reason = excuse(text, metrics, recorded, (doing, happened))
                if reason:
                    left_out[where] = reason
                else:
                    queries[where] = text
    return queries, left_out


def excuse(text, metrics, recorded, scene):
    """Why this query need not answer here."""
    if text.rstrip().endswith("> 0") and "restarts" not in text:
        return "shows only what is wrong"
    for name in sorted(promql.metrics(text)):
        if name in recorded:
            # One side of an `or` is enough: queues of Solace are not here.
            reason = None if " or " in recorded[name].replace("\n", " ") else excuse(recorded[name], metrics, recorded, scene)
        else:
            reason = absence(name, metrics, *scene)
        if reason:
            return reason
    return None


def absence(name, metrics, doing, happened):
    """Why nobody here exports this metric."""
    if name in metrics["others"]:
        known, seen = metrics["others"][name], "always"
    else:
        base = name if name in metrics["metrics"] else name.rsplit("_", 1)[0]
        known, seen = metrics["metrics"][base], metrics["metrics"][base]["seen"]
    if known["from"] not in doing:
        return "`%s` is exported by %s" % (name, known["from"])
    if seen == "when it happens" and name not in happened:
        return "`%s`: it did not happen" % name
    return None
