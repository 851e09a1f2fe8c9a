"""A mail on its way to a transaction: its envelope at once, its octets when the server's offers are known.

RFC 5321 2.3.1 (envelope and content), RFC 6531 (internationalised mail).
The one thing to know: what is wrong with a mail is found before a connection is opened; but 8bit, A-labels
and SMTPUTF8 depend on EHLO, so octets are made after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from pytest_smtp4d.mail.address import ascii_domain
from pytest_smtp4d.mail.compose import (
    addresses_of,
    compose,
    message_envelope,
    message_octets,
    needs_utf8,
)
from pytest_smtp4d.smtp.envelope import Envelope

if TYPE_CHECKING:
    from email.message import Message

    from pytest_smtp4d.mail.charset import MailMode
    from pytest_smtp4d.mail.smime import Signer

__all__ = ["Letter", "letter_for"]


class _Compose(Protocol):
    """Makes the octets of a mail."""

    def __call__(self, *, eightbit: bool, utf8: bool) -> bytes:
        """Return canonical octets; 8bit and raw UTF-8 in the header only where allowed."""


class Letter:
    """A mail that has an origin and a destination.

    Args:
        mail_from, rcpt_to: the envelope's mailboxes, as the mail spells them.
        utf8: whether a mailbox anywhere in the mail can only be said with SMTPUTF8.
        octets: makes the content.
    """

    def __init__(self, mail_from: str, rcpt_to: tuple[str, ...], *, utf8: bool, octets: _Compose) -> None:
        self._mail_from = mail_from
        self._rcpt_to = rcpt_to
        self._octets = octets
        self.needs_utf8 = utf8

    def says_utf8(self, offered: bool) -> bool:
        """True when the transaction is to use SMTPUTF8: for a local part, or, where offered, for a domain."""
        return self.needs_utf8 or (
            offered and not all(mailbox.isascii() for mailbox in (self._mail_from, *self._rcpt_to))
        )

    def envelope(self, *, utf8: bool) -> Envelope:
        """Return the envelope; without `utf8`, domains as A-labels (RFC 5890).

        Raises:
            LocalProtocolError: a mailbox that SMTP cannot say.
        """
        if utf8:
            return Envelope(self._mail_from, self._rcpt_to)
        return Envelope(ascii_domain(self._mail_from), tuple(map(ascii_domain, self._rcpt_to)))

    def content(self, *, eightbit: bool, utf8: bool) -> bytes:
        """Return the content as canonical octets; raises `MailError`."""
        return self._octets(eightbit=eightbit, utf8=utf8)


def letter_for(
    mail: Mapping[str, Any] | Message, header_charset: MailMode, body_charset: MailMode, signer: Signer | None
) -> Letter:
    """Check a mail object, or a standard library's message, and return it as a letter.

    Raises:
        MailError: it has no origin or no destination, or is malformed.
        TypeError: it is neither a mapping nor a message.
    """
    if isinstance(mail, Mapping):
        mail_from, rcpt_to = addresses_of(mail)

        def composed(*, eightbit: bool, utf8: bool) -> bytes:
            return compose(
                mail,
                header_charset=header_charset,
                body_charset=body_charset,
                eightbit=eightbit,
                utf8=utf8,
                now=datetime.now(timezone.utc),
                unique=uuid4().hex.upper,
                signer=signer,
            )

        return Letter(mail_from, rcpt_to, utf8=needs_utf8(mail), octets=composed)

    from email.message import Message

    if not isinstance(mail, Message):
        raise TypeError(f"send takes a mail object (a mapping) or an email.message.Message, not {mail!r}")
    mail_from, rcpt_to = message_envelope(mail)
    utf8_needed = not all(mailbox.rpartition("@")[0].isascii() for mailbox in (mail_from, *rcpt_to))

    def flattened(*, eightbit: bool, utf8: bool) -> bytes:
        return message_octets(mail, eightbit=eightbit, utf8=utf8)

    return Letter(mail_from, rcpt_to, utf8=utf8_needed, octets=flattened)
