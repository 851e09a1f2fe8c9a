"""A mail on its way to a transaction: its envelope, and its octets as the server can take them.

RFC 5321 2.3.1 (envelope and content), RFC 6152 (8BITMIME), RFC 6531 (internationalised mail).
It is composed when it is made, so what is wrong with a mail is found before a connection is opened. Only 8bit
content is composed once more, for a server without 8BITMIME.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.errors import LocalProtocolError, MailError
from pytest_smtp4d.mail.attachment import MailAttachment
from pytest_smtp4d.mail.compose import Composer, unique_text
from pytest_smtp4d.mail.message import message_envelope, message_octets
from pytest_smtp4d.smtp.envelope import Envelope

if TYPE_CHECKING:
    from email.message import Message

    from pytest_smtp4d.mail.charset import MailMode
    from pytest_smtp4d.mail.smime import Signer

__all__ = ["OutgoingMessage", "is_large", "outgoing_message"]

_LARGE = 256 * 1024
_MANY = 10_000


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
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

    @property
    def is_8bit(self) -> bool:
        """True where `octets` need a server with 8BITMIME, and any other takes `sevenbit()`."""
        return not self.octets.isascii()


def outgoing_message(
    mail: Mapping[str, Any] | Message, header_charset: MailMode, body_charset: MailMode, signer: Signer | None
) -> OutgoingMessage:
    """Check and compose a mail object, or a standard library's message.

    Raises:
        MailError: it has no origin or no destination, or is malformed.
        TypeError: it is neither a mapping nor a message.
    """
    if isinstance(mail, Mapping):
        composer = Composer(mail)
        mail_from, rcpt_to = composer.envelope()
        utf8 = composer.needs_utf8

        def octets(eightbit: bool) -> bytes:
            return composer.compose(
                header_charset=header_charset,
                body_charset=body_charset,
                eightbit=eightbit,
                utf8=utf8,
                now=datetime.now(timezone.utc),
                unique=unique_text,
                signer=signer,
            )

        return _made(mail_from, rcpt_to, utf8, octets)

    from email.message import Message

    if not isinstance(mail, Message):
        raise TypeError(f"send takes a mail object (a mapping) or an email.message.Message, not {mail!r}")
    mail_from, rcpt_to = message_envelope(mail)
    utf8 = not all(mailbox.isascii() for mailbox in (mail_from, *rcpt_to))
    return _made(
        mail_from, rcpt_to, utf8, lambda eightbit: message_octets(mail, eightbit=eightbit, utf8=utf8)
    )


def _made(
    mail_from: str, rcpt_to: tuple[str, ...], utf8: bool, octets: Callable[[bool], bytes]
) -> OutgoingMessage:
    try:
        envelope = Envelope(mail_from, rcpt_to)
    except LocalProtocolError as error:
        raise MailError(str(error)) from error
    return OutgoingMessage(envelope, utf8, octets(True), lambda: octets(False))


def is_large(mail: object) -> bool:
    """Return whether composing a mail takes too long (some milliseconds) for an event loop."""
    octets = seen = 0
    values: list[Any] = list(mail.values()) if isinstance(mail, Mapping) else [mail]
    while values and octets < _LARGE and seen < _MANY:
        value = values.pop()
        seen += 1
        if isinstance(value, (str, bytes)):
            octets += len(value)
        elif isinstance(value, Mapping):
            values.extend(value.values())
        elif isinstance(value, (list, tuple)):
            values.extend(value)
        elif isinstance(value, MailAttachment):
            octets += len(value.content) if isinstance(value.content, bytes) else _LARGE
        else:
            values.append(
                getattr(value, "_payload", "")
            )  # the standard library's message, or one of its parts
    return octets >= _LARGE or seen >= _MANY
