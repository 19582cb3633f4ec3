"""Mistakes that somebody will make one day, each in a copy of the files: the rule that should find it must.

A rule that nobody has seen fail proves nothing.
"""

import re
import shutil
import tempfile
from pathlib import Path

import defects
import rules
import tools
from findings import Findings
from project import Project

# What the rules read.
FILES = ["docker-compose.yml", "compose.solace-cloud.yml", ".env", ".env.example", "Dockerfile", ".dockerignore", "README.md", "ARCHITECTURE.md"]
FILES += ["LICENSE-MIT", "LICENSE-APACHE", "Makefile", "Cargo.toml", ".gitignore"]
FOLDERS = ["config", "docker", "docs", "monitoring", "terraform", "traefik", "vault", ".ci", "chaos/src", "bench/src", "xtask/src"]
FOLDERS += ["tests/e2e"]

COMPOSE, CLOUD, IMAGE = "docker-compose.yml", "compose.solace-cloud.yml", "Dockerfile"

# Who must find it; file; what stands there, what somebody writes instead (None: the file is gone); what must be said.
MISTAKES = {
    "an_image_that_moves": (rules.images, COMPOSE, "grafana/grafana:12.1.1", "grafana/grafana:latest", "another one tomorrow"),
    "an_image_without_a_version": (rules.images, COMPOSE, "prom/prometheus:v2.55.1", "prom/prometheus", "has no version"),
    "a_line_of_versions": (rules.images, COMPOSE, "traefik:v3.7.15", "traefik:saintmarcelin", "no version in its tag"),
    "a_base_image_that_moves": (rules.images, IMAGE, "rust:1.95.0-slim-bookworm", "rust:latest", "another one tomorrow"),
    "an_image_of_ours_that_nobody_builds": (
        rules.images,
        COMPOSE,
        "image: tillstream-tempo:2.8.2\n    build:",
        "image: tillstream-tempo:2.8.2\n    x-build:",
        "is ours and built 0 times",
    ),
    "a_container_without_a_health_check": (
        rules.health,
        COMPOSE,
        'test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:3000/api/health"]',
        "disable: true",
        "grafana: has no health check",
    ),
    "a_health_check_that_is_always_well": (
        rules.health,
        COMPOSE,
        'test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:3000/api/health"]',
        "test: [CMD-SHELL, exit 0]",
        "grafana: is always healthy",
    ),
    "a_container_that_stays_dead": (
        rules.restarts,
        COMPOSE,
        "restart: unless-stopped",
        'restart: "no"',
        "vault: restarts `no`",
    ),
    "a_set_up_that_is_tried_for_ever": (
        rules.restarts,
        COMPOSE,
        "restart: on-failure:5",
        "restart: unless-stopped",
        "terraform: ends, and restarts",
    ),
    "a_wait_for_a_container_that_is_only_started": (
        rules.waits,
        COMPOSE,
        "      solace: {condition: service_healthy}\n      broker-agent",
        "      solace: {condition: service_started}\n      broker-agent",
        "terraform: waits for solace: service_started",
    ),
    "a_wait_for_the_health_of_what_ends": (
        rules.waits,
        COMPOSE,
        "terraform: {condition: service_completed_successfully}",
        "terraform: {condition: service_started}",
        "aggregation: waits for terraform: service_started",
    ),
    "a_sleep": (rules.waits, COMPOSE, "rm -rf sources &&", "sleep 10; rm -rf sources &&", "terraform: sleeps"),
    "secrets_read_before_they_are_there": (
        rules.waits,
        COMPOSE,
        """    depends_on:
      prepare: {condition: service_completed_successfully}
    volumes:
      - ./monitoring/prometheus""",
        """    volumes:
      - ./monitoring/prometheus""",
        "prometheus: reads vault-authority and does not wait for prepare",
    ),
    "a_port_for_everybody": (
        rules.ports,
        COMPOSE,
        "127.0.0.1:${GRAFANA_PORT:-3000}:3000",
        "${GRAFANA_PORT:-3000}:3000",
        "grafana: is published to other machines",
    ),
    "a_port_that_nobody_opens": (
        rules.ports,
        COMPOSE,
        '      - "127.0.0.1:${HTTPS_PORT:-8443}:8443"',
        '      - "127.0.0.1:8082:8082"',
        "traefik: 8082 is for nobody",
    ),
    "two_containers_on_one_port": (
        rules.ports,
        COMPOSE,
        "${PROMETHEUS_PORT:-9090}",
        "${PROMETHEUS_PORT:-3000}",
        "3000 is taken by",
    ),
    "an_alert_that_links_to_a_container": (
        rules.links,
        COMPOSE,
        "--web.external-url=http://127.0.0.1:${PROMETHEUS_PORT:-9090}/",
        "--web.external-url=http://prometheus:9090/",
        "prometheus: makes links that nobody can open",
    ),
    "a_transaction_that_links_to_a_container": (
        rules.links,
        COMPOSE,
        "ENTRANCE: http://127.0.0.1:${HTTP_PORT:-8080}/validation-service",
        "ENTRANCE: http://reporting:8080",
        "prometheus: ENTRANCE is not",
    ),
    "an_entrance_that_is_not_expanded": (
        rules.links,
        COMPOSE,
        "exemplar-storage,expand-external-labels",
        "exemplar-storage",
        "prometheus: reads no ENTRANCE",
    ),
    "a_network_with_a_way_out": (rules.networks, COMPOSE, "  core:\n    internal: true", "  core: {}", "core: has a way out"),
    "the_hosts_network": (rules.networks, COMPOSE, "network_mode: none", "network_mode: host", "is on the network of host"),
    "a_replica_that_prometheus_does_not_find": (
        rules.networks,
        COMPOSE,
        "monitoring: {aliases: [validation]}",
        "monitoring: {aliases: [validations]}",
        "is not found as `validation`",
    ),
    "capabilities_that_are_kept": (rules.privileges, COMPOSE, "cap_drop: [ALL]", "cap_drop: [NET_RAW]", "keeps capabilities"),
    "privileges_that_may_be_gained": (
        rules.privileges,
        COMPOSE,
        "no-new-privileges:true",
        "no-new-privileges:false",
        "may gain privileges",
    ),
    "a_root_that_can_be_written": (rules.privileges, COMPOSE, "read_only: true", "read_only: false", "can be written"),
    "memory_without_end": (
        rules.privileges,
        COMPOSE,
        'limits: {cpus: "2", memory: 4G, pids: 4096}',
        'limits: {cpus: "2", pids: 4096}',
        "solace: may take all memory",
    ),
    "a_container_as_root": (rules.privileges, COMPOSE, 'user: "65532:65532"', 'user: "0:0"', "is root"),
    "the_engines_socket": (
        rules.sockets,
        COMPOSE,
        "- ./traefik:/etc/traefik:ro",
        "- ./traefik:/etc/traefik:ro\n      - /var/run/docker.sock:/var/run/docker.sock:ro",
        "the engine's socket",
    ),
    "a_kill_in_the_middle_of_the_drain": (
        rules.grace,
        COMPOSE,
        "stop_grace_period: 20s",
        "stop_grace_period: 10s",
        "validation-1: is killed after 10s, drains for 10s",
    ),
    "a_drain_that_became_longer": (rules.grace, "config/base.toml", 'grace = "10s"', 'grace = "30s"', "drains for 30s"),
    "a_password_in_the_file": (
        rules.secrets,
        COMPOSE,
        "SOLACE_PASSWORD_FILE: /srv/broker-monitor/password",
        "SOLACE_PASSWORD: swordfish",
        "solace-exporter: SOLACE_PASSWORD is written down",
    ),
    "a_password_in_the_example": (
        rules.secrets,
        ".env.example",
        "#GRAFANA_PORT=3000",
        "#GRAFANA_PORT=3000\n#GRAFANA_PASSWORD=swordfish",
        "looks like a secret",
    ),
    "a_password_in_the_override": (
        rules.secrets,
        CLOUD,
        'TF_VAR_tls: "true"',
        'TF_VAR_tls: "true"\n      TF_VAR_semp_password: swordfish',
        "TF_VAR_semp_password is written down",
    ),
    "something_else_in_the_committed_variables": (
        rules.secrets,
        ".env",
        "COMPOSE_PROFILES=demo",
        "COMPOSE_PROFILES=demo\nSOLACE_VPN=x",
        "says more than profiles",
    ),
    "a_choice_that_nobody_explains": (
        rules.variables,
        COMPOSE,
        "${TILLSTREAM_POS_RATE:-10}",
        "${TILLS_RATE:-10}",
        "does not explain TILLS_RATE",
    ),
    "a_mounted_file_that_is_not_there": (
        rules.files,
        COMPOSE,
        "./monitoring/tempo:/srv/tempo",
        "./monitoring/tempos:/srv/tempo",
        "tempos is no directory",
    ),
    "a_single_mounted_file": (
        rules.files,
        COMPOSE,
        "./monitoring/tempo:/srv/tempo:ro",
        "./monitoring/tempo/tempo.yaml:/srv/tempo/tempo.yaml:ro",
        "tempo.yaml is no directory",
    ),
    "sources_that_can_be_written": (
        rules.files,
        COMPOSE,
        "./monitoring/tempo:/srv/tempo:ro",
        "./monitoring/tempo:/srv/tempo",
        "may write into the sources",
    ),
    "a_volume_that_nobody_uses": (rules.files, COMPOSE, "  grafana: {}\n", "  grafana: {}\n  loki: {}\n", "loki is declared or used"),
    "a_volume_without_an_owner": (
        rules.owners,
        IMAGE,
        "/places/var/lib/vault/rendered/otel-collector",
        "/places/var/lib/vault/rendered/collector",
        "rendered/otel-collector has no owner",
    ),
    "a_variable_that_terraform_does_not_have": (
        rules.told,
        COMPOSE,
        "TF_VAR_queue_quota_mb",
        "TF_VAR_queue_quota",
        "is told queue_quota, which it has no variable for",
    ),
    "a_key_of_the_rendered_file_that_terraform_does_not_have": (
        rules.told,
        "vault/agent/templates/message-broker.json.ctmpl",
        '"pos_topic_prefix":',
        '"prefix":',
        "is told prefix",
    ),
    "a_word_to_the_balancer_that_no_route_reads": (
        rules.told,
        COMPOSE,
        "BALANCER_REPORTING",
        "BALANCER_REPORTS",
        "is told BALANCER_REPORTS",
    ),
    "a_room_that_is_not_in_the_context": (rules.context, ".dockerignore", "!smf\n", "", "leaves out smf"),
    "secrets_in_the_context": (rules.context, ".dockerignore", "!smf\n", "!smf\n!vault-keys\n", "lets in vault-keys"),
    "a_program_of_another_debian": (rules.context, IMAGE, "1.95.0-slim-bookworm", "1.95.0-slim-trixie", "is built on another Debian"),
    "a_library_that_is_left_out": (
        "finds_its_libraries",
        IMAGE,
        "COPY --from=solclient /solclient/libsolclient.so.1",
        "# COPY --from=solclient /solclient/libsolclient.so.1",
        "does not put libsolclient.so.1 beside the program",
    ),
    "a_balancer_that_listens_elsewhere": (
        "balanced",
        "traefik/traefik.yml",
        '":8082"',
        '":8083"',
        "does not listen on 8082",
    ),
    "a_route_that_traefik_cannot_read": (
        "balanced",
        "traefik/dynamic/tillstream.yml",
        "  routers:",
        "  routers: [",
        "traefik: ",
    ),
    "an_image_that_is_not_documented": (
        rules.documented,
        COMPOSE,
        "prom/alertmanager:v0.28.1",
        "prom/alertmanager:v0.28.2",
        "does not name prom/alertmanager:v0.28.2",
    ),
    "a_key_that_compose_does_not_know": ("understood", COMPOSE, "stop_grace_period: 2m", "stop_grace: 2m", "stop_grace"),
    "a_profile_that_lacks_what_it_waits_for": (
        "understood",
        COMPOSE,
        "profiles: [core, observability, demo]",
        "profiles: [core, demo]",
        "depends on undefined service",
    ),
    "a_plain_up_that_starts_less": (tools.profiles, ".env", "=demo", "=core", "is not the whole demo"),
    "an_image_that_runs_as_root": ("linted", IMAGE, "USER 65532:65532", "USER root", "DL3002"),
    "a_command_that_needs_a_shell": (
        "linted",
        IMAGE,
        'CMD ["run", "--config", "config/production.toml"]',
        "CMD run --config config/production.toml",
        "DL3025",
    ),
    "a_service_that_does_not_wait_for_secrets": (
        defects.d26_nobody_starts_before_what_it_needs_and_nobody_gives_up,
        COMPOSE,
        "    vault-keeper: {condition: service_healthy}\n    terraform",
        "    terraform",
        "does not wait until secrets are there",
    ),
    "a_balancer_without_tls": (
        defects.d34_traffic_between_tills_balancer_and_secrets_is_encrypted,
        COMPOSE,
        "TILLSTREAM__POS__URL: https://traefik:8443",
        "TILLSTREAM__POS__URL: http://traefik:8000",
        "pos: sells without TLS",
    ),
    "a_lock_file_that_git_ignores": (
        defects.d34_what_is_fetched_has_a_version_and_no_lock_file_is_ignored,
        ".gitignore",
        "/target\n",
        "/target\n.terraform.lock.hcl\n",
        "is ignored",
    ),
    "a_licence_that_is_gone": (
        defects.d35_there_are_licences_tests_and_a_script_that_runs_them_all,
        "LICENSE-MIT",
        "",
        None,
        "LICENSE-MIT is not there",
    ),
    "continuous_integration_that_runs_less": (
        defects.d35_there_are_licences_tests_and_a_script_that_runs_them_all,
        ".ci/run",
        "make test",
        "cargo test",
        "does not run `make test`",
    ),
    "a_stage_that_is_gone": (
        defects.d35_there_are_licences_tests_and_a_script_that_runs_them_all,
        "xtask/src/plan.rs",
        "stages.run(\"compose\"",
        "drop((\"compose\"",
        "has no stage `compose`",
    ),
    "an_answer_before_the_disk": (
        defects.d33_the_documents_tell_the_order_that_is_tested,
        "README.md",
        'publisher -- "synced to disk, then 200" --> queue',
        "publisher --> queue",
        "does not say when 200 comes",
    ),
}


def checks(root, *judges_by_name):
    """One check per mistake, for the runner."""
    return [_check(root, judges_by_name, name, *mistake) for name, mistake in MISTAKES.items()]


def _check(root, judges, name, who, file, old, new, said):
    def check():
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"
            _copy(root, copy)
            _spoil(copy / file, old, new)
            findings = Findings()
            judge = who if callable(who) else next(getattr(judge, who) for judge in judges if hasattr(judge, who))
            try:
                judge(Project(copy, judges[0].compose), findings)
            except AssertionError as error:
                findings.append(str(error))
            assert any(said in finding for finding in findings), "nobody says `%s`, but: %s" % (said, "; ".join(findings))

    check.__name__ = name + "_is_found"
    return check


def _copy(root, copy):
    for name in FILES:
        copy.mkdir(exist_ok=True)
        shutil.copy(root / name, copy / name)
    for name in FOLDERS:
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".terraform"))


def _spoil(path, old, new):
    if new is None:
        path.unlink()
        return
    text = path.read_text()
    assert old in text, "%s has no `%s` any more: choose another mistake" % (path.name, re.sub(r"\s+", " ", old))
    path.write_text(text.replace(old, new))
