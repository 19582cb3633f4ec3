"""The real Traefik with the files that the container mounts: it starts, its own health check answers, nothing is refused.

How it balances is tested elsewhere.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from servers import Process, eventually, free_port

SOON = 60


def starts(traefik):
    """A rule that starts this program."""

    def rule(project, findings):
        service = project.services("core")["traefik"]
        source = Path(next(mount["source"] for mount in service["volumes"] if mount["target"] == "/etc/traefik"))
        with tempfile.TemporaryDirectory() as folder:
            ports = {"8000": free_port(), "8443": free_port(), "8082": free_port()}
            file = adapted(source, Path(folder), ports)
            environment = {"BALANCER_INTERNAL": "http://127.0.0.1:%d" % ports["8082"]}
            environment.update({key: value for key, value in service["environment"].items() if "CERT" not in key and "KEY" not in key})
            with Process("traefik", [traefik, "--configFile=%s" % file], folder, environment) as process:
                check = [str(traefik)] + service["healthcheck"]["test"][2:]
                check = [word.replace("/etc/traefik/traefik.yml", str(file)) for word in check]

                def healthy():
                    return subprocess.run(check, capture_output=True, timeout=SOON, env={"PATH": os.environ["PATH"]}).returncode == 0

                eventually("Traefik to be healthy", SOON, healthy)
                for line in process.text().splitlines():
                    is_trouble = line.startswith("{") and json.loads(line).get("level") in ("error", "fatal")
                    findings.unless(not is_trouble, "traefik", line)

    return rule


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
