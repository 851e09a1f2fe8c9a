"""What the wheel brings, used from an empty folder without the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest_smtp4d
from pytest_smtp4d import SMTPServer, SMTPTransporter


def test_the_package_is_the_installed_one() -> None:
    """Nothing of the checkout is on the path."""
    assert "site-packages" in Path(pytest_smtp4d.__file__).parts
    assert (Path(pytest_smtp4d.__file__).parent / "py.typed").exists()


def test_a_mail(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """The fixtures are there without a line of configuration, and a mail goes over TLS."""
    mail = {"from": "ada@example.com", "to": "bob@example.org", "subject": "Hello", "textBody": "It works."}
    assert transporter.send(mail)
    message = smtp_server.messages.one(subject="Hello", text_body="It works.")
    assert message.session.tls is not None
