"""Mails sent per second to `smtp-sink`, ours against smtplib and aiosmtplib: pairs of rounds in one run.

Run it from the project's folder: `python -m tests.benchmarks.transporter [rounds]`. The server is a process
of its own; each round measures both clients, and the ratio is taken pair by pair, so that the mood of the
machine cancels out. With asyncio ten clients send at once in one loop. It asserts nothing.
"""

from __future__ import annotations

import asyncio
import shutil
import smtplib
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from email.message import EmailMessage

import aiosmtplib

from pytest_smtp4d import AsyncSMTPTransporter, Email, SMTPTransporter, mail_new_attachment
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
            mail: Email = {
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


AT_ONCE = 10
MAILS = 20
"""That each of those at once sends in one call."""


@contextmanager
def aiosmtplib_at_once(port: int) -> Iterator[Send]:
    """Ten connections of aiosmtplib in one loop; one call sends a mail over each."""
    loop = asyncio.new_event_loop()
    clients = [aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) for _ in range(AT_ONCE)]

    async def each(work: Callable[[aiosmtplib.SMTP], Awaitable[object]]) -> None:
        await asyncio.gather(*(work(client) for client in clients))

    async def send(client: aiosmtplib.SMTP) -> None:
        for _ in range(MAILS):
            await client.sendmail(SENDER, [RECIPIENT], PREBUILT)

    loop.run_until_complete(each(lambda client: client.connect()))
    yield lambda: loop.run_until_complete(each(send))
    loop.run_until_complete(each(lambda client: client.quit()))
    loop.close()


@contextmanager
def transporters_at_once(port: int) -> Iterator[Send]:
    """Ten of our transporters in one loop, with the composing left out."""
    loop = asyncio.new_event_loop()
    transporters = [
        AsyncSMTPTransporter(host="127.0.0.1", port=port, accept_unsecure_connection=True)
        for _ in range(AT_ONCE)
    ]
    message = OutgoingMessage(Envelope(SENDER, (RECIPIENT,)), False, PREBUILT, lambda: PREBUILT)

    async def connect(transporter: AsyncSMTPTransporter) -> None:
        assert await transporter.check_connection()
        transporter._turns_here().client._message = lambda mail: message  # type: ignore[method-assign]

    async def send(transporter: AsyncSMTPTransporter) -> None:
        for _ in range(MAILS):
            assert await transporter.send({})

    async def each(work: Callable[[AsyncSMTPTransporter], Awaitable[object]]) -> None:
        await asyncio.gather(*(work(transporter) for transporter in transporters))

    loop.run_until_complete(each(connect))
    yield lambda: loop.run_until_complete(each(send))
    loop.run_until_complete(each(lambda transporter: transporter.close()))
    loop.close()


# -- rounds ------------------------------------------------------------------------------------------------


def per_second(send: Send, mails: int, seconds: float = 0.1) -> float:
    """Send for about that long, and return mails per second; one call of `send` sends so many."""
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        for _ in range(max(1, 20 // mails)):
            send()
            count += mails
    return count / passed


def compare(
    title: str,
    port: int,
    theirs: Callable[[int], AbstractContextManager[Send]],
    ours: Callable[[int], AbstractContextManager[Send]],
    rounds: int,
    mails: int = 1,
) -> None:
    """Measure the two in turn, and print the medians and the ratio."""
    with theirs(port) as send_theirs, ours(port) as send_ours:
        per_second(send_theirs, mails)
        per_second(send_ours, mails)
        pairs = [(per_second(send_theirs, mails), per_second(send_ours, mails)) for _ in range(rounds)]
    them, us = (statistics.median(column) for column in zip(*pairs, strict=True))
    best = max(our for _, our in pairs) / max(their for their, _ in pairs)
    ratios = sorted(our / their for their, our in pairs)
    print(  # noqa: T201
        f"{title} {them:,.0f}/s, transporter {us:,.0f}/s, ratio {statistics.median(ratios):.2f}"
        f" (from {ratios[0]:.2f} to {ratios[-1]:.2f}), of the best rounds {best:.2f}"
    )


def main() -> None:
    """Compare the dialogue alone, composing with it, and ten at once."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 41
    program = shutil.which("smtp-sink", path="/usr/sbin:/usr/local/sbin") or "smtp-sink"
    with smtp_sink(program, dump=False) as sink:
        port = sink.port
        compare("1 KB, prebuilt octets: smtplib", port, smtplib_prebuilt, transporter_prebuilt, rounds)
        compare(
            "text + HTML + 4 KB attachment: smtplib", port, smtplib_realistic, transporter_realistic, rounds
        )
        compare(
            "1 KB, prebuilt octets, ten at once: aiosmtplib",
            port,
            aiosmtplib_at_once,
            transporters_at_once,
            rounds,
            AT_ONCE * MAILS,
        )


if __name__ == "__main__":
    main()
