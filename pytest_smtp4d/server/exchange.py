"""One mechanism's exchange as SMTP carries it: base64 in, replies out.

RFC 4954 4 and 6 (the exchange and its replies), RFC 4648 4 (base64).
The one thing to know: the mechanisms themselves are `smtp.sasl`'s; this room is imported by the first AUTH.
"""

from __future__ import annotations

import base64
import binascii
import secrets

from pytest_smtp4d.smtp.reply import Reply
from pytest_smtp4d.smtp.sasl import (
    CLIENT_FIRST,
    AuthenticationFailed,
    Credentials,
    MalformedResponse,
    ServerMechanism,
    server_mechanism,
)

__all__ = ["Exchange"]

LOGGED_IN = Reply(235, "2.7.0 Authentication successful")
FAILED = Reply(535, "5.7.8 Authentication credentials invalid")
CANCELLED = Reply(501, "5.7.0 Authentication cancelled")
NOT_BASE64 = Reply(501, "5.5.2 The response is not base64")
RESPONSE_TOO_LONG = Reply(500, "5.5.6 Authentication exchange line is too long")


class Exchange:
    """The server's side of a login: responses in as they stand on the wire, replies out.

    Args:
        mechanism: upper case.
        credentials: who may log in.
        host: the server's name, for challenges.
    """

    def __init__(self, mechanism: str, credentials: Credentials, host: str) -> None:
        steps = server_mechanism(mechanism, credentials, secrets.token_hex(16), host)
        challenge = next(steps)
        self.user: str | None = None
        """Who logged in, when it has succeeded."""
        # Where the client speaks first, what the server would say is an empty challenge.
        self.reply = _challenge(b"" if mechanism in CLIENT_FIRST else challenge)
        """What the server says now."""
        self._steps: ServerMechanism | None = steps

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
