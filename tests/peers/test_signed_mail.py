from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from pytest_smtp4d import Email, MakeTransporter, SMTPServer, last_errors, mail_new_attachment
from tests.mail.identity import NOW, Identity, make_identity, verified
from tests.peers.conftest import Foreign


@pytest.fixture(scope="module")
def identity() -> Identity:
    """A signer that is valid today."""
    today = (datetime.now(timezone.utc) - NOW).days
    return make_identity(days=(today - 10, today + 10))


@pytest.mark.parametrize(
    "content",
    [
        {"textBody": "Hello"},
        {
            "textBody": ".\nFrom me \nGrüße",
            "htmlBody": "<p>Grüße</p>",
            "attachments": [mail_new_attachment(b"\0\r\n.\r\n", "ä.bin")],
        },
    ],
    ids=["text", "attachment"],
)
def test_a_signature_survives_the_trip(
    content: Email,
    identity: Identity,
    foreign: Foreign,
    make_transporter: MakeTransporter,
    smtp_server: SMTPServer,
    tmp_path: Path,
) -> None:
    """C5: what the server received is what was signed: openssl verifies it, dots and all."""
    foreign("openssl")
    transporter = make_transporter(certificate=identity.p12("secret"), certificate_password="secret")
    mail: Email = {"from": "shop@example.com", "to": "ann@example.org", "subject": "Größe", **content}
    transporter.send(mail).raise_for_status()
    message = smtp_server.messages.one(subject="Größe", text_body=content["textBody"])
    assert verified(message.content, identity, tmp_path, at=datetime.now(timezone.utc))


def test_an_expired_certificate_sends_nothing(
    make_transporter: MakeTransporter, smtp_server: SMTPServer
) -> None:
    """A mail that cannot be signed is not sent unsigned."""
    today = (datetime.now(timezone.utc) - NOW).days
    transporter = make_transporter(certificate=make_identity(days=(today - 10, today - 5)).pem())
    status = transporter.send({"from": "shop@example.com", "to": "ann@example.org", "textBody": "x"})
    assert (status.success, status.status) == (False, 0)
    assert "expired" in (last_errors() or [])[0]["message"]
    assert smtp_server.messages.none()
