"""S11: the first example of 4D's documentation of SMTPTransporter, translated line by line.

Port 465 is implicit TLS; here the server chooses its port, so `implicitTls` says what the port cannot.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_smtp4d import Email, ServerObject, SMTPServer, smtp_new_transporter


@pytest.mark.smtp_server(tls="implicit", users={"4d@example.com": "XXXX"})
def test_send(smtp_server: SMTPServer, tmp_path: Path) -> None:
    """A login over TLS, two recipients parted by a semicolon, text and HTML, and a log file."""
    server: ServerObject = {
        "host": smtp_server.host,
        "port": smtp_server.port,
        "implicitTls": True,
        "sslContext": smtp_server.client_context(),
        "user": "4d@example.com",
        "password": "XXXX",
        "logFile": str(tmp_path / "LogTest.txt"),
    }
    transporter = smtp_new_transporter(server)

    email: Email = {
        "subject": "my first mail",
        "from": "4d@example.com",
        "to": "first@example.org;second@example.org",
        "textBody": "Hello World",
        "htmlBody": "<h1>Hello World</h1><h4>Nothing loves pain itself.</h4>",
    }
    status = transporter.send(email)
    if not status.success:
        pytest.fail(f"An error occurred while sending: {status.status_text}")
    transporter.close()

    message = smtp_server.messages.one(subject="my first mail")
    assert message.rcpt_to == ("first@example.org", "second@example.org")
    assert message.text_body == "Hello World"
    assert message.html_body == "<h1>Hello World</h1><h4>Nothing loves pain itself.</h4>"
    assert message.session.user == "4d@example.com"
    log = (tmp_path / "LogTest.txt").read_text(encoding="utf-8")
    assert "my first mail" in log
    assert "XXXX" not in log
