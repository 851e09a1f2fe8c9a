from __future__ import annotations

import django.conf
import pytest
from django.core import mail
from django.core.mail.backends.smtp import EmailBackend

from pytest_smtp4d import MakeSMTPServer, SMTPServer, TLSMode

# Newer versions would have it made from their setting MAILERS; the one test for all makes it itself.
pytestmark = pytest.mark.filterwarnings("ignore:Directly creating EmailBackend instances is deprecated")


# Django wants settings, even where none is used.
if not django.conf.settings.configured:
    django.conf.settings.configure(DEFAULT_CHARSET="utf-8", USE_TZ=True)


def backend(server: SMTPServer, **options: object) -> EmailBackend:
    """Return Django's own SMTP backend for the server; it takes no CA."""
    tls = server.settings.tls
    return EmailBackend(
        host=server.host, port=server.port, use_tls=tls == "starttls", use_ssl=tls == "implicit", **options
    )


@pytest.mark.usefixtures("smtp_trust")
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_it_delivers_with_smtp_trust_alone(make_smtp_server: MakeSMTPServer, tls: TLSMode) -> None:
    """Django sends over verified TLS though it cannot be given a CA; text, HTML and umlauts arrive."""
    server = make_smtp_server(tls=tls)
    message = mail.EmailMultiAlternatives(
        "Grüße", "Schöne Grüße!", "zoe@example.com", ["bob@example.org"], bcc=["cay@example.net"]
    )
    message.attach_alternative("<p>Schöne <b>Grüße</b>!</p>", "text/html")
    assert backend(server).send_messages([message]) == 1

    received = server.messages.one(subject="Grüße")
    assert received.rcpt_to == ("bob@example.org", "cay@example.net")
    assert received.bcc == ["cay@example.net"]
    assert (received.text_body or "").strip() == "Schöne Grüße!"
    assert (received.html_body or "").strip() == "<p>Schöne <b>Grüße</b>!</p>"
    assert (received.session.tls is None) == (tls == "none")
    server.check()


def test_without_smtp_trust_it_refuses(smtp_server: SMTPServer) -> None:
    """Django does verify: without the trust it sends nothing."""
    with pytest.raises(OSError, match="certificate verify failed"):
        backend(smtp_server).send_messages(
            [mail.EmailMessage("Hi", "Hi.", "a@example.com", ["b@example.org"])]
        )
    assert smtp_server.messages.none()


@pytest.mark.usefixtures("smtp_trust")
def test_it_logs_in_and_sends_many_over_one_connection(make_smtp_server: MakeSMTPServer) -> None:
    """Two messages of one call share a session and its login."""
    server = make_smtp_server(users={"ada": "secret"})
    messages = [
        mail.EmailMessage(f"Number {i}", "Hi.", "ada@example.com", ["bob@example.org"]) for i in (1, 2)
    ]
    assert backend(server, username="ada", password="secret").send_messages(messages) == 2
    assert [message.subject for message in server.messages] == ["Number 1", "Number 2"]
    assert len(server.sessions) == 1
    assert server.sessions[0].user == "ada"
