"""AUTH: the exchange of challenges and responses, step by step, each of them a stage for faults.

RFC 4954 4 (the exchange, its replies and limits).
The one thing to know: what is said in the exchange is for `exchange`; here are the lines on the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_smtp4d.records.transcript import MASK
from pytest_smtp4d.server.command_loop import TOO_LONG
from pytest_smtp4d.server.commands import EHLO_FIRST, Commands
from pytest_smtp4d.server.smtpd import HOSTNAME
from pytest_smtp4d.smtp.reply import Reply

if TYPE_CHECKING:
    from pytest_smtp4d.server.exchange import Exchange

__all__ = ["Login"]

NO_INITIAL_RESPONSE = Reply(501, "5.7.0 The server speaks first in this mechanism")
NO_AUTH = Reply(502, "5.5.1 AUTH is not implemented")
UNKNOWN_MECHANISM = Reply(504, "5.5.4 Unrecognized authentication mechanism")
TLS_NEEDED = Reply(538, "5.7.11 Encryption required for requested authentication mechanism")
ALREADY = Reply(503, "5.5.1 Already authenticated")
IN_TRANSACTION = Reply(503, "5.5.1 AUTH is not permitted during a mail transaction")
NEEDS_MECHANISM = Reply(501, "5.5.4 Syntax: AUTH mechanism [initial-response]")

SERVER_FIRST = frozenset({"CRAM-MD5"})
"""Mechanisms that cannot begin with an initial response (RFC 4954 4)."""


class Login(Commands):
    """The command AUTH."""

    async def smtp_AUTH(self, argument: str) -> None:  # noqa: N802 - aiosmtpd's dispatch name
        """Authenticate a client (RFC 4954 4); every reply on the way is asked of the faults at stage AUTH."""
        name, _, initial = argument.partition(" ")
        mechanism = name.upper()
        initial = initial.strip()
        refusal = self._refusal(mechanism, initial)
        if initial:
            self.violate(self.judge.credentials(mechanism))
        if refusal is not None:
            await self.answer(
                "AUTH",
                mechanism,
                refusal,
                lambda taken, reply: self._settle_login(mechanism, None, taken, reply),
            )
            return
        from pytest_smtp4d.server.exchange import Exchange
        from pytest_smtp4d.smtp.sasl import Credentials

        exchange = Exchange(mechanism, Credentials(self.settings.users, self.settings.tokens), HOSTNAME)
        if initial:
            exchange.respond(initial.encode("utf-8", "surrogateescape"))
        while True:
            await self.answer(
                "AUTH",
                mechanism,
                exchange.reply,
                lambda taken, reply: self._settle_login(mechanism, exchange, taken, reply),
            )
            if self.is_closing or self.told is None or self.told.code != 334:
                return
            await self._take_response(mechanism, exchange)

    def _refusal(self, mechanism: str, initial: str) -> Reply | None:
        """Return why AUTH cannot begin, or None."""
        assert self.session is not None
        barred = self.barred("AUTH")
        refusals = (
            (barred is not None, barred),
            (not self.settings.auth or not self.settings.esmtp, NO_AUTH),
            (not (self.greeted and self.session.extended_smtp), EHLO_FIRST),
            (bool(self.session.authenticated), ALREADY),
            (self.transaction is not None, IN_TRANSACTION),
            (not mechanism, NEEDS_MECHANISM),
            (not self.offers_auth, TLS_NEEDED),
            (mechanism not in self.settings.auth, UNKNOWN_MECHANISM),
            (bool(initial) and mechanism in SERVER_FIRST, NO_INITIAL_RESPONSE),
        )
        return next((reply for refused, reply in refusals if refused), None)

    async def _take_response(self, mechanism: str, exchange: Exchange) -> None:
        """Read the line that answers a challenge; it is recorded as a mask."""
        line = await self.line()
        shown = b"*" if line.strip() == b"*" else MASK.encode()
        self.record.transcript.append(
            "C", shown, stage="AUTH", tls=self.under_tls, at=self.now(), secret=shown != b"*"
        )
        response = line.rstrip(b"\r\n")
        if response != b"*":
            self.violate(self.judge.credentials(mechanism))
        if line is TOO_LONG:
            exchange.overrun()
        else:
            exchange.respond(response)

    def _settle_login(
        self, mechanism: str, exchange: Exchange | None, taken: bool, reply: Reply | None
    ) -> None:
        user = exchange.user if exchange is not None else None
        if not taken or (user is None if reply is None else reply.code >= 300):
            return  # refused, or not over yet
        assert self.session is not None
        self.session.authenticated = True
        self.record.user = user if user is not None else ""
        self.record.mechanism = mechanism
