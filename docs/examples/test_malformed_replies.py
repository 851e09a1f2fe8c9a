"""Replies that are none: what a client under test must survive, one `send` each."""

from __future__ import annotations

import pytest

from pytest_smtp4d import Email, SMTPServer, SMTPTransporter

MAIL: Email = {"from": "ada@example.com", "to": "bob@example.org", "subject": "Hi", "textBody": "Hi."}

MALFORMED = {
    "missing code": b"OK, sender accepted\r\n",
    "two digits": b"25 OK\r\n",
    "code of no class": b"650 OK\r\n",
    "wrong continuation": b"250+more\r\n250 OK\r\n",
    "code changes within the reply": b"250-2.1.0 first\r\n550 5.7.1 last\r\n",
    "over-long line": b"250 " + b"x" * 100_000 + b"\r\n",
    "reply without end": b"250-again\r\n" * 20_000,
    "NUL": b"250 O\x00K\r\n",
    "two replies to one command": b"250 OK\r\n250 and once more\r\n",
}
"""What the transporter reports as the server's mistake."""

UNFINISHED = {
    "last line never sent": b"250-first\r\n250-second\r\n",
    "no line end": b"250 OK",
    "half a code": b"25",
}
"""What it waits for, until its time is up."""

ODD = {
    "LF only": b"250 2.1.0 OK\n",
    "8-bit text": b"250 2.1.0 D'accord, \xe9videmment\r\n",
    "no text": b"250\r\n",
    "empty lines": b"250-\r\n250-\r\n250 \r\n",
}
"""What is odd, and read all the same, as every client does."""


@pytest.mark.parametrize("octets", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.smtp_server(extensions=("SIZE",))
def test_a_malformed_reply(smtp_server: SMTPServer, transporter: SMTPTransporter, octets: bytes) -> None:
    """The status says that no reply decided, where it went wrong, and how; the next send is not harmed."""
    smtp_server.on("MAIL", times=1).accept().send(octets)
    status = transporter.send(MAIL)
    assert (status.success, status.status, status.status_text) == (False, 0, "Failed to send email")
    assert status.command in ("MAIL", "RCPT")
    assert "the server" in status.errors[0]["message"]
    assert smtp_server.messages.none()
    assert transporter.send(MAIL)


@pytest.mark.parametrize("octets", UNFINISHED.values(), ids=UNFINISHED)
@pytest.mark.smtp_server(extensions=("SIZE",))
def test_an_unfinished_reply(smtp_server: SMTPServer, octets: bytes) -> None:
    """The wall of `send_time_out` stands, and the connection is not used again."""
    smtp_server.on("MAIL", times=1).send(octets)
    with SMTPTransporter(**smtp_server.client_options(), send_time_out=0.5) as impatient:
        status = impatient.send(MAIL)
        assert (status.status, status.command) == (0, "MAIL")
        assert "sendTimeOut of 0.5 s is over" in status.errors[0]["message"]
    assert smtp_server.messages.none()


@pytest.mark.parametrize("octets", ODD.values(), ids=ODD)
@pytest.mark.smtp_server(extensions=("SIZE",))
def test_an_odd_reply(smtp_server: SMTPServer, transporter: SMTPTransporter, octets: bytes) -> None:
    """A reply with the right code is one."""
    smtp_server.on("MAIL").accept().send(octets)
    assert transporter.send(MAIL).success
    smtp_server.messages.one(subject="Hi")
