"""The list of processes: what compose runs as containers, here as plain processes of one user.

Starts nothing; the supervisor does.
"""

import fcntl
import subprocess

import files
from places import PREFIX, ROOT, listens
from servers import fetch
from supervise import Afresh, Process, refuse

VALIDATIONS = ["validation-1", "validation-2", "validation-3"]

# What `tillstream vault set-up` exits with if nobody here can ever open the server.
UNREADABLE = 3

# Rate x 41 s x 1.25 unacknowledged sales for 1,000 sales per second, on both sides (see "What must exist on the broker").
UNACKNOWLEDGED = "51250"


class Failed(Exception):
    """A command did not go well."""

    def __init__(self, said, status):
        super().__init__(said)
        self.status = status


class Stack:
    """Folder, ports and programs of one stack, and its processes."""

    def __init__(self, folder, ports, programs, tills=5, scrape_seconds=5, **settings):
        self.folder, self.ports, self.programs = folder.resolve(), ports, programs
        self.tills = ["pos-%d" % number for number in range(1, tills + 1)]
        self.settings, self.scrape_seconds, self.lock = settings, scrape_seconds, None
        # Whoever shows something to people may take what is said here; whether the storage of secrets is to be put
        # aside, and whether that was decided already.
        self.say, self.is_unreadable, self.was_decided = print, False, False
        for name in [name for name in ports if name.startswith("pos-") and name not in self.tills]:
            del ports[name]

    def prepare(self):
        """Files in the folder, which is ours from now on; data, secrets and certificates that are there stay."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.folder / "lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("error: a stack runs in %s already; give this one a --folder of its own" % self.folder)
        files.write(self.folder, self.ports, self.scrape_seconds)
        for directory in ("vault-data", "balancer"):
            self.tillstream("vault", "prepare", directory)

    def processes(self):
        """All of them, in the order in which a person would start them."""
        return [
            self.openbao(),
            self.broker(),
            self.rotel(),
            *[self.role(name, "validation", after=("broker", "rotel")) for name in VALIDATIONS],
            self.role("reporting", "reporting", after=("broker", "rotel")),
            self.traefik(),
            self.role("aggregation", "aggregation", after=("traefik",), WINDOW__VALIDATION_URL=self.entrance()),
            self.alertmanager(),
            self.prometheus(),
            *[
                self.role(name, "pos", after=("traefik", "aggregation"), POS__URL=self.entrance())
                for name in self.tills
            ],
        ]

    def entrance(self):
        """Where tills send their sales."""
        return self.ports.url("traefik", PREFIX)

    # === those that others have written ===

    def openbao(self):
        url = "https://" + self.ports.host("openbao")
        ready = lambda: healthy(url + "/v1/sys/health", self.authority())
        command = [self.programs.bao, "server", "-config=config/server.hcl"]
        # An address or a token of the caller's must not reach it.
        environment = {"HOME": str(self.folder), "BAO_ADDR": url, "VAULT_ADDR": url}
        return Process(
            "openbao",
            command,
            ready,
            environment=environment,
            attend=self.set_up_vault,
            before=self.put_unreadable_aside,
            url=url,
        )

    def set_up_vault(self):
        """From whatever state to open and configured; on a server that has all this only opens it."""
        port = self.ports["openbao"]
        _ = listens(port) or refuse("does not listen yet")
        try:
            self.tillstream("vault", "set-up", "--address", "https://127.0.0.1:%d" % port)
        except Failed as failed:
            if failed.status != UNREADABLE or self.was_decided:
                raise
            if not self.was_never_up():
                self.was_decided = True
                self.say("openbao cannot be opened, and is left as it is: %s" % failed)
                raise
            self.is_unreadable = True
            raise Afresh(str(failed))

    def was_never_up(self):
        """Whether nobody has ever got a secret of this stack: no unseal key, no login, nobody's data, and the server is not open."""
        keys, logins = self.folder / "vault-keys", self.folder / "vault-approles"
        has_any = any(path.is_file() and path.name != ".lock" for top in (keys, logins) for path in top.rglob("*"))
        status, _ = fetch("https://%s/v1/sys/health" % self.ports.host("openbao"), trust=self.authority(), within=2)
        return not has_any and not (self.folder / "data").exists() and status in (501, 503)

    def put_unreadable_aside(self):
        """Once in a stack's life, and only between two lives of the server; nothing is deleted."""
        if not self.is_unreadable:
            return
        self.is_unreadable, self.was_decided = False, True
        raft = self.folder / "vault-data" / "raft"
        numbers = (number for number in range(1, 1000) if not raft.with_name("raft.unreadable-%d" % number).exists())
        aside = raft.rename(raft.with_name("raft.unreadable-%d" % next(numbers)))
        raft.mkdir()
        self.say("an earlier first start was interrupted: nobody can read what openbao stored; it is in %s, openbao begins anew" % aside)

    def rotel(self):
        command = [self.programs.rotel, "start", "--exporter", "blackhole", "--debug-log", "traces"]
        command += ["--otlp-grpc-endpoint", self.ports.host("rotel-grpc")]
        command += ["--otlp-http-endpoint", self.ports.host("rotel-http")]
        ready = lambda: listens(self.ports["rotel-grpc"])
        return Process("rotel", command, ready, url=self.ports.url("rotel-grpc"))

    def traefik(self):
        environment = {
            "BALANCER_VALIDATION": " ".join(self.ports.url(name) for name in VALIDATIONS),
            "BALANCER_REPORTING": self.ports.url("reporting"),
            "BALANCER_INTERNAL": self.ports.url("traefik-internal"),
            "BALANCER_CERTIFICATE": str(self.folder / "balancer" / "tls" / "server.pem"),
            "BALANCER_KEY": str(self.folder / "balancer" / "tls" / "server.key"),
        }
        command = [self.programs.traefik, "--configFile=config/traefik.yml"]
        after, url = (*VALIDATIONS, "reporting"), self.entrance() + "/api/v1/pos/docs"
        # Its port is open before its routes are there.
        return Process("traefik", command, lambda: healthy(url), after, environment, url=url)

    def alertmanager(self):
        command = [self.programs.alertmanager, "--config.file", ROOT / "monitoring" / "alertmanager" / "native.yml"]
        command += ["--storage.path", "alertmanager", "--web.listen-address", self.ports.host("alertmanager")]
        url = self.ports.url("alertmanager")
        command += ["--web.external-url", url]
        return Process(
            "alertmanager", command + ["--cluster.listen-address="], lambda: healthy(url + "/-/ready"), url=url
        )

    def prometheus(self):
        url = self.ports.url("prometheus")
        command = [self.programs.prometheus, "--config.file", "config/prometheus.yml"]
        command += ["--storage.tsdb.path", "prometheus", "--web.listen-address", self.ports.host("prometheus")]
        command += ["--web.external-url", url, "--enable-feature=exemplar-storage", "--web.console.templates"]
        command += [ROOT / "monitoring" / "prometheus" / "consoles"]
        # It reads the authority of the server of secrets, which is there by then.
        return Process(
            "prometheus",
            command,
            lambda: healthy(url + "/-/ready"),
            ("openbao", "alertmanager"),
            url=url + "/consoles/index.html",
        )

    # === ours ===

    def broker(self):
        command = [self.programs.tillstream, "broker", "--config", ROOT / "config" / "production.toml"]
        command += ["--listen", self.ports.host("broker"), "--data-dir", "data/broker", "--secrets", "vault"]
        environment = self.environment("message-broker", SMF__MAX_UNACKED=UNACKNOWLEDGED)
        ready = lambda: listens(self.ports["broker"])
        return Process(
            "broker", command, ready, ("openbao",), environment, url="tcp://" + self.ports.host("broker")
        )

    def role(self, name, role, after, **settings):
        """One process that plays one role."""
        command = [self.programs.tillstream, "run", "--config", ROOT / "config" / "production.toml"]
        command += ["--roles", role, "--listen", self.ports.host(name), "--data-dir", "data/" + name]
        command += ["--broker", "solace", "--secrets", "vault"]
        url = self.ports.url(name)
        environment = self.environment(
            role + "-service",
            SOLACE__HOST="tcp://" + self.ports.host("broker"),
            SOLACE__CLIENT_NAME=name,
            SOLACE__MAX_UNACKED=UNACKNOWLEDGED,
            TRACES__ENDPOINT=self.ports.url("rotel-grpc"),
            TRACES__SERVICE_NAME=name,
            HTTP__TRUSTED_PROXIES='["127.0.0.1/32"]',
            **settings,
        )
        return Process(name, command, lambda: healthy(url + "/health/ready"), after, environment, url=url)

    def environment(self, reader, **settings):
        """What compose gives a container: where the secrets are, who it is, and its own settings."""
        files = self.folder / "vault-approles" / reader
        common = {
            "VAULT__ADDRESS": "https://" + self.ports.host("openbao"),
            "VAULT__CA_CERT": str(self.authority()),
            "VAULT__ROLE_ID_FILE": str(files / "role_id"),
            "VAULT__SECRET_ID_FILE": str(files / "secret_id"),
        }
        return {"TILLSTREAM__" + key: value for key, value in {**common, **settings, **self.settings}.items()}

    def authority(self):
        """Whom to believe that it is the server of secrets."""
        return self.folder / "vault-data" / "tls" / "ca.pem"

    def tillstream(self, *arguments):
        """A command that ends by itself; what it prints, without the last line end."""
        done = subprocess.run(
            [str(self.programs.tillstream), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            # A Ctrl-C in the terminal would end it half way: a server that is being initialised then is lost.
            start_new_session=True,
        )
        if done.returncode != 0:
            said = "tillstream %s: %s" % (" ".join(arguments), (done.stderr + done.stdout).strip())
            raise Failed(said, done.returncode)
        return done.stdout.rstrip()

    def as_operator(self, *arguments):
        """The same with the operator's login."""
        return self.tillstream("vault", *arguments, "--address", "https://" + self.ports.host("openbao"))


def healthy(url, authority=None):
    """Whether it answers 200."""
    status, text = fetch(url, trust=authority, within=2)
    return status == 200 or refuse("%d %s" % (status, text[:300]))
