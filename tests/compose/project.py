"""docker-compose.yml as Compose itself understands it, in each of its profiles, with and without the override.

Judges nothing.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import yaml

PROFILES = ("core", "observability", "demo")
OVERRIDE = "compose.solace-cloud.yml"

# What the override wants to be told; the directories only have to be named.
ELSEWHERE = {
    "SOLACE_HOST": "tcps://broker.example.com:55443",
    "SOLACE_VPN": "shop",
    "SOLACE_SEMP_URL": "https://broker.example.com:943",
    "SOLACE_TRUST_DIR": "/etc/tillstream/broker-trust",
    "SOLACE_LOGIN_DIR": "/etc/tillstream/broker-login",
}


class Project:
    """One copy of the files that make the demo: the real one, or one with a mistake in it."""

    def __init__(self, root, compose):
        self.root = Path(root)
        self.compose = compose
        self.read = {}

    def text(self, name):
        """A file as text."""
        return (self.root / name).read_text()

    def services(self, *profiles, override=False):
        """What Compose would start, by name; an assertion fails with what Compose has to say."""
        key = (profiles, override)
        if key not in self.read:
            self.read[key] = self.config(*profiles, override=override)
        return self.read[key]["services"]

    def config(self, *profiles, override=False):
        """The whole, with all defaults filled in and variables replaced."""
        done = self.run(profiles, override, "config", "--format", "json")
        assert done.returncode == 0, done.stderr.strip()
        # Compose writes what it would read: a `$` of a shell in a container is doubled.
        return json.loads(done.stdout.replace("$$", "$"))

    def run(self, profiles, override, *words):
        """Compose with the committed .env and nothing of this machine's environment but what the override needs."""
        files = ["docker-compose.yml"] + ([OVERRIDE] if override else [])
        command = [self.compose] + [word for file in files for word in ("--file", file)]
        command += [word for profile in profiles for word in ("--profile", profile)]
        surroundings = {"PATH": os.environ["PATH"], "HOME": str(self.root), **(ELSEWHERE if override else {})}
        return subprocess.run(
            command + list(words), capture_output=True, text=True, timeout=60, cwd=self.root, env=surroundings
        )

    def everything(self):
        """Every service of every profile, those for people too."""
        return self.services("demo", "tools")

    def written(self):
        """The file as a person wrote it: what Compose fills in is not there."""
        return yaml.safe_load(self.text("docker-compose.yml"))

    def variables(self, name):
        """Names of the variables that a file reads; `$$` belongs to a shell in a container."""
        return set(re.findall(r"(?<!\$)\$\{(\w+)", self.text(name)))


def one_shots(services):
    """Those for whose end somebody waits, and those that people run."""
    waited_for = {
        name
        for service in services.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    return waited_for | {name for name, service in services.items() if service.get("profiles") == ["tools"]}


def seconds(text):
    """A duration as Compose prints it, such as 1m30s."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)([hms])(?!s)", text))
