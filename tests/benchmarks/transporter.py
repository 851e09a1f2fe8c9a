"""Mails sent per second, ours against smtplib, to Postfix's `smtp-sink`: pairs of rounds in one run.

Run it from the project's folder: `python -m tests.benchmarks.transporter [rounds]`. The server is a process
of its own; each round measures both clients, and the ratio is taken pair by pair, so that the mood of the
machine cancels out. It asserts nothing.
"""

from __future__ import annotations

import shutil
import smtplib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from pytest_smtp4d import SMTPTransporter, mail_new_attachment
from pytest_smtp4d.smtp.envelope import Envelope
from pytest_smtp4d.transporter.outgoing import OutgoingMessage
from tests.peers.smtp_sink import smtp_sink

SENDER, RECIPIENT = "ada@example.com", "bob@example.org"
PREBUILT = (
    b"From: Ada <ada@example.com>\r\nTo: bob@example.org\r\nSubject: Hello\r\n\r\n"
    + (b"x" * 70 + b"\r\n") * 13
)
TEXT = "Dear Bob,\n\nyour invoice is attached.\n\n" + "It says what you owe, and until when.\n" * 10
HTML = f"<html><body><p>{TEXT.replace(chr(10), '<br>')}</p></body></html>"
INVOICE = bytes(range(256)) * 16

Send = Callable[[], object]


# -- clients: each yields what sends one mail over the session that it keeps open ---------------------------


@contextmanager
def smtplib_prebuilt(port: int) -> Iterator[Send]:
    """Smtplib with octets that are there already."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        yield lambda: client.sendmail(SENDER, [RECIPIENT], PREBUILT)


@contextmanager
def transporter_prebuilt(port: int) -> Iterator[Send]:
    """`send` with the composing left out."""
    with SMTPTransporter(host="127.0.0.1", port=port, accept_unsecure_connection=True) as transporter:
        message = OutgoingMessage(Envelope(SENDER, (RECIPIENT,)), False, PREBUILT, lambda: PREBUILT)
        transporter._client._message = lambda mail: message  # type: ignore[method-assign]

        def send() -> None:
            status = transporter.send({})
            assert status.success, status

        yield send


@contextmanager
def smtplib_realistic(port: int) -> Iterator[Send]:
    """Smtplib with an `EmailMessage` that is built for each mail: text, HTML, an attachment of 4 KB."""
    with smtplib.SMTP("127.0.0.1", port) as client:

        def send() -> None:
            message = EmailMessage()
            message["From"] = "Ada <ada@example.com>"
            message["To"] = "Bob <bob@example.org>"
            message["Subject"] = "Your invoice"
            message.set_content(TEXT)
            message.add_alternative(HTML, subtype="html")
            message.add_attachment(INVOICE, maintype="application", subtype="pdf", filename="invoice.pdf")
            client.send_message(message)

        yield send


@contextmanager
def transporter_realistic(port: int) -> Iterator[Send]:
    """Our transporter with a mail object that is built for each mail, the same one."""
    with SMTPTransporter(host="127.0.0.1", port=port, accept_unsecure_connection=True) as transporter:

        def send() -> None:
            mail = {
                "from": "Ada <ada@example.com>",
                "to": "Bob <bob@example.org>",
                "subject": "Your invoice",
                "textBody": TEXT,
                "htmlBody": HTML,
                "attachments": [mail_new_attachment(INVOICE, "invoice.pdf")],
            }
            status = transporter.send(mail)
            assert status.success, status

        yield send


# -- rounds ------------------------------------------------------------------------------------------------


def per_second(send: Send, seconds: float = 0.1) -> float:
    """Send for about that long, and return mails per second."""
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        for _ in range(20):
            send()
        count += 20
    return count / passed


def compare(
    title: str, port: int, theirs: Callable[..., object], ours: Callable[..., object], rounds: int
) -> None:
    """Measure the two in turn, and print the medians and the ratio."""
    with theirs(port) as send_theirs, ours(port) as send_ours:  # type: ignore[attr-defined]
        per_second(send_theirs, 0.1)
        per_second(send_ours, 0.1)
        pairs = [(per_second(send_theirs), per_second(send_ours)) for _ in range(rounds)]
    them, us = (statistics.median(column) for column in zip(*pairs, strict=True))
    best = max(our for _, our in pairs) / max(their for their, _ in pairs)
    ratios = sorted(our / their for their, our in pairs)
    print(  # noqa: T201
        f"{title}: smtplib {them:,.0f}/s, transporter {us:,.0f}/s, ratio {statistics.median(ratios):.2f}"
        f" (from {ratios[0]:.2f} to {ratios[-1]:.2f}), of the best rounds {best:.2f}"
    )


def main() -> None:
    """Compare twice: the dialogue alone, and composing with it."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 41
    program = shutil.which("smtp-sink", path="/usr/sbin:/usr/local/sbin") or "smtp-sink"
    with smtp_sink(program, dump=False) as sink:
        compare("1 KB, prebuilt octets", sink.port, smtplib_prebuilt, transporter_prebuilt, rounds)
        compare("text + HTML + 4 KB attachment", sink.port, smtplib_realistic, transporter_realistic, rounds)


if __name__ == "__main__":
    main()
