"""One run of a program against a server of its own, disturbed at one point of the sweep, and what came of it.

RFC 5321 6.1 (a message is the server's after its 250), RFC 5322 3.6.4 (a Message-ID names one message).
"""

from __future__ import annotations

import base64
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_smtp4d.judge import program
from pytest_smtp4d.records.masking import MASK
from pytest_smtp4d.server.disturbance import Disturbance
from pytest_smtp4d.server.server import SMTPServer
from pytest_smtp4d.server.watch import is_fatal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_smtp4d.judge.program import Outcome, Stopping

__all__ = ["Arrived", "Case", "Run", "try_once"]

Arrived = Literal["none", "once", "twice"]

USER = "judge"
"""The user who has to log in, where the command names one."""

_EASIEST: tuple[Literal["PLAIN", "LOGIN"], ...] = ("PLAIN", "LOGIN")
"""What somebody who strips STARTTLS leaves on offer, too: the mechanisms that give the password away."""

_PLACEHOLDER = re.compile(r"\{(host|port|ca|user|password)\}")


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged, and how.

    Args:
        command: the program and its arguments, with placeholders.
        tls: the setting of the servers.
        limit: seconds that a run may last.
        password: of the user; no repr shows it.
        stdin: the file that every run reads; None: an empty one.
    """

    command: tuple[str, ...]
    tls: Literal["none", "starttls", "implicit"]
    limit: float
    password: str
    stdin: Path | None = None

    def __repr__(self) -> str:
        return f"<Case {self.command[0]}, {len(self.command) - 1} arguments>"

    @property
    def has_login(self) -> bool:
        """Whether the command logs in, so that a login is demanded."""
        return any("{user}" in argument for argument in self.command)

    def server(self) -> SMTPServer:
        """Return a new server for one run."""
        users = {USER: self.password} if self.has_login else {}
        return SMTPServer(tls=self.tls, users=users)

    def command_for(self, server: SMTPServer) -> list[str]:
        """Return the command with every placeholder filled in."""
        values = {
            "host": server.host,
            "port": str(server.port),
            "ca": server.ca_file,
            "user": USER,
            "password": self.password,
        }
        return [_PLACEHOLDER.sub(lambda found: values[found[1]], argument) for argument in self.command]

    def masked(self, text: str) -> str:
        """Return a text in which no form of the password is left that a login has (RFC 4616, base64)."""
        secret = self.password.encode()
        logins = (
            secret,
            b"\0%b\0%b" % (USER.encode(), secret),
            b"%b\0%b\0%b" % ((USER.encode(),) * 2 + (secret,)),
        )
        for form in (self.password, *(base64.b64encode(login).decode() for login in logins)):
            text = text.replace(form, MASK)
        return text


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to.

    Args:
        point: (stage, kind) of the sweep; None: undisturbed.
        exit_status: see `Outcome`.
        arrived: the mail, "none", "once" or "twice".
        messages: how many messages the server stored.
        seconds: how long it took.
        hung: whether it was killed at the limit.
        sent_twice: whether it sent the mail again after a 250 that it got.
        violations: the names of the fatal violations, each once.
        is_reached: whether the program came to the stage.
        stages: those that its sessions came through.
        output: what the program wrote, without secrets.
        transcript: the sessions, without secrets.
    """

    point: tuple[str, str] | None
    exit_status: int | None
    arrived: Arrived
    messages: int
    seconds: float
    hung: bool
    sent_twice: bool
    violations: tuple[str, ...]
    is_reached: bool
    stages: frozenset[str]
    output: str
    transcript: str

    @property
    def claimed_success(self) -> bool:
        """Whether the program ended with status 0 although nothing arrived."""
        return self.exit_status == 0 and self.arrived == "none"

    @property
    def is_at_fault(self) -> bool:
        """Whether the program did what no program should."""
        return self.hung or self.claimed_success or self.sent_twice or bool(self.violations)


def try_once(case: Case, point: tuple[str, str] | None, stopping: Stopping) -> Run:
    """Run the program once.

    Args:
        case: what is judged.
        point: (stage, kind) of the sweep; None: undisturbed.
        stopping: the signals that end the judge.

    Raises:
        SettingsError: the program cannot be started.
        Stopped: a signal came.
    """
    with case.server() as server:
        disturbance = Disturbance(server, *point) if point is not None else None
        if case.has_login and point == ("STARTTLS", "stripped"):
            server.configure(auth=_EASIEST)

        def is_busy(claims_success: bool) -> bool:
            server._settle()
            is_open = any(session.ended is None for session in server.sessions)
            return is_open or (claims_success and not server.messages)

        trust = {"SSL_CERT_FILE": server.ca_file, "NODE_EXTRA_CA_CERTS": server.ca_file}
        environment = {**os.environ, **trust}
        environment.pop("CURL_CA_BUNDLE", None)  # curl would take it instead
        outcome = program.run(
            case.command_for(server),
            environment,
            case.stdin,
            case.limit,
            is_busy=is_busy,
            stopping=stopping,
        )
        server._settle()
        is_reached = disturbance is None or disturbance.is_reached
    return _judged(case, point, server, outcome, is_reached)


def _judged(
    case: Case, point: tuple[str, str] | None, server: SMTPServer, outcome: Outcome, is_reached: bool
) -> Run:
    arrived, sent_twice = _arrived(server)
    found = [
        violation.name
        for session in server.sessions
        for violation in session._blamed()
        if is_fatal(violation, server.settings)
    ]
    return Run(
        point=point,
        exit_status=outcome.exit_status,
        arrived=arrived,
        messages=len(server.messages),
        seconds=outcome.seconds,
        hung=outcome.hung,
        sent_twice=sent_twice,
        violations=tuple(dict.fromkeys(found)),
        is_reached=is_reached,
        stages=frozenset().union(*(session._stages for session in server.sessions)),
        output=case.masked(outcome.output),
        transcript=case.masked("\n\n".join(session.transcript.brief() for session in server.sessions)),
    )


def _arrived(server: SMTPServer) -> tuple[Arrived, bool]:
    """Return how often the mail arrived, and whether it was sent again after a 250."""
    answers: dict[tuple[str, str | bytes], list[bool]] = defaultdict(list)
    answered = {
        id(transaction.message): transaction.reply is not None and transaction.reply.is_positive
        for transaction in server.transactions
        if transaction.message is not None
    }
    for message in server.messages:
        identity = (message["Message-ID"] or "").strip() or message.content
        for recipient in dict.fromkeys(message.rcpt_to):
            answers[recipient, identity].append(answered.get(id(message), False))
    again = [times for times in answers.values() if len(times) > 1]
    if again:
        return "twice", any(any(times[:-1]) for times in again)
    return ("once" if answers else "none"), False


def unreachable(undisturbed: Run, points: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the points at stages to which the program does not come.

    Until its fault acts, a disturbed run goes as the undisturbed one did.
    """
    return [point for point in points if point[0] not in undisturbed.stages]


def document(run: Run) -> Mapping[str, object]:
    """Return a run as JSON has it."""
    stage, kind = run.point or (None, None)
    return {
        "stage": stage,
        "kind": kind,
        "exitStatus": run.exit_status,
        "arrived": run.arrived,
        "seconds": round(run.seconds, 3),
        "hung": run.hung,
        "claimedSuccess": run.claimed_success,
        "sentTwice": run.sent_twice,
        "violations": list(run.violations),
    }
