"""The transporter where `select` has no `poll`, as on Windows."""

from __future__ import annotations

import select
import socket
import time

import pytest

from pytest_smtp4d import Email, MakeTransporter, SMTPServer, SMTPTransporter

MAIL: Email = {"from": "ada@example.com", "to": "bob@example.org", "subject": "Hello", "textBody": "Hi."}


@pytest.fixture(autouse=True)
def _without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(select, "poll"):
        monkeypatch.delattr(select, "poll")


def test_mail_is_sent_and_the_session_kept(
    smtp_server: SMTPServer, make_transporter: MakeTransporter
) -> None:
    """Over TLS, and more than a socket's buffer holds."""
    transporter = make_transporter(smtp_server)
    assert transporter.send({**MAIL, "textBody": "All work and no play.\n" * 100_000})
    assert transporter.send(MAIL)
    assert len(smtp_server.sessions) == 1
    assert len(smtp_server.messages) == 2


def test_a_dead_session_is_seen(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
    """What the server closed between two mails is opened anew."""
    transporter = make_transporter(smtp_server)
    assert transporter.send(MAIL)
    smtp_server.drop_connections()
    assert transporter.send(MAIL)
    assert len(smtp_server.sessions) == 2


def test_a_silent_server_ends_the_send(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
    """At `sendTimeOut`."""
    smtp_server.on("MAIL").silence()
    status = make_transporter(smtp_server, send_time_out=0.2).send(MAIL)
    assert not status
    assert "sendTimeOut" in status.errors[0]["message"]


def test_nobody_listens() -> None:
    """A connection that is refused is told at once, and not at `connectionTimeOut`."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        began = time.monotonic()
        status = SMTPTransporter(host="127.0.0.1", port=port, connection_time_out=600).send(MAIL)
        assert not status
        assert time.monotonic() - began < 300
