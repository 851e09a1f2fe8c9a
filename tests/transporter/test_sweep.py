"""The transporter under a fault at every stage: no hang, no lie, no mail twice, none lost in silence."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d import AsyncSMTPTransporter, Email
from pytest_smtp4d.server.keywords import ExtensionName

if TYPE_CHECKING:
    from pytest_smtp4d import MakeTransporter, SMTPServer, Status

SUBJECTS = ("first", "second", "third")


@pytest.fixture(scope="session")
def smtp_server_settings() -> dict[str, Any]:
    """A complete session: STARTTLS and a login."""
    return {"users": {"me": "pw"}}


def mail(subject: str, to: str = "b@example.org") -> Email:
    """Return a mail that is recognised by its subject."""
    return {"from": "a@example.com", "to": to, "subject": subject, "textBody": "x"}


def patience(server: SMTPServer) -> dict[str, Any]:
    """Return time-outs that are short only where the client will wait in vain."""
    seconds = 1 if server.active_fault and server.active_fault[1] == "silence" else 30
    return {"connection_time_out": seconds, "send_time_out": seconds}


def check(server: SMTPServer, statuses: dict[str, Status]) -> None:
    """What must hold under any fault, seen from the server."""
    arrived = Counter(message.subject for message in server.messages)
    for subject, status in statuses.items():
        assert arrived[subject] <= 1, f"{subject} arrived {arrived[subject]} times"
        if status.success:
            assert arrived[subject] == 1
            assert status.status == 250
        else:
            assert status.status == 0 or status.status >= 400
            assert bool(status.errors) == (status.status == 0)
            assert status.command is not None
            if status.status >= 400:
                assert not arrived[subject]


@pytest.mark.smtp_sweep
def test_three_mails_over_one_transporter(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
    """The fault strikes at the first time the stage is reached."""
    with make_transporter(**patience(smtp_server)) as transporter:
        check(smtp_server, {subject: transporter.send(mail(subject)) for subject in SUBJECTS})


@pytest.mark.smtp_sweep(stages=("MAIL", "RCPT", "DATA", "CONTENT"), occurrence=2)
def test_a_fault_in_the_second_mail(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
    """A kept-alive session is replaced only before MAIL was accepted; the other mails are not harmed."""
    with make_transporter(**patience(smtp_server)) as transporter:
        statuses = {subject: transporter.send(mail(subject)) for subject in SUBJECTS}
    check(smtp_server, statuses)
    assert statuses["first"].success
    stage, kind = smtp_server.active_fault or (None, None)
    assert statuses["third"].success or kind == "refuse-for-good"
    if (stage, kind) == ("MAIL", "disconnect-before"):
        assert statuses["second"].success


@pytest.mark.smtp_sweep(stages=("MAIL", "RCPT", "DATA", "BDAT", "CONTENT"))
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",), ("CHUNKING",), ("PIPELINING", "CHUNKING")])
def test_two_recipients_with_any_extensions(
    smtp_server: SMTPServer, make_transporter: MakeTransporter, extensions: tuple[ExtensionName, ...]
) -> None:
    """Whatever is offered, a mail for two arrives for both, or for nobody."""
    smtp_server.configure(extensions=extensions)
    with make_transporter(**patience(smtp_server)) as transporter:
        statuses = {
            subject: transporter.send(mail(subject, "b@example.org, c@example.org")) for subject in SUBJECTS
        }
    check(smtp_server, statuses)
    for message in smtp_server.messages:
        assert message.rcpt_to == ("b@example.org", "c@example.org")


@pytest.mark.smtp_sweep
def test_the_same_for_asyncio(smtp_server: SMTPServer) -> None:
    """One brain serves both."""

    async def send_all() -> dict[str, Status]:
        options = {**smtp_server.client_options(), **patience(smtp_server)}
        async with AsyncSMTPTransporter(**options) as transporter:
            return {subject: await transporter.send(mail(subject)) for subject in SUBJECTS}

    check(smtp_server, asyncio.run(send_all()))
