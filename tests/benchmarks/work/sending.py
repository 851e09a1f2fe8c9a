"""A client to be measured, as a process: `sending.py CLIENT PORT COUNT` prints mails per second."""

from __future__ import annotations

import asyncio
import smtplib
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_smtp4d import Email

WARM_UP = 20
AT_ONCE = 10
SENDER, RECIPIENT = "ada@example.com", "bob@example.org"
PREBUILT = (
    b"From: Ada <ada@example.com>\r\nTo: bob@example.org\r\nSubject: Hello\r\n\r\n"
    + (b"x" * 70 + b"\r\n") * 13
)
TEXT = "Dear Bob,\n\nyour invoice is attached.\n\n" + "It says what you owe, and until when.\n" * 10
HTML = f"<html><body><p>{TEXT.replace(chr(10), '<br>')}</p></body></html>"
INVOICE = bytes(range(256)) * 16

Send = Callable[[int], object]
"""Sends so many mails over the session, or sessions, that it keeps open."""


def _prebuilt() -> Any:
    """Return what our client makes of a mail, made before: composing is left out."""
    from pytest_smtp4d.smtp.envelope import Envelope
    from pytest_smtp4d.transporter.outgoing import OutgoingMessage

    return OutgoingMessage(Envelope(SENDER, (RECIPIENT,)), False, PREBUILT, lambda: PREBUILT)


@contextmanager
def smtplib_prebuilt(port: int) -> Iterator[Send]:
    """Smtplib, with octets that are there already."""
    with smtplib.SMTP("127.0.0.1", port) as client:

        def send(count: int) -> None:
            for _ in range(count):
                client.sendmail(SENDER, [RECIPIENT], PREBUILT)

        yield send


@contextmanager
def transporter_prebuilt(port: int) -> Iterator[Send]:
    """Our transporter, with octets that are there already."""
    from pytest_smtp4d import SMTPTransporter

    message = _prebuilt()
    with SMTPTransporter(host="127.0.0.1", port=port, accept_unsecure_connection=True) as transporter:
        transporter._client._message = lambda mail: message  # type: ignore[method-assign]

        def send(count: int) -> None:
            for _ in range(count):
                status = transporter.send({})
                assert status.success, status

        yield send


@contextmanager
def smtplib_realistic(port: int) -> Iterator[Send]:
    """Smtplib, with an `EmailMessage` that is built for each mail: text, HTML, an attachment of 4 KB."""
    with smtplib.SMTP("127.0.0.1", port) as client:

        def send(count: int) -> None:
            for _ in range(count):
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
    """Our transporter, with a mail object that is built for each mail, the same one."""
    from pytest_smtp4d import SMTPTransporter, mail_new_attachment

    with SMTPTransporter(host="127.0.0.1", port=port, accept_unsecure_connection=True) as transporter:

        def send(count: int) -> None:
            for _ in range(count):
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


@contextmanager
def aiosmtplib_at_once(port: int) -> Iterator[Send]:
    """Ten connections of aiosmtplib in one loop."""
    import aiosmtplib

    loop = asyncio.new_event_loop()
    clients = [aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) for _ in range(AT_ONCE)]

    async def each(work: Callable[[aiosmtplib.SMTP], Awaitable[object]]) -> None:
        await asyncio.gather(*(work(client) for client in clients))

    def send(count: int) -> None:
        async def work(client: aiosmtplib.SMTP) -> None:
            for _ in range(count // AT_ONCE):
                await client.sendmail(SENDER, [RECIPIENT], PREBUILT)

        loop.run_until_complete(each(work))

    loop.run_until_complete(each(lambda client: client.connect()))
    yield send
    loop.run_until_complete(each(lambda client: client.quit()))
    loop.close()


@contextmanager
def transporters_at_once(port: int) -> Iterator[Send]:
    """Ten of our transporters in one loop, with octets that are there already."""
    from pytest_smtp4d import AsyncSMTPTransporter

    message = _prebuilt()
    loop = asyncio.new_event_loop()
    transporters = [
        AsyncSMTPTransporter(host="127.0.0.1", port=port, accept_unsecure_connection=True)
        for _ in range(AT_ONCE)
    ]

    async def connect(transporter: AsyncSMTPTransporter) -> None:
        assert await transporter.check_connection()
        transporter._turns_here().client._message = lambda mail: message  # type: ignore[method-assign]

    async def each(work: Callable[[AsyncSMTPTransporter], Awaitable[object]]) -> None:
        await asyncio.gather(*(work(transporter) for transporter in transporters))

    def send(count: int) -> None:
        async def work(transporter: AsyncSMTPTransporter) -> None:
            for _ in range(count // AT_ONCE):
                assert await transporter.send({})

        loop.run_until_complete(each(work))

    loop.run_until_complete(each(connect))
    yield send
    loop.run_until_complete(each(lambda transporter: transporter.close()))
    loop.close()


CLIENTS: dict[str, Callable[[int], AbstractContextManager[Send]]] = {
    "smtplib-prebuilt": smtplib_prebuilt,
    "ours-prebuilt": transporter_prebuilt,
    "smtplib-realistic": smtplib_realistic,
    "ours-realistic": transporter_realistic,
    "aiosmtplib-at-once": aiosmtplib_at_once,
    "ours-at-once": transporters_at_once,
}


def main() -> None:
    """Send with one of them."""
    name, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with CLIENTS[name](port) as send:
        send(WARM_UP)
        began = time.perf_counter()
        send(count)
        passed = time.perf_counter() - began
    print(count / passed)  # noqa: T201


if __name__ == "__main__":
    main()
