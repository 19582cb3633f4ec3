"""Mistakes that somebody will make one day, each in a copy of the folder: the check that should find it must.

A check that nobody has seen fail proves nothing.
"""

import shutil
import tempfile
from pathlib import Path

import dashboards
import references
import rules
from findings import Findings, Folder

# Who must find it; file; what stands there, what somebody writes instead (None: the file is gone); what must be said.
MISTAKES = {
    "a_misspelt_metric_in_a_rule": (
        rules.reading,
        "prometheus/rules/alerts.yml",
        "broker_connected == 0",
        "broker_conected == 0",
        "nobody exports `broker_conected`",
    ),
    "a_misspelt_metric_in_a_dashboard": (
        dashboards.check,
        "grafana/dashboards/actors.json",
        "actor_mailbox_depth",
        "actor_mailbox_size",
        "nobody exports `actor_mailbox_size`",
    ),
    "one_of_our_metrics_among_the_others": (
        rules.reading,
        "metrics.json",
        '"up": {"from"',
        '"up": {"type": "gauge", "from"',
        "up is one of ours and stands among the others",
    ),
    "a_misspelt_metric_on_a_page": (
        rules.reading,
        "prometheus/consoles/index.html",
        "sum(actor_reason:restarts",
        "sum(actor_reasons:restarts",
        "nobody exports `actor_reasons:restarts:increase5m`",
    ),
    "a_misspelt_metric_in_a_runbook": (
        rules.reading,
        "runbooks/DiskSpaceLow.md",
        "`ask 'queue:messages:max'`",
        "`ask 'queue:messages:most'`",
        "nobody exports `queue:messages:most`",
    ),
    "a_label_value_that_never_comes": (
        rules.reading,
        "prometheus/rules/recording.yml",
        "accepted|corrected",
        "acepted|corrected",
        'never has outcome="acepted"',
    ),
    "a_label_that_is_not_there": (
        dashboards.check,
        "grafana/dashboards/broker.json",
        "by (queue) (broker_unack",
        "by (queues) (broker_unack",
        "no metric has the label `queues`",
    ),
    "a_panel_that_is_no_promql": (
        dashboards.check,
        "grafana/dashboards/slo.json",
        "1 - sales:errors:ratio_rate1h",
        "1 - (sales:errors:ratio_rate1h",
        "could not parse expression",
    ),
    "a_rule_that_is_no_promql": (
        rules.tools,
        "prometheus/rules/alerts.yml",
        "actor_up == 0",
        "actor_up === 0",
        "could not parse expression",
    ),
    "an_unknown_key_in_a_rule": (
        rules.tools,
        "prometheus/rules/alerts.yml",
        "        for: 2m",
        "        fro: 2m",
        "field fro not found",
    ),
    "an_unknown_key_in_the_configuration": (
        rules.tools,
        "prometheus/prometheus.yml",
        "scrape_timeout: 5s",
        "scrape_time: 5s",
        "field scrape_time not found",
    ),
    "a_threshold_that_tests_do_not_expect": (
        rules.cases,
        "prometheus/rules/alerts.yml",
        "> 14.4 * 0.001",
        "> 144 * 0.001",
        "FAILED",
    ),
    "an_alert_without_a_runbook": (
        rules.reading,
        "runbooks/LateSales.md",
        "",
        None,
        "LateSales: has no page in runbooks/",
    ),
    "an_address_that_only_one_set_up_has": (
        rules.reading,
        "runbooks/NotStarted.md",
        "$process/health/ready",
        "http://127.0.0.1:8080/health/ready",
        "NotStarted.md: holds an address of one set-up",
    ),
    "a_container_that_is_not_there": (
        rules.reading,
        "runbooks/RoleMissing.md",
        "up -d validation-1 validation-2 validation-3",
        "up -d validation",
        "RoleMissing.md: compose has no service `validation`",
    ),
    "a_set_up_without_one_of_the_words": (
        rules.reading,
        "runbooks/README.md",
        "password() { cargo xtask stack",
        "secret() { cargo xtask stack",
        "README.md: has other words for one set-up",
    ),
    "an_alert_that_points_elsewhere": (
        rules.reading,
        "prometheus/rules/alerts.yml",
        "runbooks/ActorDown.md",
        "runbooks/ActorUp.md",
        "ActorDown: does not point at",
    ),
    "an_alert_without_a_test": (
        rules.reading,
        "prometheus/rules/alerts.yml",
        "alert: LateSales",
        "alert: TardySales",
        "TardySales: no test says when it does not fire",
    ),
    "a_recorded_series_without_a_test": (
        rules.reading,
        "prometheus/rules/recording.yml",
        "record: sales:paid:rate1m",
        "record: sales:paid:rate2m",
        "sales:paid:rate2m: no test says what it should be",
    ),
    "replicas_scraped_through_the_balancer": (
        rules.reading,
        "prometheus/prometheus.yml",
        "targets: [tempo:3200]",
        "targets: [traefik:80]",
        "traefik:80 goes through the balancer",
    ),
    "replicas_that_share_a_target": (
        rules.reading,
        "prometheus/prometheus.yml",
        "targets: [validation-1:8080, validation-2:8080, validation-3:8080]",
        "targets: [validation:8080]",
        "replicas of validation share a target",
    ),
    "tills_that_share_a_target": (
        rules.reading,
        "prometheus/prometheus.yml",
        "names: [pos]",
        "names: [tills]",
        "replicas of pos share a target",
    ),
    "a_collector_that_nobody_scrapes": (
        references.check,
        "prometheus/prometheus.yml",
        "otel-collector:8888",
        "otel-collector:9464",
        "its own metrics are not scraped",
    ),
    "an_unknown_receiver_of_alerts": (
        rules.tools,
        "alertmanager/alertmanager.yml",
        "receiver: pagerduty",
        "receiver: pager",
        'undefined receiver "pager"',
    ),
    "a_secret_in_the_configuration": (
        rules.reading,
        "alertmanager/alertmanager.yml",
        "routing_key_file: /etc/alertmanager/secrets/pagerduty_key",
        "routing_key: abc",
        "a secret belongs in a file",
    ),
    "an_inhibition_by_nobody": (
        rules.reading,
        "alertmanager/alertmanager.yml",
        "alertname = BrokerLegDown",
        "alertname = BrokerDown",
        "BrokerDown, which is no alert",
    ),
    "an_unknown_key_of_a_panel": (
        dashboards.check,
        "grafana/dashboards/pipeline.json",
        '"spanNulls"',
        '"spanNullz"',
        "Grafana's schema does not know",
    ),
    "an_unknown_panel": (
        dashboards.check,
        "grafana/dashboards/pipeline.json",
        '"type": "stat"',
        '"type": "stats"',
        "`stats` is no panel",
    ),
    "a_source_that_provisioning_does_not_make": (
        dashboards.check,
        "grafana/dashboards/find-a-transaction.json",
        '"uid": "tempo"',
        '"uid": "P2144"',
        "asks the source P2144",
    ),
    "a_variable_that_nobody_defines": (
        dashboards.check,
        "grafana/dashboards/actors.json",
        "$instance",
        "$process",
        "nobody defines $process",
    ),
    "a_link_between_sources_that_is_gone": (
        dashboards.check,
        "grafana/provisioning/datasources/datasources.yml",
        "tracesToMetrics",
        "tracesToMetric",
        "tempo has no tracesToMetrics",
    ),
    "an_exporter_that_is_not_defined": (
        references.check,
        "collector/config.yaml",
        "exporters: [otlp/tempo]",
        "exporters: [otlp/jaeger]",
        "exporters: otlp/jaeger is used and not defined",
    ),
    "a_health_check_that_is_not_enabled": (
        references.check,
        "collector/config.yaml",
        "extensions: [health_check]",
        "extensions: []",
        "health_check is not enabled",
    ),
    "a_memory_limiter_that_comes_too_late": (
        references.check,
        "collector/config.yaml",
        "[memory_limiter, tail_sampling, batch]",
        "[tail_sampling, memory_limiter, batch]",
        "memory_limiter is not the first",
    ),
    "queues_that_are_not_ours": (
        references.check,
        "solace-exporter/solace_prometheus_exporter.ini",
        "*|sale_pos_transaction_*",
        "*|*",
        "asks for more than our queues",
    ),
}


def checks(root):
    """One check per mistake, for the runner."""
    return [_check(root, name, *mistake) for name, mistake in MISTAKES.items()]


def _check(root, name, who, file, old, new, said):
    def check():
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "monitoring"
            shutil.copytree(root, copy, ignore=shutil.ignore_patterns("checks"))
            shutil.copytree(root.parent / "vault" / "agent", Path(folder) / "vault" / "agent")
            shutil.copy(root.parent / "docker-compose.yml", folder)
            _spoil(copy / file, old, new)
            findings = Findings()
            who(Folder(copy), findings)
            assert any(said in finding for finding in findings), "nobody says `%s`, but: %s" % (
                said,
                "; ".join(findings),
            )

    check.__name__ = name + "_is_found"
    return check


def _spoil(path, old, new):
    if new is None:
        path.unlink()
        return
    text = path.read_text()
    assert old in text, "%s has no `%s` any more: choose another mistake" % (path.name, old)
    path.write_text(text.replace(old, new))
