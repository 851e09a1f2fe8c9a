"""Composing and reading a mail: `mail.py WHAT COUNT` prints mails per second.

The mail has text, HTML and an attachment of 4 KB, made from the same values by both sides.
"""

from __future__ import annotations

import email
import email.policy
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.message import EmailMessage

from pytest_smtp4d.mail.attachment import mail_new_attachment
from pytest_smtp4d.mail.compose import Composer
from pytest_smtp4d.mail.parse import html_body_of, mail_convert_from_mime, text_body_of

ASCII = ("Dear customer,\n\nyour invoice is attached.\n\n" + "It says what you owe.\n" * 10, "Your invoice")
UNICODE = (
    "Sehr geehrte Frau Müller,\n\nanbei die Rechnung über 12 €.\n" * 10,
    "Rechnung für Frau Müller – fällig am 28. Februar",
)
CONTENT = bytes(range(256)) * 16
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc)
UNIQUE = "0123456789ABCDEF0123456789ABCDEF"


def html_of(text: str) -> str:
    """Return a text as HTML."""
    return f"<html><body><p>{text.replace(chr(10), '<br>')}</p></body></html>"


def compose_ours(text: str, subject: str) -> bytes:
    """Make the mail with this project."""
    mail = {
        "from": "Shop <shop@example.com>",
        "to": "Ann Example <ann@example.org>",
        "subject": subject,
        "textBody": text,
        "htmlBody": html_of(text),
        "attachments": [mail_new_attachment(CONTENT, "invoice.pdf")],
    }
    return Composer(mail).compose(now=NOW, unique=lambda: UNIQUE)


def compose_theirs(text: str, subject: str) -> bytes:
    """Make the mail with the standard library."""
    message = EmailMessage()
    message["From"] = "Shop <shop@example.com>"
    message["To"] = "Ann Example <ann@example.org>"
    message["Subject"] = subject
    message["Date"] = NOW
    message["Message-ID"] = f"<{UNIQUE}@example.com>"
    message.set_content(text)
    message.add_alternative(html_of(text), subtype="html")
    message.add_attachment(CONTENT, maintype="application", subtype="pdf", filename="invoice.pdf")
    return message.as_bytes(policy=email.policy.SMTP)


def read_ours(octets: bytes) -> object:
    """Read all of a mail with this project."""
    mail = mail_convert_from_mime(octets)
    return mail["subject"], mail["to"], text_body_of(mail), html_body_of(mail), _content(mail)


def _content(mail: object) -> bytes:
    return bytes(mail["attachments"][0].get_content())  # type: ignore[index]


def read_theirs(octets: bytes) -> object:
    """Read the same with the standard library."""
    message = email.message_from_bytes(octets, policy=email.policy.default)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    attachment = next(message.iter_attachments())
    recipients = message["To"].addresses
    return message["Subject"], recipients, text.get_content(), html.get_content(), attachment.get_content()


MADE = compose_ours(*UNICODE)
WORK: dict[str, Callable[[], object]] = {
    "compose-ascii-ours": lambda: compose_ours(*ASCII),
    "compose-ascii-theirs": lambda: compose_theirs(*ASCII),
    "compose-unicode-ours": lambda: compose_ours(*UNICODE),
    "compose-unicode-theirs": lambda: compose_theirs(*UNICODE),
    "read-ours": lambda: read_ours(MADE),
    "read-theirs": lambda: read_theirs(MADE),
    "read-compat32": lambda: email.message_from_bytes(MADE),
}


def main() -> None:
    """Do it `COUNT` times."""
    work, count = WORK[sys.argv[1]], int(sys.argv[2])
    for _ in range(count // 10 + 1):
        work()
    began = time.perf_counter()
    for _ in range(count):
        work()
    print(count / (time.perf_counter() - began))  # noqa: T201


if __name__ == "__main__":
    main()
