"""Each fatal violation: a client that commits it, and three real ones that do not where they could have."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import Callable
from email.errors import MessageError
from email.message import EmailMessage
from typing import Any, NamedTuple

import aiosmtplib
import pytest

from pytest_smtp4d import MakeSMTPServer, SMTPServer, SMTPTransporter
from pytest_smtp4d.records.canary import CANARY_FIELD
from pytest_smtp4d.records.violation import VIOLATIONS
from pytest_smtp4d.server.disturbance import Disturbance
from tests.server.conftest import Connect, RawClient

HELLO, MAIL, RCPT = b"EHLO client.example.com", b"MAIL FROM:<ada@example.com>", b"RCPT TO:<bob@example.org>"
PLAIN_LOGIN = b"AUTH PLAIN AG1lAHNlY3JldA=="
LONG = "No line end in sight. " * 60


class Case(NamedTuple):
    """One violation.

    Args:
        settings: of a server that tempts clients to commit it.
        offence: what a client says that does, each after the reply to the one before; b"TLS" is a handshake
            without verification.
        mail: what the others send, subject and text.
        disturbance: a point of the sweep that acts on the server.
        recipients: of what the others send.
    """

    settings: dict[str, Any]
    offence: list[bytes]
    mail: tuple[str, str] = ("Hello", "Hi.\n")
    disturbance: tuple[str, str] | None = None
    recipients: tuple[str, ...] = ("bob@example.org",)


CLEAR: dict[str, Any] = {"tls": "none"}
LOGIN: dict[str, Any] = {"users": {"me": "secret"}, "auth": ("PLAIN", "LOGIN")}
CONTENT = [HELLO, MAIL, RCPT, b"DATA"]
CASES = {
    "bare-lf": Case(CLEAR, [*CONTENT, b"one\ntwo\r\n."], ("Hello", "one\ntwo\n")),
    "line-too-long": Case(CLEAR, [*CONTENT, LONG.encode() + b"\r\n."], ("Hello", LONG)),
    "out-of-order": Case(
        {"tls": "none", "recipient_limit": 1},
        [HELLO, RCPT],
        recipients=("bob@example.org", "cay@example.org"),
    ),
    "pipelining-not-offered": Case(
        {"tls": "none", "extensions": ("SIZE", "8BITMIME")},
        [HELLO, MAIL + b"\r\n" + RCPT],
        recipients=("bob@example.org", "cay@example.org"),
    ),
    "parameter-not-offered": Case(
        {"tls": "none", "extensions": ("PIPELINING",)}, [HELLO, MAIL + b" SIZE=100"]
    ),
    "8bit-not-offered": Case(
        {"tls": "none", "extensions": ("PIPELINING",)},
        [*CONTENT, "Grüße\r\n.".encode()],
        ("Grüße", "Schöne Grüße\n"),
    ),
    "no-ehlo-after-starttls": Case({}, [HELLO, b"STARTTLS", b"TLS", MAIL]),
    "cleartext-credentials": Case(LOGIN, [HELLO, PLAIN_LOGIN], disturbance=("STARTTLS", "stripped")),
    "certificate-not-verified": Case(
        {"certificate": "unknown_ca"}, [HELLO, b"STARTTLS", b"TLS", HELLO, MAIL]
    ),
    "injection": Case(
        CLEAR,
        [*CONTENT, f"Subject: Hello\r\n{CANARY_FIELD}: sings\r\n\r\n.".encode()],
        (f"Hello\r\n{CANARY_FIELD}: sings", "Hi.\n"),
    ),
}


def commit(server: SMTPServer, client: RawClient, case: Case) -> None:
    """Say the lines of the offence."""
    assert client.reply().startswith("220")
    for line in case.offence:
        if line == b"TLS":
            context = server.client_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.start_tls(context)
        else:
            client.ask(line)


def message(case: Case) -> EmailMessage:
    """Compose the mail of a case."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "ada@example.com", ", ".join(case.recipients)
    mail["Subject"], text = case.mail
    mail.set_content(text)
    return mail


def by_smtplib(server: SMTPServer, case: Case, encoding: str | None = "quoted-printable") -> None:
    """Send by smtplib, told to verify and how to encode: by itself it does not look for 8BITMIME."""
    mail = message(case)
    if encoding and not mail.get_content().isascii():
        mail.set_content(case.mail[1], cte=encoding)
    with smtplib.SMTP(*server.address, timeout=10) as client:
        if case.settings.get("tls") != "none":
            client.starttls(context=server.client_context())
        if "users" in case.settings:
            client.login("me", "secret")
        client.send_message(mail)


def by_aiosmtplib(server: SMTPServer, case: Case) -> None:
    """Send by aiosmtplib, told to verify."""
    login = {"username": "me", "password": "secret"} if "users" in case.settings else {}
    asyncio.run(
        aiosmtplib.send(
            message(case),
            hostname=server.host,
            port=server.port,
            start_tls=case.settings.get("tls") != "none",
            tls_context=server.client_context(),
            timeout=10,
            **login,  # type: ignore[arg-type]
        )
    )


def by_transporter(server: SMTPServer, case: Case) -> None:
    """Send by our transporter."""
    subject, text = case.mail
    with SMTPTransporter(**server.client_options()) as transporter:
        transporter.send(
            {"from": "ada@example.com", "to": list(case.recipients), "subject": subject, "textBody": text}
        )


REFUSALS = (OSError, ValueError, MessageError, aiosmtplib.SMTPException)
Send = Callable[[SMTPServer, Case], None]


def names(server: SMTPServer) -> set[str]:
    """Return the names of the fatal violations of all sessions."""
    found = [violation for session in server.sessions for violation in session.violations]
    return {violation.name for violation in found if violation.fatal}


def tempting(make_smtp_server: MakeSMTPServer, case: Case) -> SMTPServer:
    """Return the server of a case."""
    server = make_smtp_server(**{"strict": False, **case.settings})
    if case.disturbance is not None:
        Disturbance(server, *case.disturbance)
    return server


def test_every_fatal_violation_has_a_case() -> None:
    """A new one gets a client that commits it."""
    assert set(CASES) == {name for name, rule in VIOLATIONS.items() if rule.fatal}


@pytest.mark.parametrize("name", CASES)
def test_who_commits_it_is_told_so(make_smtp_server: MakeSMTPServer, connect: Connect, name: str) -> None:
    """It and nothing else is found, and the check fails by its name."""
    server = tempting(make_smtp_server, CASES[name])
    commit(server, connect(server), CASES[name])
    assert names(server) == {name}
    server.configure(strict=True)
    with pytest.raises(AssertionError, match=f"client violated SMTP: {name} "):
        server.check()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("send", [by_smtplib, by_aiosmtplib, by_transporter])
@pytest.mark.parametrize("name", CASES)
def test_who_does_not_is_left_alone(make_smtp_server: MakeSMTPServer, name: str, send: Send) -> None:
    """Three real clients, in the same circumstances, deliver or refuse, and commit nothing fatal."""
    server = tempting(make_smtp_server, CASES[name])
    with contextlib.suppress(*REFUSALS):
        send(server, CASES[name])
    assert server.sessions or name == "injection"  # a client may refuse such a subject before it connects
    assert names(server) == set()


def test_smtplib_does_not_look_for_8bitmime(make_smtp_server: MakeSMTPServer) -> None:
    """At its defaults it is the client that commits `8bit-not-offered`."""
    case = CASES["8bit-not-offered"]
    server = tempting(make_smtp_server, case)
    by_smtplib(server, case, encoding=None)
    assert names(server) == {"8bit-not-offered"}
