"""AUTH: the exchange of challenges and responses, step by step, each of them a stage for faults.

RFC 4954 4 (the exchange, its replies and limits), 6 (replies), RFC 4648 4 (base64). The mechanisms themselves
are those of `smtp.sasl`, which is imported by the first AUTH.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from pytest_smtp4d.server.dialogue import replies
from pytest_smtp4d.server.dialogue.answer import answer
from pytest_smtp4d.server.dialogue.protocol import TOO_LONG
from pytest_smtp4d.server.dialogue.step import MORE, Compute
from pytest_smtp4d.smtp.reply import Reply

if TYPE_CHECKING:
    from pytest_smtp4d.server.dialogue.protocol import ServerProtocol
    from pytest_smtp4d.server.dialogue.step import Dialogue
    from pytest_smtp4d.smtp.sasl import Credentials, ServerMechanism

__all__ = ["Exchange", "auth"]

SERVER_FIRST = frozenset({"CRAM-MD5"})
"""Mechanisms that cannot begin with an initial response (RFC 4954 4)."""


def auth(protocol: ServerProtocol, argument: str) -> Dialogue[None]:
    """Authenticate a client (RFC 4954 4); every reply on the way is asked of the faults at stage AUTH."""
    name, _, initial = argument.partition(" ")
    mechanism, initial = name.upper(), initial.strip()
    refusal = _refusal(protocol, mechanism, initial)
    if initial:
        protocol.record.credentials(mechanism)
    exchange = None if refusal is not None else _begin(protocol, mechanism)
    if exchange is not None and initial:
        yield from exchange.respond(initial.encode("utf-8", "surrogateescape"))
    while True:
        own = refusal if exchange is None else exchange.reply
        assert own is not None

        def commit(effective: bool, reply: Reply | None) -> None:
            _conclude(protocol, mechanism, exchange, effective, reply)

        yield from answer(protocol, mechanism, own, commit)
        if protocol.closing is not None or protocol.told is None or protocol.told.code != 334:
            return
        # A fault may have said 334 where the server would not: then the client answers, and hears the rest.
        line = yield from _response(protocol, mechanism)
        if exchange is None:
            continue
        if line is TOO_LONG:
            exchange.overrun()
        else:
            yield from exchange.respond(line.rstrip(b"\r\n"))


def _refusal(protocol: ServerProtocol, mechanism: str, initial: str) -> Reply | None:
    """Return why AUTH cannot begin, or None."""
    settings = protocol.settings
    refusal = protocol.refusal("AUTH")
    refusals = (
        (refusal is not None, refusal),
        (not settings.auth or not settings.esmtp, replies.NO_AUTH),
        (not (protocol.greeted and protocol.extended), replies.EHLO_FIRST),
        (protocol.authenticated, replies.AUTHENTICATED_ALREADY),
        (protocol.transaction is not None, replies.IN_TRANSACTION),
        (not mechanism, replies.AUTH_NEEDS_MECHANISM),
        (not protocol.offer.auth(tls=protocol.record.tls), replies.TLS_NEEDED),
        (mechanism not in settings.auth, replies.UNKNOWN_MECHANISM),
        (bool(initial) and mechanism in SERVER_FIRST, replies.NO_INITIAL_RESPONSE),
    )
    return next((reply for refused, reply in refusals if refused), None)


def _begin(protocol: ServerProtocol, mechanism: str) -> Exchange:
    from pytest_smtp4d.smtp.sasl import Credentials

    settings = protocol.settings
    return Exchange(mechanism, Credentials(settings.users, settings.tokens))


def _response(protocol: ServerProtocol, mechanism: str) -> Dialogue[bytes]:
    """Wait for the line that answers a challenge; it is recorded as a mask."""
    while (line := protocol.take_line()) is None:
        yield MORE
    protocol.record.response(line, mechanism)
    return line


def _conclude(
    protocol: ServerProtocol, mechanism: str, exchange: Exchange | None, effective: bool, reply: Reply | None
) -> None:
    """Log the client in, where the reply says so; where it does not, but takes effect, the credentials do."""
    user = exchange.user if exchange is not None else None
    is_over = user is not None if reply is None or reply.code >= 400 else reply.code < 300
    if not effective or not is_over:
        return
    protocol.authenticated = True
    protocol.session.user = user if user is not None else ""
    protocol.session.mechanism = mechanism


class Exchange:
    """The server's side of a login: responses in as they stand on the wire, replies out.

    Args:
        mechanism: upper case.
        credentials: who may log in.
    """

    def __init__(self, mechanism: str, credentials: Credentials) -> None:
        import secrets

        from pytest_smtp4d.smtp.sasl import CLIENT_FIRST, server_mechanism

        steps = server_mechanism(mechanism, credentials, secrets.token_hex(16), replies.HOSTNAME)
        challenge = next(steps)
        self.user: str | None = None
        """Who logged in, when it has succeeded."""
        # Where the client speaks first, what the server would say is an empty challenge.
        self.reply: Reply = _challenge(b"" if mechanism in CLIENT_FIRST else challenge)
        """What the server says now."""
        self._steps: ServerMechanism | None = steps
        self._takes_time = mechanism.startswith("SCRAM-")

    def respond(self, response: bytes) -> Dialogue[None]:
        """Take a response, base64 as received; `reply` is then what the server says to it."""
        if self._steps is None:
            return  # a fault asked once more after the end: the end stays
        if response == b"*":
            self._end(replies.CANCELLED)
            return
        try:
            octets = b"" if response == b"=" else base64.b64decode(response, validate=True)
        except (binascii.Error, ValueError):
            self._end(replies.NOT_BASE64)
            return
        if self._takes_time:
            yield Compute(lambda: self._take(octets))
        else:
            self._take(octets)

    def _take(self, octets: bytes) -> None:
        from pytest_smtp4d.smtp.sasl import AuthenticationFailed, MalformedResponse

        assert self._steps is not None
        try:
            self.reply = _challenge(self._steps.send(octets))
        except StopIteration as result:
            self.user = result.value
            self._end(replies.LOGGED_IN)
        except AuthenticationFailed:
            self._end(replies.FAILED_LOGIN)
        except MalformedResponse as error:
            self._end(Reply(501, f"5.5.2 {error}"))
        except ValueError:  # whatever else a client's octets can do to a conversion
            self._end(Reply(501, "5.5.2 The response is malformed"))

    def overrun(self) -> None:
        """Take a response that was too long."""
        self._end(replies.RESPONSE_TOO_LONG)

    def _end(self, reply: Reply) -> None:
        if self._steps is not None:
            self._steps.close()
            self._steps = None
        self.reply = reply


def _challenge(octets: bytes) -> Reply:
    return Reply(334, base64.b64encode(octets).decode("ascii"))
