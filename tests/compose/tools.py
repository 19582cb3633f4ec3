"""What others' tools say of the files: Compose itself, hadolint, and Traefik of its own. Judges nothing itself."""

import itertools

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
