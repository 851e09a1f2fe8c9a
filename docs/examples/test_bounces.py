"""Bounces: who is refused, for now or for good; and the report that tells an author of it."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest
from subscribers import MailingList

from pytest_smtp4d import Email, MakeTransporter, SMTPServer


@pytest.fixture
def news() -> EmailMessage:
    """Something to send."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "news@example.com", "list@example.com", "News"
    message.set_content("Nothing happened.")
    return message


def test_who_is_gone_is_dropped(smtp_server: SMTPServer, news: EmailMessage) -> None:
    """5yz takes an address off the list, 4yz does not, and the others get their mail."""
    smtp_server.on("RCPT", "gone@*").reply(550, "5.1.1 No such user")
    smtp_server.on("RCPT", "full@*").reply(452, "4.2.2 Mailbox full")
    people = MailingList(smtp_server.address, ["gone@example.org", "full@example.org", "ada@example.org"])

    assert people.send(news) == ["full@example.org"]
    assert people.gone == ["gone@example.org"]
    assert people.people == ["full@example.org", "ada@example.org"]
    assert smtp_server.messages.one(subject="News").rcpt_to == ("ada@example.org",)
    assert [list(transaction.refused) for transaction in smtp_server.transactions] == [
        ["gone@example.org"],
        ["full@example.org"],
        [],
    ]


def test_bounces_come_back_to_us(smtp_server: SMTPServer, news: EmailMessage) -> None:
    """Where a bounce goes is the envelope's sender, apart from the author in the header."""
    MailingList(smtp_server.address, ["ada@example.org"]).send(news)
    message = smtp_server.messages.one()
    assert (message.mail_from, message.from_) == ("news-bounces@example.com", ["news@example.com"])


def test_a_bounce_of_our_own(smtp_server: SMTPServer) -> None:
    """It comes from the null sender, so that nobody answers it, and programs can read it."""
    MailingList(smtp_server.address, []).bounce("cay@example.net", "gone@example.org", "5.1.1")

    bounce = smtp_server.messages.one(to="cay@example.net", mail_from="")
    assert bounce["Auto-Submitted"] == "auto-replied"
    assert bounce.mime.get_content_type() == "multipart/report"
    (status,) = (part for part in bounce.mime.walk() if part.get_content_type() == "message/delivery-status")
    assert "Final-Recipient: rfc822; gone@example.org" in str(status)
    assert "Status: 5.1.1" in str(status)


def test_reports_can_be_asked_for(smtp_server: SMTPServer) -> None:
    """DSN (RFC 3461): what the client asked for is in the parameters of MAIL and RCPT."""
    with smtplib.SMTP(*smtp_server.address, timeout=5) as client:
        options = {"mail_options": ["RET=HDRS"], "rcpt_options": ["NOTIFY=FAILURE,DELAY"]}
        client.sendmail("a@example.com", ["ada@example.org"], "Subject: Hi\r\n\r\nHi.\r\n", **options)
    message = smtp_server.messages.one()
    assert "RET=HDRS" in message.mail_options
    assert message.rcpt_options == {"ada@example.org": ("NOTIFY=FAILURE,DELAY",)}


@pytest.mark.smtp_server(tls="none")
def test_a_server_that_stops_in_the_middle(
    smtp_server: SMTPServer, make_transporter: MakeTransporter
) -> None:
    """421 ends the session: what was not sent by then is for the next one."""
    smtp_server.on("RCPT", "bob@*", times=1).reply(421, "4.3.2 Going down")
    sender = make_transporter()
    mail: Email = {"from": "a@example.com", "subject": "Hi", "textBody": "Hi."}
    assert sender.send({**mail, "to": "ada@example.org"})
    assert sender.send({**mail, "to": "bob@example.org"}).is_transient
    assert sender.send({**mail, "to": "bob@example.org"})
    assert len(smtp_server.sessions) == 2
