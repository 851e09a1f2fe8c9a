from __future__ import annotations

import smtplib
import ssl

import pytest

from pytest_smtp4d import SMTPServer
from pytest_smtp4d.server.disturbance import Disturbance


def carelessly() -> ssl.SSLContext:
    """Return a context that verifies nothing."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def send(server: SMTPServer, *, context: ssl.SSLContext | None, login: bool = False) -> None:
    """Send a mail by STARTTLS where it is on offer, and log in if asked to."""
    with smtplib.SMTP(server.host, server.port, timeout=5) as client:
        client.ehlo()
        if context is not None and client.has_extn("starttls"):
            client.starttls(context=context)
        if login:
            client.login("me", "secret")
        client.sendmail("a@example.com", ["b@example.org"], b"Subject: Hi\r\n\r\nHi\r\n")


@pytest.mark.parametrize("kind", ["impostor", "wrong-host", "expired"])
@pytest.mark.smtp_server(strict=False)
def test_a_client_that_verifies_refuses_the_certificate(smtp_server: SMTPServer, kind: str) -> None:
    """The handshake fails, the stage counts as reached, and nothing is a violation."""
    disturbance = Disturbance(smtp_server, "TLS", kind)
    before = disturbance.is_reached
    with pytest.raises(ssl.SSLError):
        send(smtp_server, context=smtp_server.client_context())
    smtp_server._settle()
    assert (before, disturbance.is_reached) == (False, True)
    assert smtp_server.sessions[0]._blamed() == ()
    states = [smtp_server.active_fault]
    disturbance.undo()
    assert [*states, smtp_server.active_fault] == [("TLS", kind), None]
    assert smtp_server.settings.certificate == "trusted"


@pytest.mark.parametrize("kind", ["impostor", "wrong-host", "expired"])
@pytest.mark.smtp_server(strict=False)
def test_a_client_that_verifies_nothing_is_caught(smtp_server: SMTPServer, kind: str) -> None:
    """MAIL after a handshake that a careful client refuses is a fatal violation, once a session."""
    Disturbance(smtp_server, "TLS", kind)
    send(smtp_server, context=carelessly())
    (violation,) = (one for one in smtp_server.sessions[0].violations if one.fatal)
    assert (violation.name, violation.rfc) == ("certificate-not-verified", "RFC 8314 5.2")
    assert violation.line.lower().startswith("mail from:<a@example.com>")


@pytest.mark.smtp_server(users={"me": "secret"}, strict=False)
def test_a_stripped_starttls_shows_a_password_in_clear(smtp_server: SMTPServer) -> None:
    """A client that logs in where STARTTLS was taken away commits a fatal violation, masked."""
    disturbance = Disturbance(smtp_server, "STARTTLS", "stripped")
    send(smtp_server, context=smtp_server.client_context(), login=True)
    assert disturbance.is_reached
    names = {violation.name for violation in smtp_server.sessions[0].violations if violation.fatal}
    assert names <= {"cleartext-credentials"}
    assert "secret" not in str(smtp_server.sessions[0].violations)
    disturbance.undo()
    assert smtp_server.settings.tls == "starttls"


@pytest.mark.smtp_server(tls="implicit", strict=False)
def test_what_is_not_on_offer_cannot_be_stripped(smtp_server: SMTPServer) -> None:
    """With TLS from the start there is no STARTTLS: the item counts as not reached."""
    disturbance = Disturbance(smtp_server, "STARTTLS", "stripped")
    with smtplib.SMTP_SSL(smtp_server.host, smtp_server.port, context=smtp_server.client_context()) as client:
        client.ehlo()
    assert not disturbance.is_reached
    assert smtp_server.settings.tls == "implicit"
