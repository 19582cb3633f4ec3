"""What was wrong with the deployment of the replaced system and must never come back, by the number of its entry in that list.

D24 and D25 are about what happens to running containers: see rehearsal.py, and tests/e2e. D27 is in monitoring/checks.
"""

import re

import project as projects
import rules

# Who needs secrets; what makes sure that they are there, opened and complete.
KEEPER = "vault-keeper"


def d26_nobody_starts_before_what_it_needs_and_nobody_gives_up(project, findings):
    """The old health check was green before there were secrets, then somebody slept; Terraform looped for ever."""
    rules.waits(project, findings)
    services = project.services("demo")
    for name, service in services.items():
        if any(mount["source"].startswith("approle-") and mount.get("read_only") for mount in rules.mounts(service, "volume")):
            condition = service.get("depends_on", {}).get(KEEPER, {}).get("condition")
            findings.unless(condition == "service_healthy", name, "does not wait until secrets are there")
    test = " ".join(services[KEEPER]["healthcheck"]["test"])
    findings.unless("vault status" in test, KEEPER, "is healthy before every login holds")
    test = " ".join(services["vault"]["healthcheck"]["test"])
    findings.unless(test == "CMD bao status", "vault", "is healthy while it is sealed")
    test = " ".join(services["solace"]["healthcheck"]["test"])
    findings.unless("guaranteed-active" in test, "solace", "is healthy before a queue can be made")
    findings.unless(services["terraform"]["restart"].startswith("on-failure:"), "terraform", "loops for ever")


def d33_the_documents_tell_the_order_that_is_tested(project, findings):
    """The old document had the 200 before the validation, and asked Vault for every request."""
    readme, rooms = project.text("README.md"), project.text("ARCHITECTURE.md")
    flow = readme[: readme.index("```console")]
    findings.unless("validator --> publisher" in flow, "README.md", "does not validate before it publishes")
    findings.unless('publisher -- "synced to disk, then 200" --> queue' in flow, "README.md", "does not say when 200 comes")
    walk = rooms[rooms.index("## Walkthrough") :]
    walk = walk[: walk.index("\n## ", 3)].lower()
    order = [walk.find(word) for word in ("valid", "publish", "sync", "200")]
    findings.unless(-1 not in order and order == sorted(order), "ARCHITECTURE.md", "tells another order than valid, published, synced, 200")
    findings.unless("secrets.refresh" in readme, "README.md", "does not say when secrets are read")
    for promise, place in (("sync_proof.rs", "200"), ("vault_rotation.rs", "password")):
        test = project.root / "tests" / "e2e" / promise
        findings.unless(test.is_file() and place in test.read_text(), promise, "does not test what the documents say")


def d34_images_sockets_networks_and_ports_are_as_small_as_can_be(project, findings):
    """The old one had `latest`, the engine's socket, an open dashboard, sixteen ports of the broker, and one flat network."""
    for rule in (rules.images, rules.sockets, rules.networks, rules.ports):
        rule(project, findings)
    published = {port["target"] for port in project.everything()["solace"].get("ports", [])}
    findings.unless(published <= {8080}, "solace", "publishes %s" % sorted(published))
    for file in sorted(project.root.glob("traefik/*.yml")):
        text = file.read_text()
        for wanted in ("insecure: false", "dashboard: false"):
            findings.unless(wanted in text or "api:" not in text, file.name, "has not `%s`" % wanted)
        findings.unless("docker:" not in text, file.name, "finds its servers by the engine")


def d34_traffic_between_tills_balancer_and_secrets_is_encrypted(project, findings):
    """The old one had no TLS anywhere."""
    services = project.services("demo")
    for name, key in (("pos", "TILLSTREAM__POS__URL"), ("aggregation", "TILLSTREAM__WINDOW__VALIDATION_URL")):
        url = services[name]["environment"][key]
        findings.unless(url.startswith("https://traefik:"), name, "sells without TLS: %s" % url)
    for name, service in services.items():
        for key, value in (service.get("environment") or {}).items():
            if "vault:" in str(value):
                findings.unless(value.startswith("https://vault:"), name, "%s without TLS" % key)
    findings.unless("tls_cert_file" in project.text("vault/compose/server.hcl"), "vault", "speaks without TLS")
    elsewhere = project.services("demo", override=True)["reporting"]["environment"]
    findings.unless("TILLSTREAM__SOLACE__TRUST_STORE" in elsewhere, projects.OVERRIDE, "trusts any broker")


def d34_what_is_fetched_has_a_version_and_no_lock_file_is_ignored(project, findings):
    """The old one ignored its lock file and pinned no provider."""
    ignored = project.text(".gitignore")
    for name in ("Cargo.lock", ".terraform.lock.hcl"):
        findings.unless(name not in ignored, ".gitignore", "%s is ignored" % name)
    for file in sorted(project.root.glob("terraform/**/versions.tf")):
        for block in re.findall(r"\{[^{}]*source[^{}]*\}", file.read_text()):
            findings.unless("version" in block, str(file.relative_to(project.root)), "a provider without a version")
    cooked = re.findall(r"cargo (?:chef cook|build|install) .*", project.text("Dockerfile"))
    findings.unless(cooked, "Dockerfile", "builds nothing")
    for line in cooked:
        findings.unless("--locked" in line, "Dockerfile", "`%s` without the lock file" % line)
    findings.unless("--require-hashes" in project.text("Dockerfile"), "Dockerfile", "fetches a library without its hash")


def d35_there_are_licences_tests_and_a_script_that_runs_them_all(project, findings):
    """The old one had none of these."""
    for name in ("LICENSE-MIT", "LICENSE-APACHE"):
        there = (project.root / name).is_file()
        findings.unless(there and len(project.text(name)) > 1_000, name, "%s is not there" % name)
        findings.unless(name in project.text("Dockerfile"), "Dockerfile", "leaves out %s" % name)
    findings.unless('license = "MIT OR Apache-2.0"' in project.text("Cargo.toml"), "Cargo.toml", "names no licence")
    script = project.root / ".ci" / "run"
    findings.unless(script.is_file() and script.stat().st_mode & 0o100, ".ci/run", "cannot be run")
    findings.unless(re.search(r"^make test$", project.text(".ci/run"), re.M), ".ci/run", "does not run `make test`")
    findings.unless("cargo xtask test" in project.text("Makefile"), "Makefile", "`make test` is something else")
    plan = project.text("xtask/src/plan.rs")
    suites = ("unit and property tests", "end-to-end on embedded", "end-to-end on solace", "official clients", "schemathesis")
    for stage in (*suites, "browser", "monitoring", "terraform", "compose", "stack"):
        findings.unless('stages.run("%s"' % stage in plan, "xtask/src/plan.rs", "has no stage `%s`" % stage)
    for load in ("bench/src/throughput.rs", "chaos/src/drill.rs", "tests/e2e/drill.rs", "tests/e2e/crash.rs"):
        findings.unless((project.root / load).is_file(), load, "is not there")


ALL = [
    d26_nobody_starts_before_what_it_needs_and_nobody_gives_up,
    d33_the_documents_tell_the_order_that_is_tested,
    d34_images_sockets_networks_and_ports_are_as_small_as_can_be,
    d34_traffic_between_tills_balancer_and_secrets_is_encrypted,
    d34_what_is_fetched_has_a_version_and_no_lock_file_is_ignored,
    d35_there_are_licences_tests_and_a_script_that_runs_them_all,
]
