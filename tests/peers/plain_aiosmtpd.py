"""aiosmtpd's own SMTP class on a loop of its own; it knows nothing of this project.

https://aiosmtpd.aio-libs.org. It is not its Controller, whose stop waits for half a
minute on a TLS client; here the transports are aborted first.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

PASSWORD = "correct horse, battery staple"


@dataclass
class Keep:
    """Keeps what was received, and refuses what it is told to.

    Args:
        refusals: what to refuse ("MAIL", "RCPT", "DATA") and the reply; "RCPT" for nobody@… only.
        envelopes: what was received.
        logins: who logged in, by which mechanism.
    """

    refusals: dict[str, str] = field(default_factory=dict)
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the sender."""
        if "MAIL" in self.refusals:
            return self.refusals["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Sender taken"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, unless it is nobody."""
        if "RCPT" in self.refusals and address.startswith("nobody@"):
            return self.refusals["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient taken"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the message."""
        if "DATA" in self.refusals:
            return self.refusals["DATA"]
        self.envelopes.append(envelope)
        return "250 2.0.0 Message taken"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Let ada in."""
        assert isinstance(data, LoginPassword)
        success = (data.login, data.password) == (b"ada", PASSWORD.encode())
        if success:
            self.logins.append(("ada", mechanism))
        return AuthResult(success=success, handled=False)


@contextmanager
def plain_aiosmtpd(handler: Keep, *, tls: ssl.SSLContext | None = None, **settings: Any) -> Iterator[int]:
    """Run it, and yield its port; `tls` is TLS from the first octet, `settings` are aiosmtpd's."""
    loop = asyncio.new_event_loop()
    protocols: list[SMTP] = []

    def protocol() -> SMTP:
        made = SMTP(
            handler, hostname="mx.example.org", loop=loop, authenticator=handler.authenticate, **settings
        )
        protocols.append(made)
        return made

    server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0, ssl=tls))
    thread = threading.Thread(target=loop.run_forever, name="aiosmtpd")
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_stopped(server, protocols), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _stopped(server: asyncio.Server, protocols: list[SMTP]) -> None:
    server.close()
    for protocol in protocols:
        if isinstance(protocol.transport, asyncio.WriteTransport):
            # asyncio of CPython 3.11.2 cannot abort a TLS transport whose connection was lost already.
            with suppress(AttributeError):
                protocol.transport.abort()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
