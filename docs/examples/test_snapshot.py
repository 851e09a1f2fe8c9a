"""A mail as a snapshot: stored by syrupy in a file, or by inline-snapshot in the test itself."""

from __future__ import annotations

import pytest

from pytest_smtp4d import SMTPServer, SMTPTransporter

pytest.importorskip("syrupy", reason="pip install syrupy")
pytest.importorskip("inline_snapshot", reason="pip install inline-snapshot")

from inline_snapshot import snapshot as inline_snapshot
from syrupy.assertion import SnapshotAssertion


def send_welcome(transporter: SMTPTransporter) -> None:
    """Stand for the application."""
    status = transporter.send(
        {
            "from": "Shop <shop@example.com>",
            "to": "bob@example.org",
            "subject": "Welcome",
            "textBody": "Hello Bob",
            "htmlBody": "<p>Hello Bob</p>",
        }
    )
    status.raise_for_status()


def test_with_syrupy(
    smtp_server: SMTPServer, transporter: SMTPTransporter, snapshot: SnapshotAssertion
) -> None:
    """The mail is what a file in `__snapshots__` says; `--snapshot-update` writes it anew."""
    send_welcome(transporter)
    assert smtp_server.messages.one().snapshot() == snapshot


def test_with_inline_snapshot(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """The mail is what stands here; `--inline-snapshot=fix` writes it anew."""
    send_welcome(transporter)
    assert smtp_server.messages.one().snapshot() == inline_snapshot("""\
[envelope]
MAIL FROM:<shop@example.com> SIZE=<size>
RCPT TO:<bob@example.org>

[header]
MIME-Version: 1.0
Date: <date>
Message-ID: <message-id-1>
From: Shop <shop@example.com>
To: bob@example.org
Subject: Welcome
Content-Type: multipart/alternative; boundary="<boundary-1>"

[text body]
Hello Bob

[html body]
<p>Hello Bob</p>
""")
