"""The deployment's own configuration files, with the addresses of this machine instead of compose's names.

Everything else in them stays as it is: what the twin proves, it proves of these files.
"""

import yaml

from places import PREFIX, ROOT

# Who is not here: no program of theirs can be had from where CI installs.
ABSENT = {"otel-collector", "tempo", "loki", "solace-exporter"}


def write(folder, ports, scrape_seconds):
    """All of them, below the folder's `config`."""
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    ports.write(config / "ports.json")
    (config / "traefik.yml").write_text(traefik(ports))
    (config / "server.hcl").write_text(openbao(ports))
    (config / "prometheus.yml").write_text(prometheus(folder, ports, scrape_seconds))


def traefik(ports):
    """traefik/traefik.yml; dynamic/ is read where it stands."""
    found = yaml.safe_load((ROOT / "traefik" / "traefik.yml").read_text())
    for entry, name in [("web", "traefik"), ("websecure", "traefik-tls"), ("internal", "traefik-internal")]:
        found["entryPoints"][entry]["address"] = ports.host(name)
    found["providers"]["file"]["directory"] = str(ROOT / "traefik" / "dynamic")
    found["tracing"]["otlp"]["grpc"]["endpoint"] = ports.host("rotel-grpc")
    return yaml.safe_dump(found)


def openbao(ports):
    """vault/server.hcl; its paths are seen from where it is started, which is the folder."""
    text = (ROOT / "vault" / "server.hcl").read_text()
    for port, name in [("8200", "openbao"), ("8201", "openbao-cluster")]:
        assert "127.0.0.1:" + port in text, "vault/server.hcl no longer listens on %s" % port
        text = text.replace("127.0.0.1:" + port, ports.host(name))
    return text


def prometheus(folder, ports, scrape_seconds):
    """monitoring/prometheus/prometheus.yml: the same jobs and rules, addresses instead of names that a resolver knows."""
    found = yaml.safe_load((ROOT / "monitoring" / "prometheus" / "prometheus.yml").read_text())
    every = "%ds" % scrape_seconds
    found["global"].update(scrape_interval=every, scrape_timeout=every, evaluation_interval=every)
    found["global"]["external_labels"]["entrance"] = ports.url("traefik", PREFIX)
    found["rule_files"] = [str(ROOT / "monitoring" / "prometheus" / "rules" / "*.yml")]
    found["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [ports.host("alertmanager")]
    found["scrape_configs"] = [job for job in found["scrape_configs"] if job["job_name"] not in ABSENT]
    for job in found["scrape_configs"]:
        name = job["job_name"]
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [ports.host(target) for target in targets(name, ports)]}]
        if name == "vault":
            job["tls_config"]["ca_file"] = str(folder / "vault-data" / "tls" / "ca.pem")
    return yaml.safe_dump(found)


def targets(job, ports):
    """Who is scraped for a job."""
    alone = {"traefik": ["traefik-internal"], "vault": ["openbao"]}
    return alone.get(job) or [name for name in ports if name == job or name.startswith(job + "-")]
