"""What clients do, found out by running them: `python docs/clients.py` writes three tables anew.

* the sweep of seven clients in reference/clients.md: each sends one mail through a complete session, with
  STARTTLS, a login and QUIT, once under every fault;
* what each does with a bad certificate, in how-to/verify-certificates.md;
* what is found of each, in README.md.

The clients are the programs in examples/senders. The test suite runs them again, and fails when a page says
something else. `python docs/clients.py findings` writes one table alone.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aiosmtplib import SMTPException

from pytest_smtp4d import SMTPServer, SMTPStatusError
from pytest_smtp4d.faults import sweep
from pytest_smtp4d.server.disturbance import Disturbance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

DOCS = Path(__file__).resolve().parent
SENDERS = DOCS / "examples" / "senders"
WORKERS = 8
"""How many clients run at once."""


# --- the clients ----------------------------------------------------------------------------------


class Call(NamedTuple):
    """One call of a client.

    Args:
        server: whom it sends to.
        how: the function of its file, "careful_starttls".
        seconds: its time-out, where it is called with care.
        is_told: the authority's file is an argument; else it is what the system trusts.
    """

    server: SMTPServer
    how: str
    seconds: float = 10
    is_told: bool = True

    @property
    def arguments(self) -> list[Any]:
        """Host and port, and what only a careful call is given."""
        arguments: list[Any] = [self.server.host, self.server.port]
        if self.how.startswith("careful"):
            arguments += [self.server.ca_file if self.is_told else None, self.seconds]
        return arguments


def of_python(name: str) -> Callable[[Call], str]:
    """Return what calls a client that is Python; it says "sent", or the error that was raised."""

    def run(call: Call) -> str:
        send = getattr(import_module(f"senders.by_{name}"), call.how)
        try:
            result = send(*call.arguments)
            if inspect.iscoroutine(result):
                asyncio.run(result)
        except SMTPStatusError as error:
            return f"{error.status.status} at {error.status.command}"
        except (SMTPException, OSError, ValueError) as error:
            # Which kind of SSLError it is differs between versions of OpenSSL.
            return "SSLError" if isinstance(error, ssl.SSLError) else type(error).__name__
        return "sent"

    return run


def of_program(*command: Any, last_line: bool = False) -> Callable[[Call], str]:
    """Return what runs a program; it says "sent", its exit status, or the last line that it printed."""

    def run(call: Call) -> str:
        words = [str(word() if callable(word) else word) for word in command]
        arguments = ["" if argument is None else str(argument) for argument in call.arguments]
        done = subprocess.run(
            [*words, call.how, *arguments],
            env={"NODE_PATH": str(DOCS.parent / ".peers" / "node_modules"), **os.environ},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode == 0:
            return "sent"
        return (last_line and done.stdout.strip().rpartition("\n")[2]) or f"exit {done.returncode}"

    return run


@lru_cache
def go_program() -> str:
    """Build the Go program, once."""
    program = Path(tempfile.mkdtemp(prefix="senders-")) / "net_smtp"
    subprocess.run(["go", "build", "-o", str(program), str(SENDERS / "net_smtp.go")], check=True)
    return str(program)


NODEMAILER = of_program("node", SENDERS / "nodemailer.cjs", last_line=True)
CLIENTS: dict[str, Callable[[Call], str]] = {
    "transporter": of_python("transporter"),
    "smtplib": of_python("smtplib"),
    "aiosmtplib": of_python("aiosmtplib"),
    "Django": of_python("django"),
    "nodemailer": NODEMAILER,
    "nodemailer, pool": lambda call: NODEMAILER(call._replace(how=call.how.replace("starttls", "pool"))),
    "curl": of_program("sh", SENDERS / "curl.sh"),
    "swaks": of_program("sh", SENDERS / "swaks.sh"),
    "PHPMailer": of_program("php", SENDERS / "phpmailer.php"),
    "net/smtp": of_program(go_program),
}
NEEDS = {
    "nodemailer": "node",
    "nodemailer, pool": "node",
    "curl": "curl",
    "swaks": "swaks",
    "PHPMailer": "php",
    "net/smtp": "go",
}
"""Client -> the program that must be there to run it."""
VERIFYING = tuple(client for client in CLIENTS if client != "nodemailer, pool")
SWEPT = ("transporter", "smtplib", "aiosmtplib", "Django", "nodemailer", "curl", "swaks")


def server_for(client: str, **settings: Any) -> SMTPServer:
    """Return a server with a login.

    To net/smtp, 127.0.0.1 is a host that may have a password in clear; 127.0.0.2 is one like any other.
    """
    settings = {"users": {"me": "secret"}, "strict": False, **settings}
    return SMTPServer(host="127.0.0.2" if client == "net/smtp" else "127.0.0.1", **settings)


TRUST_VARIABLES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE")
"""What names the authorities that programs trust: OpenSSL's, Python's, PHP's and Go's; Node's; curl's."""


@contextmanager
def prepared(*, trusts_system: bool = False) -> Iterator[None]:
    """Run clients in this block; the system trusts our authority, or knows nothing of it."""
    before = dict(os.environ)
    if str(SENDERS.parent) not in sys.path:
        sys.path.insert(0, str(SENDERS.parent))
    configure_django()
    with SMTPServer() as server:
        authority = server.ca_file
        if trusts_system:
            os.environ.update(dict.fromkeys(TRUST_VARIABLES, authority))
        try:
            with warnings.catch_warnings():
                # Some leave a socket or a transport behind when they fail; here that is nobody's business.
                warnings.simplefilter("ignore")
                yield
                gc.collect()
        finally:
            for name in TRUST_VARIABLES:
                os.environ.pop(name, None)
            os.environ.update(before)


def configure_django() -> None:
    """Django wants settings, even where none is used."""
    import django.conf

    if not django.conf.settings.configured:
        django.conf.settings.configure(DEFAULT_CHARSET="utf-8", USE_TZ=True)


def side_by_side(
    work: Callable[..., str], cells: Iterable[tuple[Any, ...]], workers: int = WORKERS
) -> list[str]:
    """Do the work for each cell, several at once; return what came out, in order."""
    with ThreadPoolExecutor(workers) as pool:
        return [future.result() for future in [pool.submit(work, *cell) for cell in cells]]


# --- the sweep ------------------------------------------------------------------------------------

PATIENCE = 6
"""Seconds that a client is told to wait."""
HANGS = 20
"""Seconds after which a client that was told so is taken to hang."""


def said_within(seconds: float, client: str, call: Call) -> str | None:
    """Return what a client says, or None where it still runs then; its connections are cut."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(CLIENTS[client], call)
        try:
            return future.result(seconds)
        except StillRunning:
            call.server.drop_connections(abort=True)
            return None


def outcome(client: str, stage: str, kind: str) -> str:
    """Return what a client says under one fault, and, where that is not the truth, what is."""
    with server_for(client) as server:
        disturbance = Disturbance(server, stage, kind)
        said = said_within(HANGS, client, Call(server, "careful_starttls", PATIENCE))
        if not disturbance.is_reached:
            return "not reached"
        arrived = len(server.messages)
    if said is None:
        said = "**hangs**"
    if said == "sent":
        return said if arrived == 1 else f"**sent, and {arrived} arrived**"
    return f"{said}, **and it arrived**" if arrived else said


def swept(client: str, expected: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return point -> outcome of a sweep.

    Args:
        client: which one.
        expected: what a page says. A client that did something else while others kept the machine busy, or
            that did not reach the stage, is run once more, alone.
    """
    points = {sweep.point_id(*point): point for point in sweep.grid()}
    with prepared():
        outcomes = side_by_side(outcome, ((client, *point) for point in points.values()))
        found = dict(zip(points, outcomes, strict=True))
        for name, said in found.items():
            if said == "not reached" or (expected is not None and said != expected[name]):
                found[name] = outcome(client, *points[name])
    return found


def sweep_rows() -> list[list[str]]:
    """Sweep all; one row for each point."""
    columns = [swept(client) for client in SWEPT]
    return [["fault", *SWEPT], *([point, *(said[point] for said in columns)] for point in columns[0])]


# --- certificates ---------------------------------------------------------------------------------

TRUST_KINDS = {
    "starttls": ("impostor", "wrong-host", "expired", "stripped"),
    "implicit": ("impostor", "wrong-host", "expired"),
}
"""TLS mode -> the kinds of the sweep that are about trust."""


def trusts(client: str, manner: str, tls: str, kind: str | None, *, is_told: bool = False) -> str:
    """Return what a client does with a server that must not be trusted; `kind` None: one that may be."""
    # Who strips STARTTLS chooses the mechanisms, too: none that hides the password.
    with server_for(client, tls=tls, auth=("PLAIN", "LOGIN")) as server:
        if kind is not None:
            Disturbance(server, "STARTTLS" if kind == "stripped" else "TLS", kind)
        said = CLIENTS[client](Call(server, f"{manner}_{tls}", 30, is_told))
        names = {violation.name for session in server.sessions for violation in session.violations}
        arrived = [message.session for message in server.messages]
    if "cleartext-credentials" in names:
        return "**password in clear**"
    if "certificate-not-verified" in names:
        return "**goes on**"
    if any(session.tls is None for session in arrived):
        return "**mail in clear**"
    return said if kind is None else "**says sent**" if said == "sent" else "refuses"


def certificate_cells(client: str, manner: str) -> list[str]:
    """Return what a client does with each server that is not to be trusted; the system trusts our CA."""
    cells = [(client, manner, tls, kind) for tls, kinds in TRUST_KINDS.items() for kind in kinds]
    with prepared(trusts_system=True):
        return side_by_side(trusts, cells)


def certificate_rows() -> list[list[str]]:
    """Run each client at its defaults and with care."""
    head = [f"{kind}, {words}" for tls, words in TLS_WORDS.items() for kind in TRUST_KINDS[tls]]
    rows = [
        [client, words, *certificate_cells(client, manner)]
        for client in VERIFYING
        for manner, words in MANNERS.items()
    ]
    return [["client", "", *head], *rows]


MANNERS = {"plain": "at its defaults", "careful": "with care"}
TLS_WORDS = {"starttls": "STARTTLS", "implicit": "TLS at once"}


# --- what is found --------------------------------------------------------------------------------

LIMIT = 120
"""Seconds after which a client that still waits for a silent server is taken to hang."""

FINDINGS = ("the 250 is lost", "wrong certificate", "STARTTLS stripped", "silence: waits")


def copies(client: str, manner: str) -> str:
    """Return how many copies arrive when the 250 is lost; a caller at the defaults tries once more."""
    with server_for(client) as server:
        server.on("CONTENT", times=1).accept().disconnect()
        call = Call(server, f"{manner}_starttls", 30, is_told=False)
        if CLIENTS[client](call) != "sent" and manner == "plain":
            CLIENTS[client](call)
        arrived = len(server.messages)
    return {1: "sent once", 2: "**sent twice**"}.get(arrived, f"**{arrived} arrived**")


def patience(client: str, manner: str) -> str:
    """Return how long a client waits for the reply to the content."""
    with server_for(client) as server:
        server.on("CONTENT").silence()
        began = time.monotonic()
        call = Call(server, f"{manner}_starttls", 10, is_told=False)
        if said_within(LIMIT, client, call) is None:
            return f"**over {LIMIT} s**"
    return f"{10 * int((time.monotonic() - began) / 10)} s"


def finding_cells(client: str, manner: str) -> list[str]:
    """Return what the four findings are for a client."""
    return [
        copies(client, manner),
        trusts(client, manner, "starttls", "impostor"),
        trusts(client, manner, "starttls", "stripped"),
        patience(client, manner),
    ]


def finding_rows(clients: Iterable[str] = tuple(CLIENTS)) -> list[list[str]]:
    """Run each client at its defaults and with care, all at once: most of the time they wait."""
    cells = [(client, manner) for client in clients for manner in MANNERS]
    with prepared(trusts_system=True), ThreadPoolExecutor(len(cells)) as pool:
        found = list(pool.map(lambda cell: finding_cells(*cell), cells))
    lines = [
        [client, *map(arrow, plain, careful)]
        for client, plain, careful in zip(clients, found[::2], found[1::2], strict=True)
    ]
    return [["client", *FINDINGS], *lines]


def arrow(plain: str, careful: str) -> str:
    """Return a cell: what a client does at its defaults, and what with care where that is different."""
    return plain if plain == careful else f"{plain} → {careful}"


# --- the pages ------------------------------------------------------------------------------------


class Table(NamedTuple):
    """A table of a page, between two comments."""

    page: Path
    rows: Callable[[], list[list[str]]]


TABLES = {
    "sweep": Table(DOCS / "reference" / "clients.md", sweep_rows),
    "certificates": Table(DOCS / "how-to" / "verify-certificates.md", certificate_rows),
    "findings": Table(DOCS.parent / "README.md", finding_rows),
}


def parts(name: str) -> tuple[str, str, str]:
    """Return a page's text before the table, the table, and what follows."""
    begin, end = f"<!-- clients: {name} -->\n", "<!-- end of clients -->"
    head, begins, rest = TABLES[name].page.read_text(encoding="utf-8").partition(begin)
    table, ends, tail = rest.partition(end)
    if not begins or not ends:
        raise LookupError(f"{TABLES[name].page} has no lines {begin.strip()} and {end}")
    return head + begins, table, ends + tail


def written(name: str) -> list[list[str]]:
    """Return the rows of a table as its page has them, the head first."""
    head, _, *lines = parts(name)[1].strip().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (head, *lines)]


def write(name: str) -> None:
    """Run the clients and write a table."""
    head, *lines = TABLES[name].rows()
    before, _, after = parts(name)
    text = "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *lines))
    TABLES[name].page.write_text(before + text + after, encoding="utf-8")
    print(f"wrote {name} to {TABLES[name].page.name}")  # noqa: T201 - a script


def main(*names: str) -> None:
    """Write the tables with these names, or all.

    Raises:
        SystemExit: a program is missing, or there is no such table.
    """
    if unknown := set(names) - set(TABLES):
        sys.exit(f"no table {', '.join(sorted(unknown))}: there are {', '.join(TABLES)}")
    if lacking := [program for program in NEEDS.values() if shutil.which(program) is None]:
        sys.exit(f"install {', '.join(lacking)} first")
    for name in names or TABLES:
        write(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
