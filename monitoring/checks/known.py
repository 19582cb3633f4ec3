"""Whether rules, dashboards and runbooks name only what is exported: metrics.json, and series that our own rules record.

Whether the processes keep to metrics.json is tested elsewhere, by scraping one under load.
"""

import re

import promql

# What Prometheus adds to every series.
ADDED = {"job", "instance", "le", "__name__"}

SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


class Known:
    """Names, their labels, and the values that labels may have."""

    def __init__(self, folder):
        document = folder.json("metrics.json")
        self.labels = {}
        for name, metric in document["metrics"].items():
            for suffix in SUFFIXES[metric["type"]]:
                self.labels[name + suffix] = metric["labels"]
        for name, metric in document["others"].items():
            self.labels[name] = {label: {} for label in metric["labels"]}
        self.recorded = {
            rule["record"]
            for name in folder.all("prometheus/rules/*.yml")
            for group in folder.yaml(name)["groups"]
            for rule in group["rules"]
            if "record" in rule
        }

    def judge(self, findings, where, expression):
        """Everything in an expression that does not exist."""
        for name in sorted(promql.metrics(expression)):
            exists = name in self.labels or name in self.recorded
            findings.unless(exists, where, "nobody exports `%s`" % name)
        for metric, label, operator, value in sorted(promql.matchers(expression)):
            if metric in self.labels and label not in ADDED:
                self._judge_label(findings, where, metric, label, operator, value)
        labels = {label for allowed in self.labels.values() for label in allowed} | ADDED | {"queue", "role"}
        for label in sorted(promql.grouped(expression) - labels):
            findings.say(where, "no metric has the label `%s`" % label)

    def _judge_label(self, findings, where, metric, label, operator, value):
        allowed = self.labels[metric].get(label)
        if allowed is None:
            findings.say(where, "`%s` has no label `%s`" % (metric, label))
        elif operator in ("=", "!=") and "one_of" in allowed and value not in allowed["one_of"]:
            findings.say(where, '`%s` never has %s="%s"' % (metric, label, value))
        elif operator == "=~" and "one_of" in allowed:
            for word in value.split("|"):
                plain = re.fullmatch(r"[a-z_]+", word)
                findings.unless(
                    not plain or word in allowed["one_of"], where, '`%s` never has %s="%s"' % (metric, label, word)
                )
