"""AUTH: the exchange of challenges and responses, step by step, each of them a stage for faults.

RFC 4954 4 (the exchange, its replies and limits), RFC 4648 4 (base64).
The one thing to know: the mechanisms themselves are `smtp.sasl`'s; here are the lines around them.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import TYPE_CHECKING

from pytest_smtp4d.server.commands import EHLO_FIRST, Commands
from pytest_smtp4d.server.smtpd import HOSTNAME
from pytest_smtp4d.server.transcript import MASK
from pytest_smtp4d.smtp.reply import Reply
from pytest_smtp4d.smtp.sasl import (
    CLIENT_FIRST,
    INITIAL_RESPONSE,
    AuthenticationFailed,
    Credentials,
    MalformedResponse,
    server_mechanism,
)

if TYPE_CHECKING:
    from pytest_smtp4d.smtp.sasl import ServerMechanism

__all__ = ["Login"]

LOGGED_IN = Reply(235, "2.7.0 Authentication successful")
FAILED = Reply(535, "5.7.8 Authentication credentials invalid")
CANCELLED = Reply(501, "5.7.0 Authentication cancelled")
NOT_BASE64 = Reply(501, "5.5.2 The response is not base64")
RESPONSE_TOO_LONG = Reply(500, "5.5.6 Authentication exchange line is too long")
NO_INITIAL_RESPONSE = Reply(501, "5.7.0 The server speaks first in this mechanism")
NO_AUTH = Reply(502, "5.5.1 AUTH is not implemented")
UNKNOWN_MECHANISM = Reply(504, "5.5.4 Unrecognized authentication mechanism")
TLS_NEEDED = Reply(538, "5.7.11 Encryption required for requested authentication mechanism")
ALREADY = Reply(503, "5.5.1 Already authenticated")
IN_TRANSACTION = Reply(503, "5.5.1 AUTH is not permitted during a mail transaction")
NEEDS_MECHANISM = Reply(501, "5.5.4 Syntax: AUTH mechanism [initial-response]")


class _Exchange:
    """One mechanism's exchange: responses in as they stand on the wire, replies out.

    Args:
        mechanism: upper case.
        steps: the server's side of it.
    """

    def __init__(self, mechanism: str, steps: ServerMechanism) -> None:
        self.user: str | None = None
        """Who logged in, when it has succeeded."""
        self.tried: str | None = None
        self._steps: ServerMechanism | None = steps
        challenge = next(steps)
        # Where the client speaks first, what the server would say is an empty challenge.
        self.reply = _challenge(b"" if mechanism in CLIENT_FIRST else challenge)

    def respond(self, response: bytes) -> None:
        """Take a response, base64 as received; `reply` is then what the server says to it."""
        if self._steps is None:
            return  # a fault asked once more after the end: the end stays
        if response == b"*":
            self._end(CANCELLED)
            return
        try:
            octets = b"" if response == b"=" else base64.b64decode(response, validate=True)
        except binascii.Error:
            self._end(NOT_BASE64)
            return
        try:
            self.reply = _challenge(self._steps.send(octets))
        except StopIteration as result:
            self.user = result.value
            self._end(LOGGED_IN)
        except AuthenticationFailed:
            self._end(FAILED)
        except MalformedResponse as error:
            self._end(Reply(501, f"5.5.2 {error}"))

    def overrun(self) -> None:
        """Take a response that was too long."""
        self._end(RESPONSE_TOO_LONG)

    def _end(self, reply: Reply) -> None:
        if self._steps is not None:
            self._steps.close()
            self._steps = None
        self.reply = reply


def _challenge(octets: bytes) -> Reply:
    return Reply(334, base64.b64encode(octets).decode("ascii"))


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
        credentials = Credentials(self.settings.users, self.settings.tokens)
        exchange = _Exchange(
            mechanism, server_mechanism(mechanism, credentials, secrets.token_hex(16), HOSTNAME)
        )
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
            (bool(initial) and mechanism not in INITIAL_RESPONSE, NO_INITIAL_RESPONSE),
        )
        return next((reply for refused, reply in refusals if refused), None)

    async def _take_response(self, mechanism: str, exchange: _Exchange) -> None:
        """Read the line that answers a challenge; it is recorded as a mask."""
        line = await self.line()
        shown = b"*" if line.strip() == b"*" else MASK.encode()
        self.record.transcript.append(
            "C", shown, stage="AUTH", tls=self.under_tls, at=self.now(), secret=shown != b"*"
        )
        response = line.rstrip(b"\r\n")
        if response != b"*":
            self.violate(self.judge.credentials(mechanism))
        if not line:
            exchange.overrun()
        else:
            exchange.respond(response)

    def _settle_login(
        self, mechanism: str, exchange: _Exchange | None, taken: bool, reply: Reply | None
    ) -> None:
        user = exchange.user if exchange is not None else None
        if not taken or (user is None if reply is None else reply.code >= 300):
            return  # refused, or not over yet
        assert self.session is not None
        self.session.authenticated = True
        self.record.user = user if user is not None else ""
        self.record.mechanism = mechanism
