"""Faults: what can go wrong, and how a test says so."""

from __future__ import annotations

import smtplib

import pytest

from pytest_smtp4d import Email, Event, SMTPServer, SMTPTransporter

MAIL: Email = {"from": "ada@example.com", "to": "bob@example.org", "subject": "Hi", "textBody": "Hi."}


def test_refuse_one_recipient(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """A shell pattern chooses whom."""
    smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user")
    assert transporter.send({**MAIL, "to": "nobody@example.org"}).is_permanent
    assert transporter.send(MAIL)


def test_fail_twice_then_succeed(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """A list of replies is given in turn; "ok" lets the server answer as usual."""
    smtp_server.on("CONTENT").replies([(451, "4.3.0 Try later"), (452, "4.3.1 Disk full"), "ok"])
    assert [transporter.send(MAIL).status for _ in range(3)] == [451, 452, 250]


def test_lose_the_250(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """The message was accepted, and the client never learns it: the hardest case of all."""
    smtp_server.on("CONTENT", times=1).accept().disconnect()
    status = transporter.send(MAIL)
    assert (status.success, status.status, status.command) == (False, 0, "CONTENT")
    assert len(smtp_server.messages) == 1


def test_cut_in_mid_content(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """The connection breaks after so many octets of the content."""
    smtp_server.on("CONTENT", times=1).disconnect(abort=True, after_octets=100)
    assert not transporter.send({**MAIL, "textBody": "x" * 1000})
    assert smtp_server.messages.none()


def test_say_nothing(smtp_server: SMTPServer) -> None:
    """A server that goes silent ends in the client's time-out."""
    smtp_server.on("MAIL").silence()
    with SMTPTransporter(**smtp_server.client_options(), send_time_out=0.3) as impatient:
        status = impatient.send(MAIL)
    assert (status.status, status.command) == (0, "MAIL")


def test_talk_garbage(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """These octets instead of a reply."""
    smtp_server.on("EHLO").send(b"garbage\xff\r\n")
    assert transporter.send(MAIL).status == 0


def test_decide_by_a_predicate(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """Any rule that can be written down: here, no more than one message in a session."""

    def second_message(event: Event) -> bool:
        return event.session is not None and len(event.session.transactions) > 0

    rule = smtp_server.on("MAIL", second_message).reply(421, "4.7.0 One is enough")
    assert transporter.send(MAIL)
    assert transporter.send(MAIL)  # on a new connection, where the old one was turned away
    assert (rule.hits, len(smtp_server.sessions)) == (1, 2)


def test_be_down_for_a_while(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """Connections are cut and refused, and afterwards the server is back on the same port."""
    assert transporter.send(MAIL)
    with smtp_server.down():
        assert not transporter.send(MAIL)
    assert transporter.send(MAIL)


def test_drop_an_idle_client(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """A kept-alive connection is closed by the server: the next send opens another."""
    assert transporter.send(MAIL)
    smtp_server.drop_connections((421, "4.4.2 Idle for too long"))
    assert transporter.send(MAIL)
    assert len(smtp_server.sessions) == 2


@pytest.mark.smtp_server(greylist=300)
def test_greylisting(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """The first try is refused for five minutes, on a clock that only the test moves."""
    assert transporter.send(MAIL).status == 451
    smtp_server.advance(299)
    assert transporter.send(MAIL).status == 451
    smtp_server.advance(1)
    assert transporter.send(MAIL)


@pytest.mark.smtp_fault("RCPT", "nobody@*", reply=(550, "5.1.1 No such user"))
def test_as_a_marker(smtp_server: SMTPServer) -> None:
    """The same as a marker, for code that is not ours: here smtplib."""
    with smtplib.SMTP(*smtp_server.address) as client, pytest.raises(smtplib.SMTPRecipientsRefused):
        client.sendmail("ada@example.com", ["nobody@example.org"], "Subject: Hi\r\n\r\nHi.\r\n")
