"""Real processes for a test: services of ours, Prometheus, Alertmanager. None outlives its `with`.

Judges nothing.
"""

import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

# A debug build on a busy machine needs its time.
START_SECONDS = 60

# Windows that are final soon, and simulated tills that fill them.
QUICK = {
    "WINDOW__SIZE": "1s",
    "WINDOW__DISORDER": "200ms",
    "WINDOW__IDLE": "1s",
    "WINDOW__ALLOWED_LATENESS": "2s",
    "POS__RATE": "20",
}


def eventually(what, seconds, probe):
    """Probes until it answers something; says what it waited for, and what it last saw, when it never does."""
    deadline, seen = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            found = probe()
            if found:
                return found
            seen = found
        except (OSError, AssertionError) as error:
            seen = error
        time.sleep(0.2)
    raise AssertionError("stuck: waited %d s for %s; last seen: %r" % (seconds, what, seen))


def fetch(url, user=None, body=None, method=None, trust=None, within=20, headers=None):
    """Status and body; an answer of any status is an answer. `trust` is a file of certificates."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(("%s:%s" % user).encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    context = ssl.create_default_context(cafile=trust) if trust else None
    try:
        with urllib.request.urlopen(request, timeout=within, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def free_port():
    """A port that was free a moment ago: Prometheus does not say which one it took."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A child with its output in a file."""

    def __init__(self, name, command, folder, environment=None):
        self.name = name
        self.log = Path(folder) / (name + ".log")
        self.output = open(self.log, "wb")
        surroundings = {**os.environ, **(environment or {})}
        self.child = subprocess.Popen(
            [str(word) for word in command],
            stdout=self.output,
            stderr=subprocess.STDOUT,
            env=surroundings,
            # Not where we are: the service would read a config/base.toml there.
            cwd=folder,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.output.close()

    def kill(self):
        """As a power cut would end it."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.kill()
        self.child.wait()

    def text(self):
        """What it printed so far."""
        return self.log.read_text(errors="replace")


class Service(Process):
    """`tillstream run` with an embedded broker and a folder of its own."""

    def __init__(self, binary, name, folder, roles="validation,aggregation,reporting,pos", data=None, **settings):
        self.data = Path(data or Path(folder) / name)
        self.trust = settings.get("TLS__CERTIFICATE")
        self.scheme = "https" if self.trust else "http"
        environment = {"TILLSTREAM__" + key: value for key, value in {**QUICK, **settings}.items()}
        command = [binary, "run", "--roles", roles, "--listen", "127.0.0.1:0", "--data-dir", self.data]
        super().__init__(name, command, folder, environment)
        self.address = eventually("%s to listen" % name, START_SECONDS, self._address)

    def _address(self):
        if self.child.poll() is not None:
            raise RuntimeError("%s ended:\n%s" % (self.name, self.text()[-2000:]))
        _, found, rest = self.text().partition("listening on %s://" % self.scheme)
        return rest.splitlines()[0] if found and "\n" in rest else None

    def ready(self):
        """Waits for readiness."""
        eventually("%s to be ready" % self.name, START_SECONDS, lambda: self.ask("/health/ready")[0] == 200)
        return self

    def user(self, name="admin"):
        """Name and password out of its secrets."""
        entry = tomllib.loads((self.data / "secrets.toml").read_text())["validation-service/creds/" + name]
        return entry["username"], entry["password"]

    def ask(self, path, body=None, user=None):
        """A request to it."""
        return fetch("%s://%s%s" % (self.scheme, self.address, path), user, body, trust=self.trust)

    def fault(self, path, body):
        """A fault on purpose; it must be taken."""
        status, text = self.ask(path, body, self.user())
        assert status == 202, "%s %s: %d %s" % (path, body, status, text)

    def sell(self, store="STORE_1", transaction="3fa85f64-5717-4562-b3fc-2c963f66afa6", cents=258, user=None):
        """Posts a sale of one line; the status and the answer."""
        amount, now = "%d.%02d" % divmod(cents, 100), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        # Amounts are numbers with two decimals, which a float would not keep: they are written by hand.
        text = (
            '{"transaction_id":"%(id)s","timestamp":"%(now)s","store_id":"%(store)s","cashier_id":"CASHIER_1",'
            '"items":[{"item_id":"milk","name":"Milk","quantity":1,"price_per_unit":%(amount)s,"total_price":%(amount)s}],'
            '"total_amount":%(amount)s,"payment_method":"cash","payment_status":"success","customer_id":"CUSTOMER_9",'
            '"loyalty_points_earned":1,"receipt":{"receipt_id":"r1","date":"today","total_amount":%(amount)s,'
            '"payment_method":"cash","transaction_id":"%(id)s"}}'
        ) % {"id": transaction, "now": now, "store": store, "amount": amount}
        name, password = user or self.user("pos-service")
        request = urllib.request.Request("http://%s/api/v1/pos/validate_transaction" % self.address, text.encode())
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Basic " + base64.b64encode(("%s:%s" % (name, password)).encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


class Asked:
    """A Prometheus at this address, whoever started it."""

    def __init__(self, address):
        self.address = address

    def get(self, path, **parameters):
        """The `data` of an answer of its API."""
        status, text = fetch("%s/api/v1/%s?%s" % (self.address, path, urllib.parse.urlencode(parameters)))
        assert status == 200, "%s %s: %d %s" % (path, parameters, status, text)
        return json.loads(text)["data"]

    def query(self, expression):
        """The samples of an instant query."""
        return self.get("query", query=expression)["result"]

    def numbers(self, expression):
        """Samples that are numbers: a quotient by nothing is none."""
        return [sample for sample in self.query(expression) if sample["value"][1] != "NaN"]


class Prometheus(Process, Asked):
    """The real one with this configuration."""

    def __init__(self, folder, config):
        file, port = Path(folder) / "prometheus.yml", free_port()
        file.write_text(yaml.safe_dump(config))
        command = ["prometheus", "--config.file", file, "--storage.tsdb.path", Path(folder) / "tsdb"]
        pages = [
            "--enable-feature=exemplar-storage",
            "--web.console.templates",
            Path(__file__).resolve().parent.parent / "prometheus" / "consoles",
        ]
        super().__init__("prometheus", command + pages + ["--web.listen-address", "127.0.0.1:%d" % port], folder)
        self.address = "http://127.0.0.1:%d" % port
        eventually("Prometheus to be ready", START_SECONDS, lambda: fetch(self.address + "/-/ready")[0] == 200)


class Alertmanager(Process):
    """The real one; it tells nobody."""

    def __init__(self, folder, config):
        port = free_port()
        command = ["prometheus-alertmanager", "--config.file", config, "--storage.path", Path(folder) / "alertmanager"]
        # Without the empty address it would look for others of its kind.
        options = ["--web.listen-address", "127.0.0.1:%d" % port, "--cluster.listen-address="]
        super().__init__("alertmanager", command + options, folder)
        self.target = "127.0.0.1:%d" % port
        eventually(
            "Alertmanager to be ready", START_SECONDS, lambda: fetch("http://%s/-/ready" % self.target)[0] == 200
        )

    def alerts(self, *states):
        """Labels of the alerts that reached it and are in one of these states; by default in any."""
        _, text = fetch("http://%s/api/v2/alerts" % self.target)
        return [alert["labels"] for alert in json.loads(text) if not states or alert["status"]["state"] in states]
