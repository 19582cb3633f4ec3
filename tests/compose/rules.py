"""What must hold for every container of the demo, whoever adds one.

Each function gets the project and a list of findings; what is an exception stands here with its reason.
"""

import re
import tomllib

import project as projects

# Tags that say nothing of what is in them.
MOVING = {"latest", "main", "master", "edge", "stable", "nightly", "dev"}

# Images whose makers publish no versions, only lines: what is written there is all that can be.
LINES = {"gcr.io/distroless/cc-debian12:nonroot"}

# Writes into its own directories when it starts.
WRITABLE = {"solace"}

# Opens what it waits for: it cannot wait until that is open.
OPENER = ("vault-keeper", "vault")

# What a person opens in a browser, or points a till at.
OPENED = {"traefik": {8000, 8443}, "grafana": {3000}, "prometheus": {9090}, "alertmanager": {9093}, "solace": {8080}}

# A value under such a name is a secret, unless it names a file or a place.
SECRETIVE = re.compile(r"passw|secret|token|credential|api_?key|private", re.I)
PLACE = re.compile(r"^(/|\./|\$\{|(true|false|vault|local)$)")


def images(project, findings):
    """Versions, and what is ours is built from here."""
    for name, service in project.everything().items():
        image = service["image"]
        if image.startswith("tillstream"):
            built = [other for other in project.everything().values() if other["image"] == image and "build" in other]
            findings.unless(len(built) == 1, name, "%s is ours and built %d times from here" % (image, len(built)))
        pinned(findings, name, image)
    for file in sorted(project.root.glob("docker/*.Dockerfile")) + [project.root / "Dockerfile"]:
        arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", file.read_text(), re.M))
        stages = set(re.findall(r"^FROM \S+ AS (\w+)$", file.read_text(), re.M))
        for base in re.findall(r"^FROM (\S+)", file.read_text(), re.M):
            base = re.sub(r"\$\{(\w+)\}", lambda found: arguments[found.group(1)], base)
            if base not in stages:
                pinned(findings, file.name, base)
    for name, service in project.everything().items():
        for argument in service.get("build", {}).get("args", {}).values():
            if ":" in argument:
                pinned(findings, name, argument)


def pinned(findings, where, image):
    """Name, version, and no version that moves."""
    if image in LINES:
        return
    _, found, tag = image.rpartition(":")
    findings.unless(found and "/" not in tag, where, "%s has no version" % image)
    findings.unless(tag.split("@")[0] not in MOVING, where, "%s is another one tomorrow" % image)
    findings.unless(re.search(r"\d", tag), where, "%s has no version in its tag" % image)


def health(project, findings):
    """Everybody who stays can be asked how it is."""
    services = project.everything()
    ending = projects.one_shots(services)
    for name, service in services.items():
        check = service.get("healthcheck", {})
        if name in ending:
            findings.unless(check.get("disable"), name, "ends, and has a health check all the same")
        else:
            findings.unless(check.get("test") and not check.get("disable"), name, "has no health check")
            findings.unless("exit 0" not in str(check) and "/bin/true" not in str(check), name, "is always healthy")


def restarts(project, findings):
    """Who stays comes back, who ends is tried again and not for ever."""
    services = project.everything()
    ending = projects.one_shots(services)
    for name, service in services.items():
        policy = service.get("restart", "")
        if name in ending:
            findings.unless(re.fullmatch(r"on-failure:\d+", policy), name, "ends, and restarts `%s`" % policy)
        else:
            findings.unless(policy == "unless-stopped", name, "restarts `%s`" % policy)


def waits(project, findings):
    """Nobody sleeps; who waits for health waits for somebody who has it, who waits for an end for somebody who ends."""
    for profile in projects.PROFILES:
        services = project.services(profile)
        ending = projects.one_shots(services)
        for name, service in services.items():
            findings.unless("sleep" not in str(service.get("command")), name, "sleeps")
            findings.unless("sleep" not in str(service.get("entrypoint")), name, "sleeps")
            for other, how in service.get("depends_on", {}).items():
                condition = how["condition"]
                if (name, other) == OPENER:
                    findings.unless(condition == "service_started", name, "opens %s, and waits until it is open" % other)
                elif other in ending:
                    findings.unless(condition == "service_completed_successfully", name, "does not wait for %s" % other)
                else:
                    findings.unless(condition == "service_healthy", name, "waits for %s: %s" % (other, condition))
                findings.unless(how.get("required", True), name, "starts without %s" % other)
    order(project, findings)


def order(project, findings):
    """Whoever reads a volume of secrets comes after whoever fills it."""
    services = project.everything()
    fillers = {"vault-authority": "prepare", "edge-certificate": "edge-certificate", "edge-authority": "edge-certificate"}
    for name, service in services.items():
        for mount in mounts(service, "volume"):
            source = mount["source"]
            filler = fillers.get(source, "vault-keeper" if source.startswith("approle") else None)
            filler = filler or {"rendered-collector": "collector-agent"}.get(source)
            filler = filler or ("broker-agent" if source.startswith("rendered-broker") else None)
            if filler and mount.get("read_only") and service.get("profiles") != ["tools"]:
                before = ancestors(services, name)
                findings.unless(filler in before, name, "reads %s and does not wait for %s" % (source, filler))


def ancestors(services, name):
    """Everybody for whom this one waits, however far away."""
    found, ahead = set(), [name]
    while ahead:
        for other in services[ahead.pop()].get("depends_on", {}):
            if other not in found:
                found.add(other)
                ahead.append(other)
    return found


def ports(project, findings):
    """This machine only, and only what a person opens."""
    taken = {}
    for name, service in project.everything().items():
        for port in service.get("ports", []):
            findings.unless(port.get("host_ip") == "127.0.0.1", name, "is published to other machines")
            findings.unless(port["target"] in OPENED.get(name, set()), name, "%d is for nobody" % port["target"])
            other = taken.setdefault(port["published"], name)
            findings.unless(other == name, name, "%s is taken by %s" % (port["published"], other))
    findings.unless(taken, "docker-compose.yml", "publishes nothing")


def links(project, findings):
    """What a page of figures or alerts links to is a published port: a browser reaches no container by its name or address."""
    services = project.everything()
    open_at = lambda name, target: [port["published"] for port in services[name]["ports"] if port["target"] == target][0]
    for name, target in [("prometheus", 9090), ("alertmanager", 9093)]:
        wanted = "--web.external-url=http://127.0.0.1:%s/" % open_at(name, target)
        findings.unless(wanted in services[name]["command"], name, "makes links that nobody can open: not %s" % wanted)
    prometheus, entrance = services["prometheus"], "http://127.0.0.1:%s/validation-service" % open_at("traefik", 8000)
    findings.unless(prometheus["environment"].get("ENTRANCE") == entrance, "prometheus", "ENTRANCE is not %s" % entrance)
    labels = project.text("monitoring/prometheus/prometheus.yml")
    is_read = "entrance: ${ENTRANCE}" in labels and "expand-external-labels" in str(prometheus["command"])
    findings.unless(is_read, "prometheus", "reads no ENTRANCE for its consoles")


def networks(project, findings):
    """Three, of which two have no way out; nobody is on the host's."""
    config = project.config("demo", "tools")
    findings.unless(set(config["networks"]) == {"edge", "core", "monitoring"}, "networks", "are not the three")
    for name in ("core", "monitoring"):
        findings.unless(config["networks"][name].get("internal"), name, "has a way out")
    for name, service in config["services"].items():
        mode = service.get("network_mode", "")
        findings.unless(mode in ("", "none"), name, "is on the network of %s" % mode)
        on = set(service.get("networks") or {})
        findings.unless(on or mode == "none", name, "is on no network that is named")
        findings.unless("default" not in on, name, "is on the default network")
    for name in ("vault", "vault-keeper", "broker-agent", "collector-agent", "password", "rotate"):
        on = set(config["services"][name]["networks"])
        findings.unless("edge" not in on, name, "holds secrets and is on the edge")
    replicas = [name for name in config["services"] if re.fullmatch(r"validation-\d", name)]
    findings.unless(len(replicas) == 3, "validation", "has %d replicas" % len(replicas))
    for name in replicas:
        aliases = config["services"][name]["networks"]["monitoring"]["aliases"]
        findings.unless("validation" in aliases, name, "is not found as `validation`")
    findings.unless(config["services"]["pos"]["deploy"]["replicas"] == 5, "pos", "is not five tills")


def privileges(project, findings):
    """Nothing may be gained, nothing may be written but what is a volume, and there is an end to what may be used."""
    for name, service in project.everything().items():
        findings.unless(service.get("cap_drop") == ["ALL"], name, "keeps capabilities")
        findings.unless("no-new-privileges:true" in service.get("security_opt", []), name, "may gain privileges")
        findings.unless(bool(service.get("read_only")) != (name in WRITABLE), name, "has a root that can be written")
        for word in ("privileged", "cap_add", "devices", "sysctls", "pid", "ipc", "userns_mode", "volumes_from"):
            findings.unless(not service.get(word), name, "has %s" % word)
        user = str(service.get("user", ""))
        findings.unless(not re.match(r"(0|root)(:|$)", user), name, "is root")
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        for what in ("cpus", "memory", "pids"):
            findings.unless(limits.get(what), name, "may take all %s" % what)
        log = service.get("logging", {}).get("options", {})
        findings.unless("max-size" in log and "max-file" in log, name, "fills the disk with its log")


def sockets(project, findings):
    """Nobody is given the engine."""
    for name in ("docker-compose.yml", projects.OVERRIDE):
        findings.unless("docker.sock" not in project.text(name), name, "gives somebody the engine's socket")


def grace(project, findings):
    """Longer than the drain, which is `shutdown.grace`."""
    base = tomllib.loads(project.text("config/base.toml"))
    production = tomllib.loads(project.text("config/production.toml"))
    drain = projects.seconds(production["shutdown"].get("grace", base["shutdown"]["grace"]))
    services = project.everything()
    ours = {name for name, service in services.items() if "run" == (service.get("command") or [""])[0]}
    findings.unless(len(ours) == 6, "docker-compose.yml", "roles are played by %s" % ", ".join(sorted(ours)))
    for name, service in services.items():
        given = projects.seconds(service.get("stop_grace_period", "10s"))
        findings.unless(given > drain or name not in ours, name, "is killed after %ds, drains for %ds" % (given, drain))
        findings.unless("stop_grace_period" in service, name, "does not say how long it may take to end")


def secrets(project, findings):
    """No value anywhere that could be one."""
    for override in (False, True):
        for name, service in project.services("demo", "tools", override=override).items():
            for key, value in (service.get("environment") or {}).items():
                is_secret = SECRETIVE.search(key) and not PLACE.match(str(value))
                findings.unless(not is_secret or value.isdigit(), name, "%s is written down" % key)
            findings.unless("env_file" not in service, name, "reads a file of variables")
    for name in ("docker-compose.yml", projects.OVERRIDE, ".env", ".env.example"):
        for line in project.text(name).splitlines():
            found = re.match(r"\s*#?\s*-?\s*([\w.-]+)\s*[:=]\s*[\"']?([A-Za-z0-9+=_-]{6,})[\"']?$", line)
            if found and SECRETIVE.search(found.group(1)):
                findings.say(name, "`%s` looks like a secret" % line.strip())
    findings.unless(
        re.sub(r"#.*\n", "", project.text(".env")).split() == ["COMPOSE_PROFILES=demo"], ".env", "says more than profiles"
    )


def variables(project, findings):
    """What may be chosen is explained, and what is explained may be chosen."""
    read = project.variables("docker-compose.yml") | project.variables(projects.OVERRIDE) | {"COMPOSE_PROFILES"}
    told = set(re.findall(r"^#?([A-Z_]+)=", project.text(".env.example"), re.M))
    for name in sorted(read - told):
        findings.say(".env.example", "does not explain %s" % name)
    for name in sorted(told - read):
        findings.say(".env.example", "explains %s, which nobody reads" % name)


def files(project, findings):
    """What is mounted is there, cannot be written, and is a directory; what is a volume is declared and used."""
    config = project.config("demo", "tools")
    used = set()
    for name, service in config["services"].items():
        for mount in mounts(service, "bind"):
            source = mount["source"]
            findings.unless((project.root / source).is_dir(), name, "%s is no directory" % source)
            findings.unless(mount.get("read_only"), name, "may write into the sources: %s" % source)
        used |= {mount["source"] for mount in mounts(service, "volume")}
    for name in sorted(set(project.written()["volumes"]) ^ used):
        findings.say("volumes", "%s is declared or used, but not both" % name)


def mounts(service, kind):
    """Of one kind."""
    return [mount for mount in service.get("volumes", []) if mount["type"] == kind]


def owners(project, findings):
    """A volume of ours that several see has an owner: the image's, in which `prepare` or the one service mounts it."""
    made = set(re.findall(r"/places(/\S+)", project.text("Dockerfile")))
    for name, service in project.everything().items():
        if not service["image"].startswith("tillstream:"):
            continue
        for mount in mounts(service, "volume"):
            target = mount["target"]
            findings.unless(target in made, name, "%s has no owner: the image does not have it" % target)


def context(project, findings):
    """What is copied into the image is in the context, and nothing that could be a secret is; both stages are the same Debian."""
    text = project.text("Dockerfile")
    kept = {line[1:] for line in project.text(".dockerignore").splitlines() if line.startswith("!")}
    first = [line for line in project.text(".dockerignore").splitlines() if not line.startswith("#")][0]
    findings.unless(first == "*", ".dockerignore", "lets everything in that it does not name")
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M) for word in line.split() if word != "."]
    members = tomllib.loads(project.text("Cargo.toml"))["workspace"]["members"]
    for name in copied + ["Cargo.toml", "Cargo.lock", "build.rs", "src", "page"] + [member for member in members if member != "."]:
        findings.unless(name.split("/")[0] in kept, ".dockerignore", "leaves out %s" % name)
    for name in (".git", "data", "target", "vault-data", "vault-keys", "vault-approles", "vault-rendered", "terraform", ".env"):
        findings.unless(name not in kept, ".dockerignore", "lets in %s" % name)
    debian = {"debian12": "bookworm", "debian13": "trixie"}
    runtime = re.search(r"cc-(debian\d+)", text)
    findings.unless(runtime and debian[runtime.group(1)] in text.split("RUNTIME_IMAGE")[0], "Dockerfile", "is built on another Debian")


def told(project, findings):
    """What Terraform and the balancer are told, they know: an unknown variable is read past in silence."""
    sources = "\n".join(file.read_text() for file in sorted(project.root.glob("terraform/*.tf")))
    known = set(re.findall(r'^variable "(\w+)"', sources, re.M))
    given = set(re.findall(r'^  "(\w+)":', project.text("vault/agent/templates/message-broker.json.ctmpl"), re.M))
    for override in (False, True):
        service = project.services("core", override=override)["terraform"]
        given |= set(re.findall(r"TF_VAR_(\w+)", str(service["environment"]) + str(service["command"])))
        given |= set(re.findall(r'-var="(\w+)=', str(service["command"])))
    for name in sorted(given - known):
        findings.say("terraform", "is told %s, which it has no variable for" % name)
    routes = "\n".join(file.read_text() for file in sorted(project.root.glob("traefik/dynamic/*.yml")))
    for name in project.services("core")["traefik"]["environment"]:
        findings.unless('env "%s"' % name in routes, "traefik", "is told %s, which no route reads" % name)


def documented(project, findings):
    """Every image, port and profile has its line in the README."""
    text = project.text("README.md")
    for name, service in project.everything().items():
        bases = [service["image"]] + [value for value in service.get("build", {}).get("args", {}).values() if ":" in value]
        image = bases[-1]
        findings.unless("`%s`" % image in text or image.startswith("tillstream"), "README.md", "does not name %s" % image)
    for file in sorted(project.root.glob("docker/*.Dockerfile")) + [project.root / "Dockerfile"]:
        for image in re.findall(r"^(?:ARG \w+=|FROM )(\S+:\S+)", file.read_text(), re.M):
            findings.unless("`%s`" % image in text, "README.md", "does not name %s" % image)
    for name, service in project.everything().items():
        for port in service.get("ports", []):
            findings.unless("127.0.0.1:%s" % port["published"] in text, "README.md", "%s has no line for its port" % name)
    for profile in projects.PROFILES:
        findings.unless("`%s`" % profile in text, "README.md", "does not explain profile %s" % profile)


ALL = [
    images,
    health,
    restarts,
    waits,
    ports,
    links,
    networks,
    privileges,
    sockets,
    grace,
    secrets,
    variables,
    files,
    owners,
    context,
    told,
    documented,
]
