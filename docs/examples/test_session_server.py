"""One server for an application that is configured once: started for the session, clean for each test."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest

from pytest_smtp4d import MakeSMTPServer, SMTPServer


class Application:
    """An application that reads its mail server once, when it is made: the code under test."""

    def __init__(self, host: str, port: int) -> None:
        self.client = smtplib.SMTP(host, port)

    def greet(self, recipient: str) -> None:
        """Send a greeting."""
        self.client.sendmail("app@example.com", [recipient], "Subject: Hello\r\n\r\nHello.\r\n")


@pytest.fixture(scope="session")
def app_smtp(smtp_server_factory: MakeSMTPServer) -> SMTPServer:
    """One server for the application."""
    return smtp_server_factory(tls="none")


@pytest.fixture
def smtp_server(app_smtp: SMTPServer) -> SMTPServer:
    """Each test gets it clean."""
    app_smtp.reset()
    return app_smtp


@pytest.fixture(scope="session")
def application(app_smtp: SMTPServer) -> Iterator[Application]:
    """The application, configured once."""
    application = Application(*app_smtp.address)
    yield application
    application.client.close()


@pytest.mark.parametrize("name", ["ada", "bob", "cay"])
def test_greeting(application: Application, smtp_server: SMTPServer, name: str) -> None:
    """Each test sees its own message only."""
    application.greet(f"{name}@example.org")
    assert smtp_server.messages.one().rcpt_to == (f"{name}@example.org",)


def test_a_fault_ends_with_its_test(application: Application, smtp_server: SMTPServer) -> None:
    """A fault that one test declares is gone in the next: reset() sees to that."""
    smtp_server.on("RCPT").reply(550, "5.1.1 No such user")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        application.greet("ada@example.org")
    application.client.rset()


@pytest.mark.smtp_server(recipient_limit=0)
def test_a_marker_acts_on_it_too(application: Application, smtp_server: SMTPServer) -> None:
    """The marker sets the server for the sessions of one test: this one may have no recipient at all."""
    with smtplib.SMTP(*smtp_server.address) as client, pytest.raises(smtplib.SMTPRecipientsRefused):
        client.sendmail("app@example.com", ["ada@example.org"], "Subject: Hello\r\n\r\nHello.\r\n")
    assert smtp_server.transactions[0].refused["ada@example.org"].code == 452
