"""The standard library's messages: their envelope and their octets.

RFC 5322 3.6, RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8). Such a message writes itself;
we only choose its policy, leave out Bcc and refuse what SMTP cannot carry.
"""

from __future__ import annotations

import copy
import io
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.address import parse_addresses
from pytest_smtp4d.mail.charset import MAX_LINE
from pytest_smtp4d.mail.mailbox import Mailbox, distinct

if TYPE_CHECKING:
    from email.message import Message

__all__ = ["message_envelope", "message_octets"]


def message_envelope(message: Message[Any, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the envelope of a standard-library message.

    Returns:
        The mailbox of Sender, else the first of From; and To, Cc, Bcc in that order without repetition.
        Domains are in A-labels.

    Raises:
        MailError: no origin, no destination, or a malformed address.
    """
    origins = _mailboxes(message, "Sender") or _mailboxes(message, "From")
    if not origins:
        raise MailError("the message has no origin: give it a From field")
    recipients = distinct(box for name in ("To", "Cc", "Bcc") for box in _mailboxes(message, name))
    if not recipients:
        raise MailError("the message has no destination: give it a To, Cc or Bcc field")
    return origins[0].ascii_addr_spec, recipients


def _mailboxes(message: Message[Any, Any], name: str) -> list[Mailbox]:
    """Return the mailboxes of all fields called `name`."""
    values = [" ".join(str(value).split()) for value in message.get_all(name, [])]
    return parse_addresses(values, name)


def message_octets(message: Message[Any, Any], *, eightbit: bool, utf8: bool) -> bytes:
    """Return the octets of a standard-library message, without Bcc.

    Args:
        message: an `EmailMessage`, or a `Message` of any policy.
        eightbit: whether octets above 127 may stand in bodies (the server offers 8BITMIME).
        utf8: whether headers may be raw UTF-8 (the server offers SMTPUTF8 and the message needs it).

    Returns:
        Octets with CRLF line ends.

    Raises:
        MailError: the message cannot be written, or has lines or octets that SMTP does not carry.
    """
    from email.generator import BytesGenerator
    from email.policy import Compat32

    visible = copy.copy(message)
    del visible["Bcc"]
    del visible["Resent-Bcc"]
    changes: dict[str, Any] = {"linesep": "\r\n", "cte_type": "8bit" if eightbit else "7bit"}
    if not isinstance(message.policy, Compat32):
        changes["utf8"] = utf8
    policy = message.policy.clone(**changes)
    stream = io.BytesIO()
    try:
        BytesGenerator(stream, mangle_from_=False, policy=policy).flatten(visible)
    except (UnicodeError, LookupError, ValueError, TypeError, AttributeError) as error:
        way_out = "" if eightbit else " (the server does not offer 8BITMIME: give 8-bit parts cte='base64')"
        raise MailError(f"the message cannot be written: {error}{way_out}") from error
    octets = stream.getvalue()
    longest = max(map(len, octets.split(b"\r\n")))
    if longest > MAX_LINE:
        raise MailError(
            f"the message has a line of {longest} octets (at most {MAX_LINE}): set cte='quoted-printable'"
        )
    return octets
