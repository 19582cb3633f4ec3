"""Collector, Tempo, Loki, promtail and the Solace exporter: YAML that reads, and names that lead somewhere.

None of these programs can be had here, so nothing says that they would accept the files; see which checks there are below.
"""

import configparser
import re

KINDS = ["receivers", "processors", "exporters"]


def check(folder, findings):
    """All of it."""
    collector(folder, findings)
    exporter(folder, findings)
    for name in ("tempo/tempo.yaml", "loki/loki.yaml", "loki/promtail.yaml"):
        readable(folder, findings, name)
    if not findings:
        agree(folder, findings)


def readable(folder, findings, name):
    """YAML, and something in it."""
    try:
        findings.unless(isinstance(folder.yaml(name), dict), name, "says nothing")
    except Exception as error:  # whatever the parser cannot read is a finding
        findings.say(name, "is no YAML: %s" % error)


def collector(folder, findings):
    """Pipelines use what is defined, what is defined is used, and the order of processors is the one that protects."""
    where = "collector/config.yaml"
    config = folder.yaml(where)
    service = config["service"]
    for kind in KINDS:
        used = {name for pipeline in service["pipelines"].values() for name in pipeline[kind]}
        for name in sorted(used - set(config[kind])):
            findings.say(where, "%s: %s is used and not defined" % (kind, name))
        for name in sorted(set(config[kind]) - used):
            findings.say(where, "%s: %s is defined and not used" % (kind, name))
    for name in sorted(set(config["extensions"]) ^ set(service["extensions"])):
        findings.say(where, "the extension %s is defined or enabled, but not both" % name)
    findings.unless("health_check" in service["extensions"], where, "health_check is not enabled")
    for name, pipeline in service["pipelines"].items():
        order = [processor.split("/")[0] for processor in pipeline["processors"]]
        findings.unless(order[0] == "memory_limiter", where, "%s: memory_limiter is not the first" % name)
        findings.unless(order[-1] == "batch", where, "%s: batch is not the last" % name)
        findings.unless("debug" not in pipeline["exporters"], where, "%s: prints every span" % name)
    policies = config["processors"]["tail_sampling"]["policies"]
    for wanted in ("status_code", "latency", "probabilistic"):
        findings.unless(wanted in [policy["type"] for policy in policies], where, "tail sampling has no %s" % wanted)
    for policy in policies:
        findings.unless(policy["type"] in policy, where, "policy %s does not say what it needs" % policy["name"])


def agree(folder, findings):
    """Ports and hosts that one file names and another one offers; components that the secrets' template completes."""
    config = folder.yaml("collector/config.yaml")
    reader = config["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    scraped = folder.text("prometheus/prometheus.yml")
    findings.unless(
        "otel-collector:%d" % reader["port"] in scraped, "collector/config.yaml", "its own metrics are not scraped"
    )
    sources = folder.text("grafana/provisioning/datasources/datasources.yml")
    for name, host in (("tempo/tempo.yaml", "tempo"), ("loki/loki.yaml", "loki")):
        port = folder.yaml(name)["server"]["http_listen_port"]
        findings.unless("http://%s:%d" % (host, port) in sources, name, "Grafana asks another port than %d" % port)
    receiver = folder.yaml("tempo/tempo.yaml")["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    sent = config["exporters"]["otlp/tempo"]["endpoint"]
    findings.unless(
        sent.split(":")[1] == receiver.split(":")[1], "collector/config.yaml", "Tempo does not listen on %s" % sent
    )
    template = folder.path("../vault/agent/templates/otel-collector.yaml.ctmpl")
    text = template.read_text()
    for kind, name in re.findall(r"^(receivers|exporters):\n  ([\w/]+):", text, re.M):
        findings.unless(
            name in config[kind], str(template), "completes %s: %s, which the collector does not have" % (kind, name)
        )
    labels = {"service", "level", "verdict"}
    for scrape in folder.yaml("loki/promtail.yaml")["scrape_configs"]:
        for stage in scrape["pipeline_stages"]:
            for label in set(stage.get("labels", {})) - labels:
                findings.say("loki/promtail.yaml", "the label %s is not bounded" % label)


def exporter(folder, findings):
    """Only our queues, a login from the environment, and the path that Prometheus asks."""
    where = "solace-exporter/solace_prometheus_exporter.ini"
    config = configparser.ConfigParser()
    config.optionxform = str
    config.read_string(folder.text(where))
    for secret in ("username", "password"):
        findings.unless(secret not in config["solace"], where, "%s belongs in the environment" % secret)
    endpoints = [name.split(".", 1)[1] for name in config.sections() if name.startswith("endpoint.")]
    jobs = {job["job_name"]: job for job in folder.yaml("prometheus/prometheus.yml")["scrape_configs"]}
    asked = jobs.get("solace-exporter", {}).get("metrics_path", "").lstrip("/")
    findings.unless(asked in endpoints, where, "has no endpoint %s" % asked)
    for endpoint in endpoints:
        for source, what in config["endpoint." + endpoint].items():
            findings.unless(
                what.split("|")[1].startswith("sale_pos_transaction"),
                where,
                "%s asks for more than our queues" % source,
            )
