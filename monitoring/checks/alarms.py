"""Every alert made to fire: something is broken, a real Prometheus notices, and a real Alertmanager hears of it.

Reads one JSON object from standard input: `binary`, the program under test, and `folder`, an empty one. Needs the right to
mount a tmpfs. The rules are a copy of the product's in which time runs faster; what is changed in it stands below, and
nothing else is.
"""

import base64
import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT.parent / "tests" / "python"))

import checks
import yaml
from servers import Alertmanager, Prometheus, Service, eventually, free_port

# Starting three programs and waiting for a backlog takes longer than other checks do.
checks.DEADLINE_SECONDS = 240

GIVEN = json.load(sys.stdin)
FOLDER = Path(GIVEN["folder"])

# Ranges and offsets in seconds; 1h, 6h and 3d stay, because a ratio over a range needs no more than two samples in it.
RANGES = {"1m": "5s", "5m": "10s", "10m": "20s", "15m": "30s", "30m": "60s"}

# Bounds that nobody waits for: what would be minutes or gigabytes. Each must be found, or the rule has changed.
BOUNDS = {
    "secrets_age_seconds > 300": "secrets_age_seconds > 4",
    "secrets_age_seconds > 2700": "secrets_age_seconds > 8",
    "token_keys_age_seconds > 1200": "token_keys_age_seconds > 4",
    "offset 1d": "offset 5s",
    "> 82800": "> 4",
    "expires_seconds < 3600": "expires_seconds < 90000",
    "> 5000": "> 500",
    "} > 0.8": "} > 0.00001",
}

# How long a cause may take until Alertmanager knows of it.
HEARD_SECONDS = 90


def faster(text):
    """The rules in which `for` is a sixtieth, and ranges and bounds are those above."""

    def sixtieth(match):
        seconds = int(match.group(1)) * {"s": 1, "m": 60, "h": 3600}[match.group(2)]
        return "for: %ds" % max(1, seconds // 60)

    text = re.sub(r"for: (\d+)([smh])", sixtieth, text)
    text = re.sub(r"\[(\d+m)\]", lambda match: "[%s]" % RANGES[match.group(1)], text)
    return re.sub(r"offset (\d+m)", lambda match: "offset " + RANGES[match.group(1)], text)


def rules(folder):
    """Writes the copy."""
    found = set()
    for file in sorted((ROOT / "prometheus" / "rules").glob("*.yml")):
        text = faster(file.read_text())
        for old, new in BOUNDS.items():
            found |= {old} if old in text else set()
            text = text.replace(old, new)
        (folder / file.name).write_text(text)
    assert found == set(BOUNDS), "no rule has %s" % sorted(set(BOUNDS) - found)


class Scene:
    """A Prometheus that watches these services, and an Alertmanager that hears of it."""

    def __init__(self, prometheus, alertmanager):
        self.prometheus, self.alertmanager = prometheus, alertmanager

    def hears(self, name, *states, **labels):
        """Waits until the alert is there."""
        wanted = {"alertname": name, **labels}.items()

        def there():
            return [alert for alert in self.alertmanager.alerts(*states) if wanted <= alert.items()]

        eventually("Alertmanager to hear of %s" % dict(wanted), HEARD_SECONDS, there)
        print("  heard of %s" % " ".join([name, *labels.values(), *states]), flush=True)


@contextmanager
def watched(name, *services, job="tillstream"):
    """Routes and inhibition are the product's; its receivers are names without addresses, so that nobody is told."""
    folder = FOLDER / (name + "-watched")
    folder.mkdir()
    rules(folder)
    told = yaml.safe_load((ROOT / "alertmanager" / "alertmanager.yml").read_text())
    told["receivers"] = [{"name": receiver["name"]} for receiver in told["receivers"]]
    del told["global"]
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(told))
    with Alertmanager(folder, folder / "alertmanager.yml") as alertmanager:
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "recording.yml"), str(folder / "alerts.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.target]}]}]},
            "scrape_configs": [
                {
                    "job_name": job,
                    "scheme": services[0].scheme,
                    "tls_config": {"ca_file": services[0].trust} if services[0].trust else {},
                    "static_configs": [{"targets": [service.address for service in services]}],
                }
            ],
        }
        with Prometheus(folder, config) as prometheus:
            scraped = 'count(up == 1) == %d and count(http_requests_total{status="200"}) > 0' % len(services)
            eventually("a first scrape", 60, lambda: prometheus.query(scraped))
            yield Scene(prometheus, alertmanager)


def service(name, **settings):
    """One with all roles in a folder of its own."""
    return Service(GIVEN["binary"], name, FOLDER, **settings)


@contextmanager
def small_disk(name, megabytes):
    """A real file system that is soon full."""
    disk = FOLDER / name
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % megabytes, "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        # Lazily: the service may still hold its files when a check fails.
        subprocess.run(["umount", "--lazy", disk], check=True)


def wrong_books_lost_actors_bad_secrets_a_dead_process():
    with service("books", SECRETS__REFRESH="1s") as one, watched("books", one.ready()) as scene:
        one.fault("/api/v1/faults/environment", {"kind": "lose_sale", "seconds": 1})
        sale = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
        assert one.sell("STORE_1", sale, 258)[0] == 200 and one.sell("STORE_1", sale, 259)[0] == 200
        scene.hears("MessagesRejected", queue="sale_pos_transaction_rejected.q")
        for _ in range(7):
            one.fault("/api/v1/actors/root.pipeline.windows.STORE_3/fault", {"kind": "panic"})
            time.sleep(0.2)
        scene.hears("ActorRestartStorm", actor="window")
        scene.hears("LedgerImbalance", severity="critical")
        secrets = one.data / "secrets.toml"
        secrets.write_text("this is = no [toml")
        scene.hears("SecretsStale", "active", severity="critical")
        scene.hears("SecretsStale", "suppressed", severity="warning")
        one.child.kill()
        scene.hears("ScrapeMissing", instance=one.address)


def nobody_plays_a_role():
    with service("role", SECRETS__REFRESH="1s") as one, watched("role", one.ready(), job="validation") as scene:
        scene.hears("RoleMissing", role="aggregation")
        scene.hears("RoleMissing", role="reporting")


def a_backlog_and_an_actor_that_stays_down():
    settings = {
        "WINDOW__SIZE": "1h",
        "POS__RATE": "300",
        "SUPERVISION__BACKOFF_MIN": "20s",
        "SUPERVISION__BACKOFF_MAX": "20s",
    }
    with service("backlog", **settings) as one, watched("backlog", one.ready()) as scene:
        scene.hears("QueueGrows", queue="sale_pos_transaction_aggregation_service")
        scene.hears("QueueNearlyFull", queue="sale_pos_transaction_aggregation_service")
        scene.hears("WindowsNotEmitted")
        # The first restart comes at once, the next ones after the pause; an actor that is down cannot be hit.
        for _ in range(3):
            one.ask("/api/v1/actors/root.pipeline.windows.STORE_3/fault", {"kind": "panic"}, one.user())
            time.sleep(1)
        scene.hears("ActorDown", actor="window")


def a_broker_that_stalls():
    with service("stall", VALIDATION__PUBLISH_TIMEOUT="1s") as one, watched("stall", one.ready()) as scene:
        one.fault("/api/v1/faults/environment", {"kind": "broker_stall", "seconds": 30})
        scene.hears("SalesAvailabilityBurn", burn="14.4")
        scene.hears("SalesAvailabilityBurn", "suppressed", burn="6")
        scene.hears("SalesAvailabilityBurn", "suppressed", burn="1")


def a_broker_that_is_slow():
    with service("slow") as one, watched("slow", one.ready()) as scene:
        # A publish counts when its answer is there, so one long stall would not show while it lasts.
        for _ in range(12):
            one.fault("/api/v1/faults/environment", {"kind": "broker_stall", "seconds": 2})
            time.sleep(2.5)
        scene.hears("PublishLatencyBurn", burn="14.4")
        scene.hears("PublishLatencyBurn", "suppressed", burn="6")
        scene.hears("PublishLatencyBurn", "suppressed", burn="1")


def a_disk_that_fills():
    with small_disk("disk", 1600) as disk:
        with service("disk", data=disk / "data") as one, watched("disk", one.ready()) as scene:
            with open(disk / "ballast", "wb") as ballast:
                for _ in range(20):
                    ballast.write(bytes(30 << 20))
                    ballast.flush()
                    time.sleep(1)
            scene.hears("DiskSpaceLow", "active", severity="critical")
            scene.hears("DiskSpaceLow", "suppressed", severity="warning")
            one.fault("/api/v1/faults/environment", {"kind": "disk_full", "seconds": 45})
            # Why the leg is down is said already: the disk.
            scene.hears("BrokerLegDown", "suppressed", backend="embedded")


def a_server_of_secrets_that_is_away():
    away = "http://127.0.0.1:%d" % free_port()
    for name in ("role_id", "secret_id"):
        (FOLDER / name).write_text("nobody")
    files = {"VAULT__%s_FILE" % name.upper(): str(FOLDER / name) for name in ("role_id", "secret_id")}
    with service("waiting", SECRETS__SOURCE="vault", VAULT__ADDRESS=away, **files) as one:
        one.ask("/health/live")
        with watched("waiting", one) as scene:
            scene.hears("NotStarted", instance=one.address)


def a_certificate_and_keys_that_nobody_renews():
    certificate, key, keys = (str(FOLDER / name) for name in ("tls.crt", "tls.key", "keys.json"))
    names = ["-subj", "/CN=till", "-addext", "subjectAltName=IP:127.0.0.1"]
    pair = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", "req", "-x509", "-days", "1", *pair, *names], check=True, capture_output=True)
    Path(keys).write_text(json.dumps({"keys": [public_key(key)]}))
    tls = {"TLS__MODE": "on", "TLS__CERTIFICATE": certificate, "TLS__KEY": key}
    issuer = {"TOKENS__ISSUER": "http://127.0.0.1/issuer", "TOKENS__AUDIENCE": "tillstream", "TOKENS__JWKS_FILE": keys}
    pace = {"TOKENS__SCOPES__SELL": "pos", "TOKENS__REFRESH": "1s", "TOKENS__REFETCH": "1s"}
    with service("forgotten", **tls, **issuer, **pace) as one, watched("forgotten", one.ready()) as scene:
        scene.hears("CertificateExpires", "active", severity="critical")
        scene.hears("CertificateExpires", "suppressed", severity="warning")
        Path(keys).write_text("these are no keys")
        scene.hears("TokenKeysStale", instance=one.address)


def public_key(file):
    """As an issuer publishes it: a point on the curve ends the key's DER form."""
    der = subprocess.run(["openssl", "ec", "-in", file, "-pubout", "-outform", "DER"], check=True, capture_output=True)
    x, y = (base64.urlsafe_b64encode(half).decode().rstrip("=") for half in (der.stdout[-64:-32], der.stdout[-32:]))
    return {"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": x, "y": y}


def late_sales_and_late_windows():
    # Watermarks that trail by 20 s: every window is told that late.
    settings = {"POS__SHARES__LATE": "300", "POS__RATE": "50", "WINDOW__DISORDER": "20s"}
    with service("late", **settings) as one, watched("late", one.ready()) as scene:
        scene.hears("WindowDelay")
        scene.hears("LateSales")


def a_collector_that_is_away():
    away = "http://127.0.0.1:%d" % free_port()
    settings = {"TRACES__ENDPOINT": away, "TRACES__RATIO": "1.0", "TRACES__TIMEOUT": "1s"}
    with service("spans", **settings) as one, watched("spans", one.ready()) as scene:
        scene.hears("SpansDropped", instance=one.address)


def audit_records_that_nobody_can_write():
    with small_disk("audit-disk", 2) as disk:
        with service("audit", AUDIT__DIRECTORY=str(disk / "audit")) as one, watched("audit", one.ready()) as scene:
            with open(disk / "ballast", "wb", buffering=0) as ballast:
                with suppress(OSError):
                    while True:
                        ballast.write(bytes(4096))
            for _ in range(300):
                assert one.ask("/api/v1/pos/validate_transaction", {}, one.user("pos-service"))[0] == 422
            scene.hears("AuditRecordsLost", instance=one.address)


def main():
    """One after the other: each has servers of its own."""
    runner = checks.Checks()
    scenes = [
        wrong_books_lost_actors_bad_secrets_a_dead_process,
        nobody_plays_a_role,
        a_backlog_and_an_actor_that_stays_down,
        a_broker_that_stalls,
        a_broker_that_is_slow,
        a_disk_that_fills,
        a_server_of_secrets_that_is_away,
        a_certificate_and_keys_that_nobody_renews,
        late_sales_and_late_windows,
        a_collector_that_is_away,
        audit_records_that_nobody_can_write,
    ]
    wanted = GIVEN.get("only")
    for scene in scenes:
        if not wanted or scene.__name__ in wanted:
            runner.run(scene)
    runner.finish()


main()
