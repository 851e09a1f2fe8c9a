from __future__ import annotations

import contextlib
import email.policy
import email.utils
import gc
import smtplib
import sys
from collections.abc import Callable
from email.errors import MessageError
from email.message import EmailMessage

import aiosmtplib
import django.conf
import pytest
from careless import CarelessClient
from django.core import mail
from django.core.mail.backends.smtp import EmailBackend

from pytest_smtp4d import (
    EmailAddress,
    MakeSMTPServer,
    SMTPServer,
    SMTPTransporter,
    mail_new_attachment,
)
from pytest_smtp4d.faults.injection import PAYLOADS
from pytest_smtp4d.records.canary import injected_command, injected_field
from tests.peers.tidy import run_and_close

if not django.conf.settings.configured:
    django.conf.settings.configure(DEFAULT_CHARSET="utf-8", USE_TZ=True)

# What a client may answer to a payload: its own refusal, or the server's.
REFUSALS = (
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OSError,
    MessageError,
    aiosmtplib.SMTPException,
)
STRICT = hasattr(email.utils, "supports_strict_parsing")
"""Whether parseaddr refuses what is no address (CVE-2023-27043); smtplib then sends such a text as it is."""


def email_message(place: str, payload: str) -> EmailMessage:
    """Compose a mail with the payload in one place."""
    message = EmailMessage()
    message["From"] = "ada@example.com"
    message["To"] = "bob@example.org"
    if place != "subject":
        message["Subject"] = "Hello"
    message.set_content("Hello\n")
    if place == "subject":
        message["Subject"] = payload
    elif place == "header":
        message["X-Customer"] = payload
    elif place == "file name":
        message.add_attachment(b"x", maintype="text", subtype="plain", filename=payload)
    elif place == "name":
        message.replace_header("To", f'"{payload}" <bob@example.org>')
    elif place == "body":
        message.set_content(payload)
    return message


def send_by_smtplib(server: SMTPServer, place: str, payload: str) -> None:
    """Send by smtplib; with the payload as address, envelope and header differ."""
    sender, recipient = "ada@example.com", "bob@example.org"
    if place == "sender":
        sender = payload
    elif place == "address":
        recipient = payload
    with smtplib.SMTP(*server.address, timeout=10) as client:
        client.starttls(context=server.client_context())
        if place == "login":
            client.login(payload, "secret")
        client.send_message(email_message(place, payload), sender, [recipient])


def send_by_aiosmtplib(server: SMTPServer, place: str, payload: str) -> None:
    """Send by aiosmtplib."""
    run_and_close(
        aiosmtplib.send(
            email_message(place, payload),
            sender=payload if place == "sender" else "ada@example.com",
            recipients=[payload if place == "address" else "bob@example.org"],
            hostname=server.host,
            port=server.port,
            username=payload if place == "login" else None,
            password="secret" if place == "login" else None,
            tls_context=server.client_context(),
            timeout=10,
        )
    )


def send_by_django(server: SMTPServer, place: str, payload: str) -> None:
    """Send by Django's backend, which is told everything by its own message class."""
    message = mail.EmailMessage(
        payload if place == "subject" else "Hello",
        payload if place == "body" else "Hello\n",
        payload if place == "sender" else "ada@example.com",
        [
            payload
            if place == "address"
            else f'"{payload}" <bob@example.org>'
            if place == "name"
            else "b@example.org"
        ],
        headers={"X-Customer": payload} if place == "header" else None,
    )
    if place == "file name":
        message.attach(payload, b"x", "text/plain")
    login = {"username": payload, "password": "secret"} if place == "login" else {}
    EmailBackend(server.host, server.port, use_tls=True, timeout=10, **login).send_messages([message])


def send_by_transporter(server: SMTPServer, place: str, payload: str) -> None:
    """Send by our own client."""
    name: EmailAddress = {"name": payload, "email": "bob@example.org"}
    options = server.client_options()
    if place == "login":
        options["user"], options["password"] = payload, "secret"
    attachments = [mail_new_attachment(b"x", payload)] if place == "file name" else []
    with SMTPTransporter(**options) as transporter:
        transporter.send(
            {
                "from": payload if place == "sender" else "ada@example.com",
                "to": payload if place == "address" else name if place == "name" else "bob@example.org",
                "subject": payload if place == "subject" else "Hello",
                "headers": [{"name": "X-Customer", "value": payload}] if place == "header" else [],
                "textBody": payload if place == "body" else "Hello",
                "attachments": attachments,
            }
        )


def send_carelessly(server: SMTPServer, place: str, payload: str) -> None:
    """Send by the client of docs/examples that trusts its input."""
    CarelessClient(*server.address).send(
        payload if place == "address" else "bob@example.org",
        payload if place == "subject" else "Hello",
        payload if place == "body" else "Hello",
        name=payload if place == "name" else "Bob",
        file_name=payload if place == "file name" else "note.txt",
    )


IN_A_PATH = [
    "command-after-CRLF: a recipient",
    "command-after-CR: a parameter",
    "command-after-low-octets: a parameter",
    "command-after-percent-encoded: a parameter",
    "parameter: a parameter",
    "parameter-unclosed: a parameter",
]
LINE_ENDS = ("command-after-CR:", "command-after-CRLF:")
"""Those of them that need a real line end."""

Send = Callable[[SMTPServer, str, str], None]
CLIENTS = [send_by_smtplib, send_by_aiosmtplib, send_by_django, send_by_transporter]
PLACES = ["address", "sender", "subject", "name", "header", "file name", "login", "body"]


def composed_breakouts(place: str) -> list[str]:
    """Return which payloads break out of a field already where EmailMessage composes the mail."""
    found = []
    for name, payload in PAYLOADS.items():
        with contextlib.suppress(*REFUSALS):
            what = injected_field(email_message(place, payload).as_bytes(policy=email.policy.SMTP))
            found += [f"{name}: {what}"] if what is not None else []
    return found


def breakouts(server: SMTPServer, send: Send, place: str) -> list[str]:
    """Send each payload in one place; return which broke out, and into what."""
    found = []
    for name, payload in PAYLOADS.items():
        server.clear()
        with contextlib.suppress(*REFUSALS):
            send(server, place, payload)
        commands = [command for session in server.sessions for command in session.commands]
        whats = [injected_command(command.verb, command.argument) for command in commands]
        whats += [injected_field(message.content) for message in server.messages]
        found += [f"{name}: {what}" for what in whats if what is not None]
    gc.collect()  # so that a socket that a client forgot is this test's, which ignores it
    return found


@pytest.mark.usefixtures("smtp_trust")
@pytest.mark.filterwarnings("ignore:Directly creating EmailBackend instances is deprecated")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("send", CLIENTS, ids=lambda send: send.__name__.removeprefix("send_by_"))
def test_no_payload_breaks_out(make_smtp_server: MakeSMTPServer, send: Send, place: str) -> None:
    """Every payload is refused or arrives as text, but for two flaws of the standard library.

    An older EmailMessage lets encoded words out of a field, which Django 6 composes with, too; and a newer
    smtplib lets parameters out of a path.
    """
    users = {"ada": "secret"} if place == "login" else {}
    server = make_smtp_server(users=users, strict=False)
    expected = [] if send is send_by_transporter else composed_breakouts(place)
    if send is send_by_smtplib and STRICT and place in ("address", "sender"):
        expected = [what for what in IN_A_PATH if not what.startswith(LINE_ENDS)]
    found = breakouts(server, send, place)
    if send is send_by_django:  # it looks at some places itself, whatever composes the mail
        assert set(found) <= set(expected)
    else:
        assert found == expected


def test_new_pythons_are_mended() -> None:
    """The first exception above is for older versions alone (CVE-2024-6923; file names were mended later)."""
    assert sys.version_info < (3, 13) or composed_breakouts("subject") == composed_breakouts("header") == []
    assert sys.version_info < (3, 14) or composed_breakouts("file name") == []


IN_A_FIELD = [f"field-after-{end}: a field" for end in ("CRLF", "LF", "CR", "NUL-CRLF")] + [
    f"field-after-{end}: a field" for end in ("folded-CRLF", "quoted-CRLF", "address")
]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("subject", [*IN_A_FIELD, "dot-line-CRLF: a command"]),
        ("name", [*IN_A_FIELD, "dot-line-CRLF: a command"]),
        ("file name", [*IN_A_FIELD, "dot-line-CRLF: a command"]),
        ("body", ["dot-line-CRLF: a command"]),
    ],
)
def test_payloads_break_out_of_a_careless_client(
    make_smtp_server: MakeSMTPServer, place: str, expected: list[str]
) -> None:
    """The same look at a client that writes its input as it is: every real line end breaks out."""
    found = breakouts(make_smtp_server(strict=False), send_carelessly, place)
    # Our server may take an LF alone for a line end, as many do.
    assert [what for what in found if not what.startswith("dot-line-LF:")] == expected


def test_payloads_break_out_of_a_careless_path(make_smtp_server: MakeSMTPServer) -> None:
    """Out of the angle brackets come recipients, parameters and commands."""
    found = breakouts(make_smtp_server(strict=False), send_carelessly, "address")
    assert set(IN_A_PATH) <= set(found)
    assert "dot-line-CRLF: a command" in found
    assert "field-after-CRLF: a command" in found
