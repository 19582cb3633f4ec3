"""The half of docker-compose.yml that is about secrets, played without an engine: the file's own commands, on directories in place of
volumes, by the real programs of `tillstream` and OpenBao; and what every other command of ours says of its settings.

Not played: images, networks, limits, and whose a file is.
"""

import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

from servers import Process, eventually, free_port

# Places in containers that are volumes or mounts.
PLACES = re.compile(r"(?<![\w.$-])(/srv/|/var/lib/)")

SOON = 90


class Stage:
    """One machine with every container's view of it below a directory of its own."""

    def __init__(self, project, binary, bao, folder):
        self.project, self.folder = project, Path(folder)
        self.programs = {"/usr/local/bin/tillstream": str(binary), "bao": str(bao)}
        self.services = project.everything()
        self.port = free_port()
        self.running = {}

    def root(self, name):
        """What a container sees as `/`: volumes and mounts as links; further ones lie in the ones above."""
        root = self.folder / "roots" / name
        mounts = [mount for mount in self.services[name].get("volumes", [])]
        for mount in sorted(mounts, key=lambda mount: mount["target"].count("/")):
            place = root / mount["target"].lstrip("/")
            source = Path(mount["source"])
            if mount["type"] == "volume":
                source = self.folder / "volumes" / source
                source.mkdir(parents=True, exist_ok=True, mode=0o700)
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.symlink_to(source)
        return root

    def seen(self, name, text):
        """Text of a container with this machine's places and the one port that is taken here."""
        text = PLACES.sub(lambda found: "%s%s" % (self.root(name), found.group(1)), text)
        text = text.replace("https://vault:8200", "https://127.0.0.1:%d" % self.port)
        return text.replace("127.0.0.1:8200", "127.0.0.1:%d" % self.port)

    def command(self, name, words=None):
        """The container's command, or another one in it."""
        service = self.services[name]
        if words is None:
            entry = service.get("entrypoint") or ["/usr/local/bin/tillstream"]
            words = entry + (service.get("command") or [])
        words = [self.programs.get(words[0], words[0])] + [self.seen(name, word) for word in words[1:]]
        return words

    def environment(self, name, **more):
        """The container's, and the way to the programs that it has."""
        found = {key: self.seen(name, value) for key, value in (self.services[name].get("environment") or {}).items()}
        path = "%s:%s" % (Path(self.programs["bao"]).parent, os.environ["PATH"])
        return {"PATH": path, **found, "HOME": str(self.folder), **more}

    def workplace(self, name):
        """Where its commands run."""
        root = self.root(name)
        place = root / self.services[name].get("working_dir", "/").lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        return place

    def ends(self, name, *more, words=None, code=0):
        """Runs a command of a container to its end; what it printed."""
        done = subprocess.run(
            self.command(name, words) + list(more),
            capture_output=True,
            text=True,
            timeout=SOON,
            env=self.environment(name),
            cwd=self.workplace(name),
        )
        printed = done.stdout + done.stderr
        assert code is None or done.returncode == code, "%s ended with %d:\n%s" % (name, done.returncode, printed)
        return printed

    def starts(self, name):
        """Runs a container's command until it is stopped."""
        if name == "vault":
            self.server()
        process = Process(name, self.command(name), self.workplace(name), self.environment(name))
        self.running[name] = process
        return process

    def server(self):
        """OpenBao reads its places and its ports from a file, which stays as it is but for these."""
        file = self.root("vault") / "srv" / "vault" / "server.hcl"
        text = self.seen("vault", file.read_text())
        text = text.replace("0.0.0.0:8200", "127.0.0.1:%d" % self.port).replace("127.0.0.1:8201", "127.0.0.1:%d" % free_port())
        mine = self.folder / "vault"
        mine.mkdir(exist_ok=True)
        (mine / "server.hcl").write_text(text)
        link = self.root("vault") / "srv" / "vault"
        link.unlink()
        link.symlink_to(mine)

    def stops(self, name):
        """As `docker compose stop` does."""
        process = self.running.pop(name)
        process.child.send_signal(signal.SIGTERM)
        code = process.child.wait(timeout=SOON)
        process.__exit__()
        assert code == 0, "%s ended with %d:\n%s" % (name, code, process.text()[-2000:])

    def dies(self, name):
        """As a power cut would end it."""
        self.running.pop(name).__exit__()

    def is_healthy(self, name):
        """What the container's health check says."""
        kind, *words = self.services[name]["healthcheck"]["test"]
        if kind == "CMD-SHELL":
            words = ["/bin/sh", "-c", words[0]]
        done = subprocess.run(
            self.command(name, words),
            capture_output=True,
            timeout=SOON,
            env=self.environment(name),
            cwd=self.workplace(name),
        )
        return done.returncode == 0

    def becomes_healthy(self, *names):
        """Waits for each."""
        for name in names:

            def healthy(name=name):
                process = self.running.get(name)
                assert process is None or process.child.poll() is None, "%s ended: %s" % (name, process.text()[-2000:])
                return self.is_healthy(name)

            eventually("%s to be healthy" % name, SOON, healthy)

    def up(self):
        """`docker compose up` as far as secrets go, in the order that the file wants."""
        for name in ("prepare", "edge-certificate"):
            self.ends(name)
        for name in ("vault", "vault-keeper"):
            self.starts(name)
        self.becomes_healthy("vault-keeper", "vault")
        for name in ("broker-agent", "collector-agent"):
            self.starts(name)
        self.becomes_healthy("broker-agent", "collector-agent")

    def down(self):
        """`docker compose down`: volumes stay."""
        for name in ("collector-agent", "broker-agent", "vault-keeper", "vault"):
            self.stops(name)

    def volume(self, name):
        """What a volume holds, by file."""
        home = self.folder / "volumes" / name
        return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in list(self.running):
            self.dies(name)


def checks(project, binary, bao):
    """The play, act by act, in one order."""
    folder = tempfile.TemporaryDirectory()
    stage = Stage(project, binary, bao, folder.name)
    seen = {}

    def d24_the_first_up_ends_with_vault_open_and_every_password_rendered():
        stage.up()
        seen["admin"] = stage.ends("password", "validation-service/creds/admin").strip()
        assert re.fullmatch(r"\w{32}", seen["admin"]), "the tool prints no password"
        broker = stage.volume("rendered-broker")["broker.json"].decode()
        assert stage.volume("rendered-broker-admin")["password"].decode() in broker

    def d24_a_second_up_changes_nothing_and_makes_no_password_twice():
        before = {name: stage.volume(name) for name in ("vault-keys", "vault-authority", "edge-authority", "rendered-broker")}
        for name in ("prepare", "edge-certificate"):
            assert "done" not in stage.ends(name), "%s did something again" % name
        stage.becomes_healthy("vault", "vault-keeper", "broker-agent", "collector-agent")
        assert before == {name: stage.volume(name) for name in before}

    def d24_a_restarted_vault_comes_back_sealed_and_is_opened_again():
        for _ in range(2):
            stage.dies("vault")
            stage.starts("vault")
            stage.becomes_healthy("vault", "vault-keeper")
        assert stage.ends("password", "validation-service/creds/admin").strip() == seen["admin"]

    def d24_down_and_up_finds_every_password_as_it_was():
        stage.down()
        stage.up()
        assert stage.ends("password", "validation-service/creds/admin").strip() == seen["admin"]

    def d25_a_new_password_reaches_the_directory_of_whoever_reads_it():
        path, before = "message-broker/creds/monitor", stage.volume("rendered-broker-monitor")["password"]
        assert "version 2 is written" in stage.ends("rotate", path)
        after = stage.ends("password", path).strip().encode()
        assert after != before

        def rendered():
            return stage.volume("rendered-broker-monitor")["password"] == after

        eventually("the agent to render the new password", SOON, rendered)

    def d26_every_service_of_ours_understands_its_settings_and_gets_its_secrets():
        ours = [name for name, service in stage.services.items() if (service.get("command") or [""])[0] == "run"]
        assert len(ours) == 6, ours
        for name in ours:
            words = ["/usr/local/bin/tillstream", "check"] + stage.services[name]["command"][1:]
            # Where the image has its configuration, and a data directory that is there.
            words += ["--data-dir", str(stage.folder / "volumes" / name)]
            done = subprocess.run(
                stage.command(name, words),
                capture_output=True,
                text=True,
                timeout=SOON,
                env=stage.environment(name),
                cwd=project.root,
            )
            for wanted in ("configuration", "secrets"):
                lines = [line for line in done.stdout.splitlines() if re.match(r"ok +%s " % wanted, line)]
                assert lines, "%s: %s:\n%s%s" % (name, wanted, done.stdout, done.stderr)

    acts = [
        d24_the_first_up_ends_with_vault_open_and_every_password_rendered,
        d24_a_second_up_changes_nothing_and_makes_no_password_twice,
        d24_a_restarted_vault_comes_back_sealed_and_is_opened_again,
        d24_down_and_up_finds_every_password_as_it_was,
        d25_a_new_password_reaches_the_directory_of_whoever_reads_it,
        d26_every_service_of_ours_understands_its_settings_and_gets_its_secrets,
    ]
    return stage, acts, folder
