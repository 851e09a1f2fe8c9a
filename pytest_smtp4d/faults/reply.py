"""A reply as a test writes it: a code, (code, text), a `Reply`, or "ok" for the server's own.

RFC 5321 4.2 (reply codes), RFC 3463 (enhanced status codes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.smtp.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_TEXTS", "ReplySpec", "make_reply"]

ReplySpec = Literal["ok"] | int | tuple[int, str] | Reply
"""A reply as `replies([...])` takes it."""

DEFAULT_TEXTS: Mapping[int, str] = {
    220: "Ready",
    221: "2.0.0 Bye",
    235: "2.7.0 Authentication successful",
    250: "2.0.0 OK",
    251: "2.1.5 User not local; will forward",
    252: "2.5.0 Cannot verify the user, but will take the message",
    354: "Start mail input; end with <CRLF>.<CRLF>",
    421: "4.3.2 Service not available, closing the connection",
    432: "4.7.12 A password transition is needed",
    450: "4.2.0 Mailbox unavailable",
    451: "4.3.0 Local error in processing",
    452: "4.3.1 Insufficient system storage",
    454: "4.7.0 Temporary authentication failure",
    455: "4.5.4 Parameters not accepted for now",
    500: "5.5.2 Command not recognized",
    501: "5.5.4 Syntax error in parameters",
    502: "5.5.1 Command not implemented",
    503: "5.5.1 Bad sequence of commands",
    504: "5.5.4 Command parameter not implemented",
    530: "5.7.0 Authentication required",
    534: "5.7.9 Authentication mechanism is too weak",
    535: "5.7.8 Authentication credentials invalid",
    538: "5.7.11 Encryption required for this mechanism",
    550: "5.1.1 No such user",
    551: "5.1.6 User not local",
    552: "5.3.4 Message too big",
    553: "5.1.3 Mailbox name not allowed",
    554: "5.0.0 Transaction failed",
    555: "5.5.4 Parameters not recognized",
}
"""The text of a reply that is given as a code alone."""


def make_reply(spec: object) -> Reply | None:
    """Return the reply that is meant, None for "ok": the server's own.

    Args:
        spec: "ok", a code, (code, text), or a `Reply`.

    Raises:
        SettingsError: another form, a code outside 200-599, text with CR or NUL.
    """
    if isinstance(spec, str) and spec == "ok":
        return None
    if isinstance(spec, Reply):
        return Reply(_check_code(spec.code), _check_text(spec.text))
    if isinstance(spec, (tuple, list)) and len(spec) == 2:
        return Reply(_check_code(spec[0]), _check_text(spec[1]))
    if isinstance(spec, int) and not isinstance(spec, bool):
        code = _check_code(spec)
        return Reply(code, DEFAULT_TEXTS.get(code, ""))
    raise SettingsError(f"a reply is a code, (code, text), a Reply or 'ok', not {spec!r}")


def _check_code(code: object) -> int:
    if isinstance(code, bool) or not isinstance(code, int):
        raise SettingsError(f"a reply code is a number from 200 to 599, not {code!r}")
    if not 200 <= code <= 599:
        raise SettingsError(f"reply code {code} is outside 200-599; send(b'...') writes what is no reply")
    return code


def _check_text(text: object) -> str:
    if not isinstance(text, str):
        raise SettingsError(f"the text of a reply is a str, not {text!r}")
    if "\r" in text or "\0" in text:
        raise SettingsError(
            f"the text of a reply cannot hold CR or NUL: {text!r}; newlines make a multi-line reply, "
            "and send(b'...') writes any octets"
        )
    return text
