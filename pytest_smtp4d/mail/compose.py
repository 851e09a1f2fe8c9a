"""Mail object to MIME: the header, the envelope, and the whole message.

RFC 5322 3.6, RFC 6532, 4D `MAIL Convert to MIME`. Octets depend on what the server
offers (`eightbit`, `utf8`), so a mail is composed after EHLO; the clock and the source of unique ids are
arguments, so the same mail gives the same octets.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.address import parse_addresses, parse_entries, read_addresses
from pytest_smtp4d.mail.charset import MailMode, ModeName, mode_of
from pytest_smtp4d.mail.email import Email, check_email
from pytest_smtp4d.mail.field import header_field, header_needs_utf8
from pytest_smtp4d.mail.header import (
    HeaderStyle,
    address_field,
    date_text,
    folded,
    header_items,
    identifier_field,
    phrase_field,
    text_field,
)
from pytest_smtp4d.mail.mailbox import Group, Mailbox, distinct, mailboxes_of
from pytest_smtp4d.mail.multipart import write_body
from pytest_smtp4d.mail.structure import BodyStyle, body_of, is_content, structure_needs_utf8
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from pytest_smtp4d.mail.smime import Signer

__all__ = ["Composer", "MIMEOptions", "mail_convert_to_mime", "unique_text"]

_ADDRESS_KEYS = ("from", "sender", "to", "cc", "bcc", "replyTo")
_ADDRESS_FIELDS = (
    ("sender", "Sender"),
    ("from", "From"),
    ("to", "To"),
    ("cc", "Cc"),
    ("replyTo", "Reply-To"),
)


class Composer:
    """Writes a mail object that was checked, and its addresses read, once.

    Args:
        mail: the mail object, which is not to be changed until all is written.

    Raises:
        TypeError: `mail` is not a mapping.
        MailError: a malformed address or item of `headers`; names the key and the value.
    """

    __slots__ = ("_boxes", "_entries", "_items", "_mail")

    def __init__(self, mail: Email | Mapping[str, Any]) -> None:
        check_email(mail)
        self._mail: Mapping[str, Any] = mail
        self._items = _own_items(mail)
        self._entries = _entries(mail)
        self._boxes = {key: mailboxes_of(entries) for key, entries in self._entries.items()}

    def envelope(self) -> tuple[str, tuple[str, ...]]:
        """Return where the mail comes from and all it goes to (RFC 8621 7, 4D `send`).

        Returns:
            The first `sender`, else the first `from`; and `to`, `cc`, `bcc` in that order without repetition.
            Domains are in A-labels.

        Raises:
            MailError: no origin, no destination, or an origin without a domain.
        """
        for key in ("sender", "from"):
            if origins := self._boxes.get(key):
                break
        else:
            raise MailError("the mail has no origin: set 'from' (or 'sender') to an address")
        if not all("@" in box.addr_spec for box in origins):
            origins = parse_addresses(self._mail[key], key)  # says what is wrong with it
        recipients = distinct(box for key in ("to", "cc", "bcc") for box in self._boxes.get(key, ()))
        if not recipients:
            raise MailError("the mail has no destination: set 'to', 'cc' or 'bcc' to one address or more")
        return origins[0].ascii_addr_spec, recipients

    @property
    def needs_utf8(self) -> bool:
        """Whether the mail can only be sent with SMTPUTF8 (RFC 6531, RFC 6532).

        So it is where an address has a local part outside ASCII or a domain that IDNA forbids, or where a
        message identifier or a Content-ID is not ASCII.
        """
        mail = self._mail
        for boxes in self._boxes.values():
            for box in boxes:
                if not box.ascii_addr_spec.isascii():
                    return True
        identifiers = [mail.get("messageId"), mail.get("inReplyTo"), *(mail.get("references") or ())]
        identifiers += [item.cid for item in mail.get("attachments") or () if item is not None]
        for identifier in identifiers:
            if isinstance(identifier, str) and not identifier.isascii():
                return True
        for item in self._items:
            if header_needs_utf8(item.name, item.value):
                return True
        return mail.get("bodyStructure") is not None and structure_needs_utf8(mail["bodyStructure"])

    def compose(
        self,
        *,
        header_charset: MailMode | str | None = None,
        body_charset: MailMode | str | None = None,
        eightbit: bool = True,
        utf8: bool = False,
        now: datetime,
        unique: Callable[[], str],
        signer: Signer | None = None,
    ) -> bytes:
        """Return the message that the mail object describes; `bcc` is never written.

        Args:
            header_charset: 4D's `headerCharset`; None: UTF-8 with quoted-printable.
            body_charset: 4D's `bodyCharset`; the same.
            eightbit: whether octets above 127 may stand in bodies (the server offers 8BITMIME).
            utf8: whether headers are raw UTF-8 (the server offers SMTPUTF8; `needs_utf8`).
            now: the Date of a mail without `sendAt`; UTC where it has no offset.
            unique: gives a text that no other message has, of ASCII letters and digits: for Message-ID and
                boundaries.
            signer: an identity to sign with (RFC 8551), or None.

        Returns:
            Octets with CRLF line ends, the last line ended too.

        Raises:
            MailError: the mail object cannot become a message; names the key and the value.
            CertificateError: the signer cannot sign now (a `MailError`).
        """
        style = HeaderStyle(mode_of(header_charset, "headerCharset"), utf8)
        parts = HeaderStyle(style.mode) if signer else style
        body_style = BodyStyle(
            parts, mode_of(body_charset, "bodyCharset"), eightbit and not signer, sealed=signer is not None
        )
        header = _header(self._mail, self._items, self._entries, style, now, unique)
        content_header, body = write_body(body_of(self._mail, body_style), unique)
        if signer:
            from pytest_smtp4d.mail.smime import sign_entity

            entity = b"%b\r\n%b" % (content_header, body)
            content_header, body = sign_entity(signer, entity, now=now, unique=unique)
        return b"".join((header, content_header, b"\r\n", body, b"\r\n"))


# Fields of which a message has one (RFC 5322 3.6): further items of `headers` by that name are left out.
_ONCE = frozenset(
    ("date", "from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject")
)


def _entries(mail: Mapping[str, Any]) -> dict[str, list[Mailbox | Group]]:
    """Return the addresses of a mail object.

    A sender without a domain, `root (Cron Daemon)`, as a received mail may have it, can be written; an
    envelope cannot have it.
    """
    given = ((key, mail[key]) for key in _ADDRESS_KEYS if mail.get(key) is not None)
    return {key: parse_entries(value, key, local=key in ("from", "sender")) for key, value in given}


class _Item(NamedTuple):
    """A field that is given by its name: from `headers`, or from the root of `bodyStructure`."""

    name: str
    value: str
    key: str


def _items(mail: Mapping[str, Any]) -> list[_Item]:
    """Return the items of `headers`, then what only the root of `bodyStructure` has.

    The root's `headers` are those of the message (RFC 8621 4.1.4): each field is written once (RFC 5322 3.6).
    """
    items = [_Item(name, value, "headers") for name, value in header_items(mail.get("headers"), "headers")]
    root = mail.get("bodyStructure")
    if root is None or not isinstance(root.get("headers"), (list, tuple)):
        return items
    key = "bodyStructure.headers"
    named = {item.name.lower() for item in items}
    own = [_Item(name, value, key) for name, value in header_items(root["headers"], key)]
    return items + [item for item in own if item.name.lower() not in named and not is_content(item.name)]


_PROPERTY_OF = {
    **{field.lower(): key for key, field in _ADDRESS_FIELDS},
    "bcc": "bcc",
    "message-id": "messageId",
    "in-reply-to": "inReplyTo",
    "references": "references",
}


def _own_items(mail: Mapping[str, Any]) -> list[_Item]:
    """Return the items that no property replaces and that do not belong to the body."""
    return [
        item
        for item in _items(mail)
        if mail.get(_PROPERTY_OF.get(item.name.lower(), "")) is None and not is_content(item.name)
    ]


def _header(
    mail: Mapping[str, Any],
    items: list[_Item],
    entries: Mapping[str, list[Mailbox | Group]],
    style: HeaderStyle,
    now: datetime,
    unique: Callable[[], str],
) -> bytes:
    """Write the message's own fields, in the order of 4D's samples, then those of `headers` in theirs."""
    named = {item.name.lower() for item in items}
    if items:
        _check_everyone_is_reached(items, entries)
    origin = mailboxes_of(entries.get("from") or entries.get("sender") or [])
    fields = [("MIME-Version", b"MIME-Version: 1.0\r\n")]
    fields += _date(mail, named, now)
    fields += _message_id(mail, named, origin, style, unique)
    fields += _address_fields(entries, origin, style)
    for key, name, write in _WRITERS:
        if mail.get(key) is not None:
            fields.append((name, write(name, mail[key], style, key)))
    if items:
        fields += _further_fields(items, {name.lower() for name, _ in fields}, style)
    return b"".join([octets for _, octets in fields])


def _further_fields(items: list[_Item], written: set[str], style: HeaderStyle) -> Iterator[tuple[str, bytes]]:
    """Write the items of `headers` that are not written yet."""
    written |= {"bcc", "resent-bcc"}
    for item in items:
        lowered = item.name.lower()
        if lowered not in written:
            yield item.name, header_field(item.name, item.value, style, item.key)
            if lowered in _ONCE:
                written.add(lowered)


def _check_everyone_is_reached(items: list[_Item], entries: Mapping[str, list[Mailbox | Group]]) -> None:
    """Refuse a To, Cc or Bcc among `headers` that names people who are not sent the mail.

    Raises:
        MailError: names the first of them, and the property that would send it to them.
    """
    for item in items:
        key = item.name.lower()
        if key not in ("to", "cc", "bcc"):
            continue
        boxes = [box for each in ("to", "cc", "bcc") for box in mailboxes_of(entries.get(each, []))]
        reached = {box.ascii_addr_spec.lower() for box in boxes}
        for box in read_addresses(item.value):
            if box.ascii_addr_spec.lower() not in reached:
                raise MailError(
                    f"{item.key}: {item.name} names {box.addr_spec!r}, who would not be sent the mail: "
                    f"set {key!r} instead, or {key!r} to [] to leave the field out"
                )


def _date(mail: Mapping[str, Any], named: set[str], now: datetime) -> list[tuple[str, bytes]]:
    """Write Date: `sendAt`, else what `headers` says, else now."""
    moment, key = (now, "now") if mail.get("sendAt") is None else (mail["sendAt"], "sendAt")
    if key == "now" and "date" in named:
        return []
    return [("Date", f"Date: {date_text(moment, key)}\r\n".encode("ascii"))]


def _message_id(
    mail: Mapping[str, Any],
    named: set[str],
    origin: list[Mailbox],
    style: HeaderStyle,
    unique: Callable[[], str],
) -> list[tuple[str, bytes]]:
    """Write Message-ID: `messageId`, else what `headers` says, else one at the domain of the first From."""
    given = mail.get("messageId")
    if given and given.strip(" \t"):
        return [("Message-ID", identifier_field("Message-ID", [given], style, "messageId", at_most=1))]
    if "message-id" in named:
        return []
    domain = origin[0].ascii_addr_spec.rpartition("@")[2] if origin and "@" in origin[0].addr_spec else ""
    if not domain or not (domain.isascii() or style.utf8):  # the latter is refused where From is written
        domain = "localhost"
    line = folded("Message-ID", [(" ", f"<{unique()}@{domain}>")], "from")
    return [("Message-ID", style.octets(line, "from"))]


def _address_fields(
    entries: Mapping[str, list[Mailbox | Group]], origin: list[Mailbox], style: HeaderStyle
) -> list[tuple[str, bytes]]:
    """Write the address fields; one whose property is empty gives nothing, and so hides that of `headers`.

    Sender is one mailbox (RFC 5322 3.6.2): the first given, or the first of several in From. From is
    Sender's where there is no other.
    """
    written = dict(entries)
    sender = mailboxes_of(entries.get("sender", []))[:1] or (origin[:1] if len(origin) > 1 else [])
    if sender:
        written["sender"] = list(sender)
        written["from"] = entries.get("from") or list(sender)
    fields = []
    for key, name in _ADDRESS_FIELDS:
        if key in written:
            fields.append((name, address_field(name, written[key], style, key) if written[key] else b""))
    return fields


def _in_reply_to(name: str, value: str, style: HeaderStyle, key: str) -> bytes:
    """Write In-Reply-To."""
    return identifier_field(name, [value], style, key)


def _references(name: str, value: Iterable[object], style: HeaderStyle, key: str) -> bytes:
    """Write References.

    Raises:
        MailError: an item is not text.
    """
    texts: list[str] = []
    for item in value:
        if item is not None and not isinstance(item, str):
            raise MailError(f"{key} must list message identifiers, not {type(item).__name__}: {item!r}")
        texts += [item] if item else []
    return identifier_field(name, texts, style, key)


def _keywords(name: str, value: Mapping[object, object], style: HeaderStyle, key: str) -> bytes:
    """Write Keywords: those whose value is true.

    Raises:
        MailError: a keyword is no text, or its value is no boolean.
    """
    phrases: list[str] = []
    for keyword, flag in value.items():
        if not isinstance(keyword, str) or not keyword.strip(" \t"):
            raise MailError(f"{key}: a keyword must be text, not {keyword!r}")
        if flag is not None and not isinstance(flag, bool):
            raise MailError(f"{key}: the value of {keyword!r} must be true or false, not {flag!r}")
        if flag:
            phrases.append(keyword)
    return phrase_field(name, phrases, style, key) if phrases else b""


_WRITERS: tuple[tuple[str, str, Callable[[str, Any, HeaderStyle, str], bytes]], ...] = (
    ("subject", "Subject", text_field),
    ("inReplyTo", "In-Reply-To", _in_reply_to),
    ("references", "References", _references),
    ("comments", "Comments", text_field),
    ("keywords", "Keywords", _keywords),
)


# --- 4D's command ---------------------------------------------------------------------------------


def unique_text() -> str:
    """Return 32 upper-case hexadecimal digits, as 4D's samples have them."""
    return os.urandom(16).hex().upper()


class MIMEOptions(TypedDict, total=False):
    r"""What `mail_convert_to_mime` takes beside the mail: how text outside US-ASCII is written.

    Example:
        >>> options: MIMEOptions = {"bodyCharset": "ISO-8859-1"}
        >>> "Gr\xfc\xdfe" in mail_convert_to_mime({"textBody": "Grüße"}, options)
        True
    """

    headerCharset: MailMode | ModeName
    bodyCharset: MailMode | ModeName


def mail_convert_to_mime(mail: Email, options: MIMEOptions | None = None) -> str:
    """Return the MIME text of a mail object (4D: `MAIL Convert to MIME`).

    Args:
        mail: the mail object; it needs neither origin nor destination.
        options: `headerCharset` and `bodyCharset`, each one of four modes (`MailMode`).

    Returns:
        CRLF line ends; every character is one octet, so `.encode("latin-1")` is what is sent where 8BITMIME
        is offered and nothing is signed.

    Raises:
        TypeError: `mail` or `options` is not a mapping.
        MailError: the mail object cannot become a message, or an option is unknown.

    Example:
        >>> mime = mail_convert_to_mime({"from": "ada@example.com", "subject": "Grüße", "textBody": "Hi"})
        >>> [line for line in mime.splitlines() if line.startswith("Subject")]
        ['Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=']
    """
    composer = Composer(mail)
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(f"options are an object (a mapping), not {type(options).__name__}")
    given: dict[str, Any] = {**(options or {})}
    header_charset, body_charset = given.pop("headerCharset", None), given.pop("bodyCharset", None)
    for name in given:
        raise MailError(f"there is no option {name!r}{nearest(str(name), ('headerCharset', 'bodyCharset'))}")
    octets = composer.compose(
        header_charset=header_charset,
        body_charset=body_charset,
        utf8=composer.needs_utf8,
        now=datetime.now(timezone.utc),
        unique=unique_text,
    )
    return octets.decode("latin-1")
