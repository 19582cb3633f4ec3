"""A copy of terraform/ that can be initialised without a registry, and Terraform run in it.

Providers come from a mirror of its own, in which provider.py stands in for each. Nothing is written among the sources.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

# As Vault's agent renders it for whoever sets up the broker, and the words with which Terraform reads it.
LOGINS = ["login", "otel", "validation-service", "aggregation-service", "reporting-service", "store-service"]
RENDERED = {
    "url": "http://message-broker:8080",
    "msg_vpn": "default",
    "pos_topic_prefix": "sale/pos/transaction",
    "users": {name: {"username": "%s-user" % name, "password": "%s-password" % name} for name in LOGINS},
}
AS_RENDERED = ("-no-color", "-input=false", "-var-file=broker.json")

# A command that takes longer is stuck.
WITHIN_SECONDS = 240


class Ended(Exception):
    """Terraform ended otherwise than it should; says what it said."""


class Workspace:
    """One folder with a copy, a mirror of providers, and Terraform's own settings."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.root = self.folder / "terraform"
        # Everything that reads a file is handed this one.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "VAULT_"))}
        self.environment.update(
            TF_CLI_CONFIG_FILE=str(self.folder / "terraform.rc"),
            TF_IN_AUTOMATION="1",
            CHECKPOINT_DISABLE="1",
            # Stand-ins have no certificate; they listen on a socket in a folder of their own.
            TF_DISABLE_PLUGIN_TLS="1",
            STAND_IN_LOG=str(self.folder / "applied.jsonl"),
        )

    @classmethod
    def fresh(cls, folder):
        """The copy, with nothing done to it."""
        workspace = cls(folder)
        shutil.rmtree(folder, ignore_errors=True)
        left_out = shutil.ignore_patterns(".terraform*", "*.tfstate*", "checks", "__pycache__")
        shutil.copytree(ROOT, workspace.root, ignore=left_out)
        workspace.write_mirror()
        (workspace.root / "broker.json").write_text(json.dumps(RENDERED))
        return workspace

    def copy(self, folder):
        """Another one with all that was done to this one."""
        other = Workspace(folder)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, other.folder, symlinks=True)
        return other

    def write_mirror(self):
        """Lays the stand-ins where Terraform looks for providers of the pinned versions."""
        mirror = self.folder / "mirror"
        system = "%s_%s" % (platform.system().lower(), MACHINES[platform.machine()])
        for source, version in pins().items():
            name = source.split("/")[1]
            place = mirror / "registry.terraform.io" / source / version / system
            place.mkdir(parents=True)
            program = place / ("terraform-provider-%s_v%s" % (name, version))
            table = ROOT / "checks" / "providers" / ("%s.toml" % name)
            words = [sys.executable, "-B", ROOT / "checks" / "provider.py", table]
            program.write_text("#!/bin/sh\nexec %s\n" % " ".join("'%s'" % word for word in words))
            program.chmod(0o755)
        settings = 'provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\n' % mirror
        (self.folder / "terraform.rc").write_text(settings)

    def run(self, *words, folder=None):
        """Runs Terraform; what it says. An end with another code than 0 is an error."""
        code, said = self.outcome(*words, folder=folder)
        if code:
            raise Ended("terraform %s ended with %d:\n%s" % (" ".join(words), code, said))
        return said

    def outcome(self, *words, folder=None):
        """Runs Terraform; how it ended and what it said."""
        ended = subprocess.run(
            ["terraform", *words],
            cwd=folder or self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=WITHIN_SECONDS,
            check=False,
        )
        return ended.returncode, ended.stdout

    def applied(self):
        """What the stand-ins were told to make, in the order in which they were told."""
        lines = Path(self.environment["STAND_IN_LOG"]).read_text().splitlines()
        return [json.loads(line) for line in lines]


def pins():
    """The exact version of each provider that the root module pins."""
    text = (ROOT / "versions.tf").read_text()
    found = re.findall(r'source\s+= "([\w-]+/[\w-]+)"\s+version = "(\d+\.\d+\.\d+)"', text)
    assert len(found) == text.count("source "), "a provider in versions.tf is not pinned to one exact version"
    return dict(found)
