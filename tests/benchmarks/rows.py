"""What is measured: every row of the table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from tests.benchmarks.environments import WORK, Environments, find_program
from tests.benchmarks.measure import Missing, Row, Sampler
from tests.benchmarks.processes import CLIENT_CPU, Processes, output, talking

WARM_UP = 20
"""Messages that the scripts send before their clock runs."""

NO_POSTFIX = "is not installed (apt-get install postfix)"

Others = dict[str, Sampler | Missing]
"""Peer -> what measures it."""

Sent = tuple[float, int, int]
"""Seconds, the messages that were sent in them, and all that were sent."""

SMTP_SOURCE = {
    "source": ("smtp-source, 1 session", 2000, ("-s", "1", "-d"), "≥ 1.5", "> 1"),
    "sessions": ("smtp-source, 10 sessions", 6000, ("-s", "10", "-d"), "≥ 3.2", "≥ 1.15"),
    "connections": ("smtp-source, a session per message", 300, ("-s", "1"), "≥ 1.5", ""),
}
"""Row -> title, messages, options, and the targets against aiosmtpd and Node."""

FIXTURES = {
    "idle-starttls": ("nothing sent, STARTTLS on offer", "starttls", "pass", "≤ 0.15"),
    "idle-implicit": ("nothing sent, implicit TLS", "implicit", "pass", "≤ 0.02"),
    "mail-starttls": ("one mail over STARTTLS", "starttls", "send({})", "≤ 0.5"),
}
"""Row -> title, kind of TLS, body of a test, target against smtpdfix."""

SENDING = """\
import smtplib, ssl, pytest

TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE


def send(server):
    host = server.host if hasattr(server, "host") else server.hostname
    with smtplib.SMTP(host, server.port, local_hostname="client.example.com") as client:
        client.starttls(context=TRUSTING)
        client.sendmail("ada@example.com", ["bob@example.org"], b"Subject: Hello\\r\\n\\r\\nHello Bob\\r\\n")


"""
"""The head of a file of tests: ours and smtpdfix's are sent to in the same way."""

CLIENTS = {
    "prebuilt": ("transporter, prebuilt octets", "smtplib", 3000, ""),
    "realistic": ("transporter, a mail made each time", "smtplib", 1000, "≥ 6.5"),
    "at-once": ("AsyncSMTPTransporter, 10 at once", "aiosmtplib", 3000, "≥ 2.5"),
}
"""Row -> title, peer, mails, target."""

GROWTH = {
    "messages": (1000, "messages in a session"),
    "recipients": (1000, "recipients of a message"),
    "octets": (2_500_000, "octets of a message"),
    "nesting": (1000, "parts, each within the one before"),
    "sessions": (300, "sessions"),
    "links": (1000, "links"),
    "wait": (1000, "messages waited among"),
    "read-long-text": (2_500_000, "octets read: one long text"),
    "read-long-base64": (2_500_000, "octets read: one long base64"),
    "read-quoted-printable": (2_500_000, "octets read: quoted-printable"),
    "read-long-field": (2_500_000, "octets read: one long field"),
    "read-many-fields": (200_000, "octets read: many fields"),
    "read-many-folds": (200_000, "octets read: many folds"),
    "read-many-addresses": (200_000, "octets read: many addresses"),
    "read-many-encoded-words": (200_000, "octets read: many encoded words"),
    "read-open-brackets": (200_000, "octets read: open brackets"),
    "read-many-parts": (200_000, "octets read: many parts"),
    "read-deep-parts": (200_000, "octets read: deep parts without an end"),
    "read-near-delimiters": (200_000, "octets read: lines that are nearly delimiters"),
}
"""What grows -> its smaller size, and its name."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Makes the rows.

    Args:
        environments: what there is to measure.
        is_small: everything a hundred times smaller, to see that all of it works.
    """

    environments: Environments
    is_small: bool

    def all(self) -> list[Row]:
        """Return all rows, in the order of the table."""
        return [
            *self._throughput(),
            self._large(),
            self._debug(),
            *self._fixtures(),
            self._start(),
            *self._mail(),
            *self._sending(),
            *self._growth(),
        ]

    # -- what the rows have in common -----------------------------------------------------------------------

    @property
    def _run(self) -> Processes:
        return Processes(self.environments)

    def _size(self, full: int) -> int:
        return max(10, full // 100) if self.is_small else full

    def _before(self, ours: Callable[[str], Sampler]) -> dict[str, Sampler]:
        """Return another commit of ours as a peer, where one is asked for."""
        commit = self.environments.against
        return {commit: ours("before")} if commit else {}

    def _peer(self, package: str, sampler: Sampler) -> Sampler | Missing:
        """Return the sampler of a package that may not be there."""
        environments = self.environments
        why = environments.why_no_node if package == "node" else environments.why_no_package(package)
        return Missing(why) if why else sampler

    # -- messages captured ----------------------------------------------------------------------------------

    def _throughput(self) -> Iterator[Row]:
        smtplib, pipelined = (partial(self._by_script, name) for name in ("smtplib", "pipelined"))
        yield self._captured("smtplib", "smtplib, 1 session", partial(smtplib, 2000), "≥ 1.45", "> 1")
        for name, (title, count, options, target, of_node) in SMTP_SOURCE.items():
            row = self._captured(name, title, partial(self._by_source, count, options), target, of_node)
            if find_program("smtp-source") is None:
                missing = dict.fromkeys(row.others, Missing(f"smtp-source {NO_POSTFIX}"))
                row = Row(name, row.title, row.ours, missing, row.targets)
            yield row
        title = "raw socket, pipelined"
        yield self._captured("pipelined", title, partial(pipelined, 6000), "≥ 2.7", "≥ 0.85")

    def _captured(
        self, name: str, title: str, client: Callable[[int], Sent], target: str, of_node: str
    ) -> Row:
        sampler = partial(partial, self._capture, client)
        others = {"aiosmtpd": self._peer("aiosmtpd", sampler("aiosmtpd"))}
        if of_node:  # smtp-server lets each new connection wait 100 ms, for clients that talk too early
            others["node"] = self._peer("node", sampler("node"))
        others["smtp-sink"] = sampler("smtp-sink") if find_program("smtp-sink") else Missing(NO_POSTFIX)
        targets = {("messages/s", "aiosmtpd"): target, ("messages/s", "node"): of_node}
        return Row(name, f"captured: {title}", sampler("ours"), others | self._before(sampler), targets)

    def _capture(self, client: Callable[[int], Sent], kind: str) -> Mapping[str, float]:
        with self._run.server(kind) as server:
            seconds, count, sent = client(server.port)
            server.check(sent)
        return {"messages/s": count / seconds}

    def _by_script(self, shape: str, full: int, port: int) -> Sent:
        count = self._size(full)
        return self._run.work("ours", "client.py", shape, port, count), count, count + WARM_UP

    def _by_source(self, full: int, options: tuple[str, ...], port: int) -> Sent:
        count = self._size(full)
        words = [find_program("smtp-source") or "", *options, "-m", str(count), "-l", "1024"]
        began = time.perf_counter()
        output([*words, "-f", "ada@example.com", "-t", "bob@example.org", f"127.0.0.1:{port}"], CLIENT_CPU)
        return time.perf_counter() - began, count, count

    def _large(self) -> Row:
        sampler = partial(partial, self._capture_large)
        others = {name: self._peer(name, sampler(name)) for name in ("aiosmtpd", "node")}
        targets = {("s", "aiosmtpd"): "≤ 0.1", ("MiB above idle", "aiosmtpd"): "≤ 0.25"}
        title = "captured: one message of 25 MiB"
        return Row("large", title, sampler("ours"), others | self._before(sampler), targets)

    def _capture_large(self, kind: str) -> Mapping[str, float]:
        size = 250_000 if self.is_small else 25 * 1024 * 1024
        with self._run.server(kind) as server:
            words = [
                self.environments.python("ours"),
                str(WORK / "client.py"),
                "large",
                str(server.port),
                str(size),
            ]
            with talking(words, CLIENT_CPU) as client:
                client.ask()
                idle = server.memory("VmRSS")
                seconds = float(client.ask("go"))
            server.check(WARM_UP + 1)
            return {"s": seconds, "MiB above idle": server.memory("VmHWM") - idle}

    def _debug(self) -> Row:
        sampler = partial(partial, self._capture, partial(self._by_script, "smtplib", 1000))
        title = "captured: smtplib, 1 session, log_level = DEBUG"
        return Row("debug", title, sampler("debug"), {"ours without": sampler("ours")}, {})

    # -- what a test and a run pay --------------------------------------------------------------------------

    def _fixtures(self) -> Iterator[Row]:
        for name, (title, tls, body, target) in FIXTURES.items():
            mark = f"@pytest.mark.smtp_server(tls={tls!r})\n"
            ours = partial(self._test, "ours", "smtp_server", body, mark, {})
            variable = "SMTPD_USE_SSL" if tls == "implicit" else "SMTPD_USE_STARTTLS"
            variables = {variable: "True", "SMTPD_READY_TIMEOUT": "60"}  # it fails on a busy machine
            theirs = partial(self._test, "peers", "smtpd", body, "", variables)
            others = {"smtpdfix": self._peer("smtpdfix", theirs)}
            yield Row(name, f"a test: {title}", ours, others, {("ms", "smtpdfix"): target})

    def _test(
        self, environment: str, fixture: str, body: str, mark: str, variables: Mapping[str, str]
    ) -> Mapping[str, float]:
        """Measure a test of a file of 200, less an empty one; start and collection are counted."""
        count = self._size(200)
        plugin = "pytest_smtp4d.plugin" if environment == "ours" else "smtpdfix.fixture"

        def seconds(mark: str, fixture: str, body: str) -> float:
            tests = (f"{mark}def test_{n}({fixture}):\n    {body}\n\n\n" for n in range(count))
            return self._run.pytest(environment, (plugin,), SENDING + "".join(tests), variables)[0]

        return {
            "ms": (seconds(mark, fixture, body.format(fixture)) - seconds("", "request", "pass"))
            * 1000
            / count
        }

    def _start(self) -> Row:
        on = partial(self._started, ("pytest_timeout", "pytest_smtp4d.plugin"))
        targets = {("ms of the processor", "blocked"): "≤ 1.03"}
        others = {"blocked": partial(self._started, ())}
        return Row("start", "start of pytest, the plugin on", on, others, targets, rounds=30)

    def _started(self, plugins: tuple[str, ...]) -> Mapping[str, float]:
        seconds = self._run.pytest("ours", plugins, "def test():\n    pass\n")[1]
        return {"ms of the processor": seconds * 1000}

    # -- mail without a server ------------------------------------------------------------------------------

    def _mail(self) -> Iterator[Row]:
        for name in ("ascii", "unicode"):
            what = f"compose-{name}"
            ours = partial(partial, self._process_mail, f"{what}-ours", 5000)
            others: Others = {"EmailMessage": partial(self._process_mail, f"{what}-theirs", 500, "ours")}
            title = f"composed: text, HTML, attachment ({name})"
            target = {("mails/s", "EmailMessage"): "≥ 20"}
            yield Row(what, title, ours("ours"), others | self._before(ours), target)
        ours = partial(partial, self._process_mail, "read-ours", 5000)
        others = {
            "email": partial(self._process_mail, "read-theirs", 500, "ours"),
            "email, compat32, nothing decoded": partial(self._process_mail, "read-compat32", 5000, "ours"),
        }
        yield Row("read", "read: the same, all of it", ours("ours"), others | self._before(ours), {})

    def _process_mail(self, what: str, full: int, environment: str) -> Mapping[str, float]:
        return {"mails/s": self._run.work(environment, "mail.py", what, self._size(full))}

    # -- messages sent --------------------------------------------------------------------------------------

    def _sending(self) -> Iterator[Row]:
        for name, (title, peer, count, target) in CLIENTS.items():
            ours = partial(partial, self._send, f"ours-{name}", count)
            others: Others = {
                peer: partial(self._send, f"{peer}-{name}", count, "ours"),
                **self._before(ours),
            }
            if find_program("smtp-sink") is None:
                others = dict.fromkeys(others, Missing(f"smtp-sink {NO_POSTFIX}"))
            targets = {("mails/s", peer): target, ("mails/s", self.environments.against): "≥ 0.97"}
            yield Row(f"send-{name}", f"sent: {title}", ours("ours"), others, targets)

    def _send(self, client: str, full: int, environment: str) -> Mapping[str, float]:
        with self._run.server("smtp-sink") as sink:
            rate = self._run.work(environment, "sending.py", client, sink.port, self._size(full))
        return {"mails/s": rate}

    # -- growth ---------------------------------------------------------------------------------------------

    def _growth(self) -> Iterator[Row]:
        for name, (full, words) in GROWTH.items():
            size = self._size(full)
            once = f"{size:,}"
            targets = {("s", once): "≤ 11", ("MiB", once): "≤ 11"}
            others = {once: partial(self._grown, name, size)}
            yield Row(
                f"grow-{name}",
                f"{10 * size:,} {words}",
                partial(self._grown, name, 10 * size),
                others,
                targets,
            )

    def _grown(self, name: str, size: int) -> Mapping[str, float]:
        return {
            "s": self._run.work("ours", "growth.py", name, size),
            "MiB": self._run.work("ours", "growth.py", name, size, "memory"),
        }
