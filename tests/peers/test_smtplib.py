from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest

from pytest_smtp4d import MakeSMTPServer, Mechanism, SMTPServer, TLSMode
from tests.peers.conftest import CONTENT


def connect(server: SMTPServer) -> smtplib.SMTP:
    """Connect in the server's TLS mode."""
    if server.settings.tls == "implicit":
        return smtplib.SMTP_SSL(*server.address, context=server.client_context())
    client = smtplib.SMTP(*server.address)
    if server.settings.tls == "starttls":
        client.starttls(context=server.client_context())
    return client


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_it_delivers_octet_for_octet(make_smtp_server: MakeSMTPServer, tls: TLSMode) -> None:
    """What smtplib was given is what was captured, in each TLS mode, with the envelope it was given."""
    server = make_smtp_server(tls=tls)
    with connect(server) as client:
        client.sendmail("ada@example.com", ["bob@example.org", "cay@example.net"], CONTENT)

    message = server.messages.one()
    assert message.content == CONTENT
    assert (message.mail_from, message.rcpt_to) == ("ada@example.com", ("bob@example.org", "cay@example.net"))
    assert (message.session.tls is None) == (tls == "none")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_it_logs_in(make_smtp_server: MakeSMTPServer, mechanism: Mechanism, tls: TLSMode) -> None:
    """Each mechanism that smtplib knows logs in, on TLS of either kind."""
    server = make_smtp_server(tls=tls, users={"ada": "secret"}, auth=(mechanism,))
    with connect(server) as client:
        client.login("ada", "secret")
        client.sendmail("ada@example.com", ["bob@example.org"], CONTENT)

    session = server.messages.one().session
    assert (session.user, session.mechanism) == ("ada", mechanism)


def test_a_wrong_password_is_refused(make_smtp_server: MakeSMTPServer) -> None:
    """Smtplib reports our 535 as its own error."""
    server = make_smtp_server(users={"ada": "secret"})
    with connect(server) as client, pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        client.login("ada", "wrong")
    assert caught.value.smtp_code == 535


def test_umlauts_are_no_violation(smtp_server: SMTPServer) -> None:
    """A message with umlauts in header and body, sent by send_message, commits no fatal violation."""
    message = EmailMessage()
    message["From"] = "Zoë <zoe@example.com>"
    message["To"] = "Jürgen <juergen@example.org>"
    message["Subject"] = "Grüße"
    message.set_content("Schöne Grüße!\n", cte="8bit")
    with connect(smtp_server) as client:
        client.send_message(message)

    received = smtp_server.messages.one(subject="Grüße")
    assert received.text_body is not None
    assert received.text_body.strip() == "Schöne Grüße!"
    smtp_server.check()


def test_smtputf8(smtp_server: SMTPServer) -> None:
    """An address in Unicode goes through SMTPUTF8, and the parameter is recorded."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "zoë@example.com", "jürgen@example.org", "Hi"
    message.set_content("Hi.\n")
    with connect(smtp_server) as client:
        client.send_message(message)

    received = smtp_server.messages.one()
    assert (received.mail_from, received.rcpt_to) == ("zoë@example.com", ("jürgen@example.org",))
    assert "SMTPUTF8" in received.mail_options


def test_refusals_are_told_apart(smtp_server: SMTPServer) -> None:
    """A refused recipient, sender and content are each reported by smtplib as what they are."""
    smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user")
    smtp_server.on("MAIL", "spam@*").reply(550, "5.7.1 Not you")
    smtp_server.on("CONTENT", times=1).reply(554, "5.7.1 Not this")
    with connect(smtp_server) as client:
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail("ada@example.com", ["bob@example.org"], CONTENT)
        refused = client.sendmail("ada@example.com", ["bob@example.org", "nobody@example.org"], CONTENT)
        assert refused == {"nobody@example.org": (550, b"5.1.1 No such user")}
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail("spam@example.com", ["bob@example.org"], CONTENT)
    assert smtp_server.messages.one().rcpt_to == ("bob@example.org",)
