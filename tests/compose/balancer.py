"""The real Traefik with the files that the container mounts: it starts, its own health check answers, nothing is refused.

How it balances is tested elsewhere.
"""

import contextlib
import json
import os
import ssl
import socket
import subprocess
import tempfile
from pathlib import Path

from servers import Process, eventually, free_port

SOON = 60


def starts(traefik):
    """A rule that starts this program."""

    def rule(project, findings):
        service = project.services("core")["traefik"]
        environment = {key: value for key, value in service["environment"].items() if key in ("BALANCER_VALIDATION", "BALANCER_REPORTING")}
        with tempfile.TemporaryDirectory() as folder, running(traefik, service, Path(folder), environment) as (process, _):
            for line in troubles(process):
                findings.say("traefik", line)

    return rule


def shows_a_certificate(traefik, stage):
    """An act of the rehearsal: the certificate that `edge-certificate` has made is the one that tills believe."""

    def d34_the_balancer_shows_a_certificate_that_tills_and_aggregation_believe():
        folder = stage.folder / "balancer"
        folder.mkdir()
        trusted = [stage.services[name]["environment"] for name in ("pos", "aggregation")]
        trusted = [trusted[0]["TILLSTREAM__POS__CA_CERT"], trusted[1]["TILLSTREAM__WINDOW__VALIDATION_CA_CERT"]]
        with running(traefik, stage.services["traefik"], folder, stage.environment("traefik")) as (process, ports):
            for name, file in zip(("pos", "aggregation"), trusted):
                context = ssl.create_default_context(cafile=stage.seen(name, file))
                with socket.create_connection(("127.0.0.1", ports["8443"]), timeout=SOON) as plain:
                    # The name by which they call it.
                    with context.wrap_socket(plain, server_hostname="traefik") as encrypted:
                        assert encrypted.version() in ("TLSv1.2", "TLSv1.3")
            assert not list(troubles(process)), list(troubles(process))

    return d34_the_balancer_shows_a_certificate_that_tills_and_aggregation_believe


@contextlib.contextmanager
def running(traefik, service, folder, environment):
    """The process, once its container's health check is well, and the ports that it has here."""
    source = Path(next(mount["source"] for mount in service["volumes"] if mount["target"] == "/etc/traefik"))
    ports = {"8000": free_port(), "8443": free_port(), "8082": free_port()}
    file = adapted(source, folder, ports)
    environment = {**environment, "BALANCER_INTERNAL": "http://127.0.0.1:%d" % ports["8082"]}
    check = [str(traefik)] + service["healthcheck"]["test"][2:]
    check = [word.replace("/etc/traefik/traefik.yml", str(file)) for word in check]

    def healthy():
        done = subprocess.run(check, capture_output=True, timeout=SOON, env={"PATH": os.environ["PATH"]})
        return done.returncode == 0

    with Process("traefik", [traefik, "--configFile=%s" % file], folder, environment) as process:
        eventually("Traefik to be healthy", SOON, healthy)
        yield process, ports


def troubles(process):
    """What it complains of."""
    for line in process.text().splitlines():
        if line.startswith("{") and json.loads(line).get("level") in ("error", "fatal"):
            yield line


def adapted(source, folder, ports):
    """The same files on other ports, with the watched directory where it is here."""
    text = (source / "traefik.yml").read_text().replace("/etc/traefik/dynamic", str(source / "dynamic"))
    for old, new in ports.items():
        assert '":%s"' % old in text, "traefik.yml does not listen on %s" % old
        text = text.replace('":%s"' % old, '"127.0.0.1:%d"' % new)
    # Nobody takes spans here.
    text = text.replace("otel-collector:4317", "127.0.0.1:%d" % free_port())
    file = folder / "traefik.yml"
    file.write_text(text)
    return file
