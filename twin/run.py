"""`make stack`: the whole deployment as processes of this machine, until Ctrl-C.

Tests of it are in smoke.py and disasters.py.
"""

import argparse
import sys
import time
from pathlib import Path

import places
from services import Stack
from supervise import Supervisor, end_by_signal
from vault import Operator
from view import View

# `tillstream vault renew` does nothing to logins in the first half of their day.
RENEW_SECONDS = 3600


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="cargo xtask stack")
    parser.add_argument("--tillstream", type=Path, required=True, help="the program")
    parser.add_argument("--target", type=Path, required=True, help="where the programs of others are installed")
    parser.add_argument("--folder", type=Path, help="data, logs and secrets")
    parser.add_argument("--first-port", type=int, default=places.FIRST_PORT, help="the others follow")
    parser.add_argument("--tills", type=int, default=5, choices=range(0, 6), help="processes of simulated tills")
    parser.add_argument("--rate", type=int, default=10, help="sales per second of each of them")
    parser.add_argument("password", nargs="*", help="`password USER` prints a password and starts nothing")
    return parser.parse_args()


def made(options, ports):
    """The stack that these options want."""
    programs = places.Programs(options.target, options.tillstream)
    return Stack(folder(options), ports, programs, options.tills, POS__RATE=str(options.rate))


def folder(options):
    """Where everything is."""
    return options.folder or options.target / "stack"


def greet(stack, view):
    """What to open, what to ask."""
    ports, entrance = stack.ports, stack.entrance()
    authority = stack.folder / "balancer" / "tls" / "ca.pem"
    login = stack.folder / "vault-approles" / "operator"
    rows = [
        ("the live page", entrance + "/"),
        ("figures", ports.url("prometheus", "/consoles/index.html")),
        ("try every route", entrance + "/api/v1/pos/docs"),
        ("turnover, ledger", "%s/api/v1/pos/turnover, %s/api/v1/ledger" % (entrance, entrance)),
        ("the same over TLS", "https://%s/validation-service, trust %s" % (ports.host("traefik-tls"), authority)),
        ("alerts", ports.url("prometheus", "/classic/alerts")),
        ("secrets", "https://%s, operator's login in %s" % (ports.host("openbao"), login)),
        ("logs", str(stack.folder / "logs")),
    ]
    view.say("\n".join("  %-18s %s" % row for row in rows))
    view.say("  %-18s %s" % ("passwords", "cargo xtask stack password admin (or reporting-service, pos-service)"))
    view.say("\nsales come in; a window's turnover is there ten seconds after it began. Ctrl-C ends all of it.\n")


def run(stack):
    """Until somebody wants it to end; then in order."""
    stack.prepare()
    taken = stack.ports.taken()
    if taken:
        listed = ", ".join("%d (%s)" % (port, name) for name, port in taken.items())
        sys.exit("error: somebody listens on 127.0.0.1:%s; choose other ports with `make stack PORTS=28000`" % listed)
    view = View()
    stack.say = view.say
    supervisor = Supervisor(stack.processes(), stack.folder, view.told)
    view.keepers = list(supervisor.keepers.values())
    end_by_signal()
    try:
        supervisor.start()
        watch(stack, supervisor, view)
    except KeyboardInterrupt:
        view.say("\nending, tills first, the server of secrets last; Ctrl-C once more ends all of it at once")
    return end(supervisor, view)


def end(supervisor, view):
    """In order, unless somebody cannot wait: then the end of this process is everybody's."""
    try:
        supervisor.stop()
        view.draw()
        return 0
    except KeyboardInterrupt:
        return 1


def watch(stack, supervisor, view):
    """Draws, greets once everybody is there, and keeps the logins alive."""
    greeted, renew_at = False, time.monotonic() + RENEW_SECONDS
    while True:
        view.draw()
        if not greeted and supervisor.are_ready():
            greet(stack, view)
            greeted = True
        if time.monotonic() >= renew_at:
            renew_at += RENEW_SECONDS
            supervisor["openbao"].attempt(lambda: stack.as_operator("renew"))
        time.sleep(0.5)


def main():
    """Does what the command line says."""
    options = arguments()
    if not options.password:
        return run(made(options, places.Ports.from_first(options.first_port)))
    if options.password[0] != "password" or len(options.password) != 2:
        sys.exit("error: only `password USER` is known")
    return tell_password(options, user_of(options.password[1]))


def tell_password(options, name):
    """Of a stack that runs; whoever mistypes a name hears which there are."""
    try:
        ports = places.Ports.read(folder(options) / "config" / "ports.json")
        operator = Operator(made(options, ports))
        users = operator.users()
    except OSError:
        sys.exit("error: the stack is not running: start it with `make stack`")
    except AssertionError as refusal:
        sys.exit("error: the server of secrets does not answer as it should, the stack may still be starting: %s" % refusal)
    if name not in users:
        sys.exit("error: there is no user `%s`, only %s" % (name, ", ".join(users)))
    print(operator.user(name)[1])
    return 0


def user_of(name):
    """People say the user's name, the secret's path ends with the service's."""
    return name.removesuffix("_username")


if __name__ == "__main__":
    sys.exit(main())
