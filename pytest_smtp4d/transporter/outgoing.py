"""A mail on its way to a transaction: its envelope, and its octets as the server can take them.

RFC 5321 2.3.1 (envelope and content), RFC 6152 (8BITMIME), RFC 6531 (internationalised mail).
The one thing to know: a letter is composed when it is made, so what is wrong with a mail is found before a
connection is opened. Only 8bit content is composed once more, for a server without 8BITMIME.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.errors import LocalProtocolError, MailError
from pytest_smtp4d.mail.compose import addresses_of, compose, needs_utf8, unique_text
from pytest_smtp4d.mail.message import message_envelope, message_octets
from pytest_smtp4d.smtp.envelope import Envelope

if TYPE_CHECKING:
    from email.message import Message

    from pytest_smtp4d.mail.charset import MailMode
    from pytest_smtp4d.mail.smime import Signer

__all__ = ["Letter", "write_letter"]


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that can be sent.

    Args:
        envelope: from whom, for whom; domains as A-labels (RFC 5890).
        utf8: whether a mailbox anywhere in it can only be said with SMTPUTF8.
        octets: the content, canonical, 8bit where the mail's charset modes want it.
        sevenbit: composes it once more without 8bit.
    """

    envelope: Envelope
    utf8: bool
    octets: bytes
    sevenbit: Callable[[], bytes]

    def content(self, *, eightbit: bool) -> bytes:
        """Return the content for a server that does, or does not, offer 8BITMIME."""
        return self.octets if eightbit or self.octets.isascii() else self.sevenbit()


def write_letter(
    mail: Mapping[str, Any] | Message, header_charset: MailMode, body_charset: MailMode, signer: Signer | None
) -> Letter:
    """Check and compose a mail object, or a standard library's message.

    Raises:
        MailError: it has no origin or no destination, or is malformed.
        TypeError: it is neither a mapping nor a message.
    """
    if isinstance(mail, Mapping):
        mail_from, rcpt_to = addresses_of(mail)
        utf8 = needs_utf8(mail)

        def octets(eightbit: bool) -> bytes:
            return compose(
                mail,
                header_charset=header_charset,
                body_charset=body_charset,
                eightbit=eightbit,
                utf8=utf8,
                now=datetime.now(timezone.utc),
                unique=unique_text,
                signer=signer,
            )

        return _letter(mail_from, rcpt_to, utf8, octets)

    from email.message import Message

    if not isinstance(mail, Message):
        raise TypeError(f"send takes a mail object (a mapping) or an email.message.Message, not {mail!r}")
    mail_from, rcpt_to = message_envelope(mail)
    utf8 = not all(mailbox.isascii() for mailbox in (mail_from, *rcpt_to))
    return _letter(
        mail_from, rcpt_to, utf8, lambda eightbit: message_octets(mail, eightbit=eightbit, utf8=utf8)
    )


def _letter(mail_from: str, rcpt_to: tuple[str, ...], utf8: bool, octets: Callable[[bool], bytes]) -> Letter:
    try:
        envelope = Envelope(mail_from, rcpt_to)
    except LocalProtocolError as error:
        raise MailError(str(error)) from error
    return Letter(envelope, utf8, octets(True), lambda: octets(False))
