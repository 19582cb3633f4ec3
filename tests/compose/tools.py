"""What others' tools say of the files: Compose itself, hadolint, and Traefik of its own. Judges nothing itself."""

import itertools
import re
import subprocess

import balancer
import project as projects



class Tools:
    """Where they are."""

    def __init__(self, hadolint, compose, traefik):
        self.hadolint, self.compose, self.balanced = hadolint, compose, balancer.starts(traefik)

    def understood(self, project, findings):
        """Every profile, and all together, with and without the override."""
        sets = [(), ("demo", "tools")] + [(profile,) for profile in projects.PROFILES]
        for profiles, override in itertools.product(sets, (False, True)):
            done = project.run(profiles, override, "config", "--quiet")
            where = " ".join(profiles or ("as in .env",)) + (" elsewhere" if override else "")
            findings.unless(done.returncode == 0, where, done.stderr.strip())

    def linted(self, project, findings):
        """All Dockerfiles."""
        files = [project.root / "Dockerfile"] + sorted(project.root.glob("docker/*.Dockerfile"))
        for file in files:
            findings.run(file.name, self.hadolint, "--failure-threshold", "style", file)


class Program:
    """What the linker has made, and what it must find in an image that has nothing else."""

    # The C library, libgcc and nothing else is in gcr.io/distroless/cc-debian12.
    THERE = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "librt.so.1", "libpthread.so.0"}
    LOADER = {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
    BESIDE = "libsolclient.so.1"

    def __init__(self, binary, solclient):
        self.binary, self.library = binary, "%s/%s" % (solclient, self.BESIDE)

    def finds_its_libraries(self, project, findings):
        """Each library is in the image, or is copied to where the program looks first."""
        for file in (self.binary, self.library):
            needed = set(re.findall(r"NEEDED.*\[(\S+)\]", dynamic(file)))
            findings.unless(needed, file, "needs nothing: is this a program?")
            for name in sorted(needed - self.THERE - self.LOADER - {self.BESIDE}):
                findings.say(file, "needs %s, which the image does not have" % name)
        paths = re.findall(r"R(?:UN)?PATH.*\[(\S+)\]", dynamic(self.binary))
        findings.unless(paths and paths[0].startswith("$ORIGIN"), self.binary, "does not look beside itself first")
        beside = "COPY --from=solclient /solclient/%s /usr/local/bin/%s" % (self.BESIDE, self.BESIDE)
        findings.unless(beside in project.text("Dockerfile").splitlines(), "Dockerfile", "does not put %s beside the program" % self.BESIDE)


def dynamic(file):
    """What the dynamic linker is told; readelf comes with every C compiler."""
    return subprocess.run(["readelf", "--dynamic", "--wide", file], capture_output=True, text=True, timeout=60, check=True).stdout


def profiles(project, findings):
    """What each starts: `core` sells, `observability` sees, `demo` has tills; nothing else in .env means all of it."""
    named = {profile: set(project.services(profile)) for profile in projects.PROFILES}
    findings.unless(named["core"] < named["observability"] < named["demo"], "profiles", "do not build on each other")
    findings.unless(set(project.services()) == named["demo"], ".env", "`docker compose up` is not the whole demo")
    wanted = {"vault", "solace", "terraform", "validation-1", "aggregation", "reporting", "traefik"}
    findings.unless(wanted <= named["core"], "core", "lacks %s" % (wanted - named["core"]))
    wanted = {"otel-collector", "tempo", "prometheus", "alertmanager", "grafana", "solace-exporter"}
    findings.unless(wanted <= named["observability"] - named["core"], "observability", "is not apart")
    findings.unless(named["demo"] - named["observability"] == {"pos"}, "demo", "is more than tills")
    elsewhere = set(project.services("demo", override=True))
    findings.unless(named["demo"] - elsewhere == {"solace", "solace-exporter"}, projects.OVERRIDE, "starts a broker")
