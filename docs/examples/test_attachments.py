"""A mail with an attachment and a picture in its HTML: sent, and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_smtp4d import Email, SMTPServer, SMTPTransporter, mail_new_attachment

PDF = b"%PDF-1.7 an invoice"
PNG = b"\x89PNG\r\n\x1a\n a logo"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two files are in the current folder."""
    (tmp_path / "invoice.pdf").write_bytes(PDF)
    (tmp_path / "logo.png").write_bytes(PNG)
    monkeypatch.chdir(tmp_path)


def send_invoice(transporter: SMTPTransporter) -> None:
    """Send an invoice: the code under test."""
    mail: Email = {
        "from": "Shop <shop@example.com>",
        "to": "ann@example.org; Bob <bob@example.org>",
        "subject": "Your invoice",
        "textBody": "Thank you.",
        "htmlBody": '<p>Thank you. <img src="cid:logo"></p>',
        "attachments": [mail_new_attachment("invoice.pdf"), mail_new_attachment("logo.png", cid="logo")],
    }
    transporter.send(mail).raise_for_status()


def test_attachments_arrive(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """Every part that is not the body is an attachment, the picture in the HTML included."""
    send_invoice(transporter)

    message = smtp_server.messages.one(subject="Your invoice")
    assert message.rcpt_to == ("ann@example.org", "bob@example.org")
    found = {attachment.name: attachment for attachment in message.attachments}
    assert {name: attachment.get_content() for name, attachment in found.items()} == {
        "invoice.pdf": PDF,
        "logo.png": PNG,
    }
    assert found["invoice.pdf"].type == "application/pdf"
    assert (found["logo.png"].cid, found["logo.png"].disposition) == ("logo", "inline")
