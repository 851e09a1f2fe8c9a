"""Composing: a mail object against the standard library's `EmailMessage`, in one run.

`python tests/benchmarks/compose.py` prints microseconds per message (the median of alternating rounds) and
the ratio. Both make the same mail, octets included, from its values alone: text, HTML and 4 KB attached.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.message import EmailMessage
from email.policy import SMTP

from pytest_smtp4d.mail.attachment import mail_new_attachment
from pytest_smtp4d.mail.compose import compose

TEXT = "Dear customer,\n\nyour invoice is attached.\n\n" + "It says what you owe, and until when.\n" * 10
HTML = f"<html><body><p>{TEXT.replace(chr(10), '<br>')}</p></body></html>"
UNICODE = "Sehr geehrte Frau Müller,\n\nanbei die Rechnung über 12 €.\n" * 10
CONTENT = bytes(range(256)) * 16
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc)


def ours(text: str, subject: str) -> bytes:
    """Make the mail with this project."""
    mail = {
        "from": "Shop <shop@example.com>",
        "to": "Ann Example <ann@example.org>",
        "subject": subject,
        "textBody": text,
        "htmlBody": HTML,
        "attachments": [mail_new_attachment(CONTENT, "invoice.pdf")],
    }
    return compose(mail, now=NOW, unique=lambda: "0123456789ABCDEF0123456789ABCDEF")


def theirs(text: str, subject: str) -> bytes:
    """Make the mail with the standard library."""
    message = EmailMessage()
    message["From"] = "Shop <shop@example.com>"
    message["To"] = "Ann Example <ann@example.org>"
    message["Subject"] = subject
    message["Date"] = NOW
    message["Message-ID"] = "<0123456789ABCDEF0123456789ABCDEF@example.com>"
    message.set_content(text)
    message.add_alternative(HTML, subtype="html")
    message.add_attachment(CONTENT, maintype="application", subtype="pdf", filename="invoice.pdf")
    return message.as_bytes(policy=SMTP)


def microseconds(make: Callable[[str, str], bytes], text: str, subject: str, count: int) -> float:
    """Return what one message costs."""
    start = time.perf_counter()
    for _ in range(count):
        make(text, subject)
    return (time.perf_counter() - start) / count * 1e6


def main() -> None:
    """Compare in alternating rounds."""
    for label, text, subject in (
        ("ASCII", TEXT, "Your invoice"),
        ("Latin", UNICODE, "Rechnung für Frau Müller – fällig am 28. Februar"),
    ):
        rounds = [
            (microseconds(ours, text, subject, 200), microseconds(theirs, text, subject, 50))
            for _ in range(9)
        ]
        mine, other = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(theirs_ / ours_ for ours_, theirs_ in rounds)
        costs = f"mail object {mine:7.1f} µs, EmailMessage {other:7.1f} µs"
        print(f"{label}: {costs}, {ratio:.1f} times faster")  # noqa: T201


if __name__ == "__main__":
    main()
