"""MIME to mail object: any octets give one, never an exception.

RFC 5322, 2045 to 2047, 2231, 8621 4.1.4; 4D `MAIL Convert from MIME`. The one thing to know: a property is
made only of what can be read; whatever cannot stays in `headers`, or in a text with `isEncodingProblem`.
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Any, cast

from pytest_smtp4d.mail.address import read_addresses
from pytest_smtp4d.mail.attachment import Disposition, MailAttachment
from pytest_smtp4d.mail.charset import decode_octets, text_codec
from pytest_smtp4d.mail.email import Email, EmailAddress, EmailBodyPart, EmailBodyValue, EmailHeader
from pytest_smtp4d.mail.encoded_word import decode_words
from pytest_smtp4d.mail.header import read_date
from pytest_smtp4d.mail.parameter import is_token, read_parameters
from pytest_smtp4d.mail.tree import Part, read_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["html_body_of", "mail_convert_from_mime", "text_body_of"]


def mail_convert_from_mime(mime: bytes | bytearray | memoryview | str) -> Email:
    """Return the mail object of a message (4D: `MAIL Convert from MIME`).

    Args:
        mime: octets, or decoded text: LF or CRLF, its non-ASCII characters taken as they are.

    Returns:
        The properties that the header gives; `headers`, all fields in order, unfolded and decoded;
        `bodyStructure`; `bodyValues`, the texts of the body; `attachments`, every other leaf. Setting a
        property afterwards wins over the field in `headers`.

    Raises:
        TypeError: `mime` is neither octets nor text. No content raises.
    """
    if isinstance(mime, str):
        octets, is_text = _octets_of(mime), True
    elif isinstance(mime, (bytes, bytearray, memoryview)):
        octets, is_text = bytes(mime), False
    else:
        raise TypeError(f"MIME is octets or text, not {type(mime).__name__}")
    root = read_tree(octets)
    mail: dict[str, Any] = _properties(root.fields)
    mail["headers"] = [_item(name, value) for name, value in root.fields]
    mail.update(_body(root, octets, is_text=is_text))
    return cast(Email, mail)


def _octets_of(text: str) -> bytes:
    """Return the octets of decoded text; octets that a reader kept as surrogates come back as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


# --- fields --------------------------------------------------------------------------------------


def _item(name: str, value: str) -> EmailHeader:
    """Return an item of `headers`."""
    return {"name": name, "value": decode_words(value)}


_ADDRESS_FIELDS = {
    "from": "from",
    "sender": "sender",
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
    "reply-to": "replyTo",
}
_IDENTIFIER = re.compile(r"<([^<>\s]{1,900})>")
_PHRASE = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^,"])+')
_ESCAPE = re.compile(r"\\(.)")
_BARE_IDENTIFIER = re.compile(r"[^<>\s,]{1,900}")


def _properties(fields: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the properties that a header gives; a field that cannot be read is in `headers` only."""
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name.lower(), []).append(value)
    mail: dict[str, Any] = {}
    for name, key in _ADDRESS_FIELDS.items():
        addresses = [
            _address(box.name, box.addr_spec)
            for value in values.get(name, ())
            for box in read_addresses(value)
        ]
        if addresses:
            mail[key] = addresses
    if "subject" in values:
        mail["subject"] = decode_words(values["subject"][0])
    sent_at = read_date(values["date"][0]) if "date" in values else None
    if sent_at:
        mail["sendAt"] = sent_at
    if identifiers := _identifiers(values.get("message-id", ())[:1]):
        mail["messageId"] = identifiers[0]
    if identifiers := _identifiers(values.get("in-reply-to", ())):
        mail["inReplyTo"] = " ".join(identifiers)
    references = _identifiers(values.get("references", ()))
    if references:
        mail["references"] = references
    if len(values.get("comments", ())) == 1:
        mail["comments"] = decode_words(values["comments"][0])
    keywords = _keywords(values.get("keywords", ()))
    if keywords:
        mail["keywords"] = keywords
    return mail


def _address(name: str, addr_spec: str) -> EmailAddress:
    """Return an address object."""
    return {"name": decode_words(name) or None, "email": addr_spec}


def _identifiers(values: Iterable[str]) -> list[str]:
    """Return the message identifiers in fields, without angle brackets, else the words that stand there."""
    text = " ".join(values)
    found = _IDENTIFIER.findall(text) or ([] if "<" in text else _BARE_IDENTIFIER.findall(text))
    return [identifier for identifier in found if identifier.isprintable()]


def _keywords(values: Iterable[str]) -> dict[str, bool]:
    """Return the keywords in fields."""
    phrases = (match[0] for value in values for match in _PHRASE.finditer(value))
    words = (decode_words(_ESCAPE.sub(r"\1", phrase.replace('"', ""))) for phrase in phrases)
    return {word.strip(" \t"): True for word in words if word.strip(" \t")}


# --- the body -------------------------------------------------------------------------------------


def _body(root: Part, octets: bytes, *, is_text: bool) -> dict[str, Any]:
    """Return `bodyStructure`, `bodyValues` and `attachments`."""
    values: dict[str, EmailBodyValue] = {}
    attachments: list[MailAttachment] = []
    top: list[EmailBodyPart] = []
    waiting: list[tuple[Part, str, int, list[EmailBodyPart]]] = [(root, "", 0, top)]
    while waiting:
        part, parent_type, index, siblings = waiting.pop()
        described = _described(part, is_root=part is root)
        siblings.append(described)
        if part.children:
            described["subParts"] = []
            children = reversed(list(enumerate(part.children)))
            waiting += [(child, part.type, number, described["subParts"]) for number, child in children]
            continue
        if part.type.startswith("multipart/"):
            described["type"] = "text/plain"  # without parts it is shown as the text that it is
        described["partId"] = part_id = f"p{len(values) + len(attachments) + 1:04}"
        encoding = read_parameters(part.value_of("content-transfer-encoding"))[0]
        encoded = octets[part.start : part.end]
        if part.end == len(octets) and encoding != "base64":
            encoded = _LAST_LINE_END.sub(b"", encoded)
        if _is_body(described, parent_type, index):
            values[part_id] = _value(part, encoded, encoding, is_text=is_text)
            if encoding and values[part_id]["isEncodingProblem"]:
                described["encoding"] = encoding
        else:
            if encoding not in _DECODERS:
                described["encoding"] = encoding
            attachments.append(_attachment(described, part, encoded, encoding))
    return {"bodyStructure": top[0], "bodyValues": values, "attachments": attachments}


def _described(part: Part, *, is_root: bool) -> EmailBodyPart:
    """Return the description of a part, without its content's id and its parts."""
    described: EmailBodyPart = {"type": part.type}
    charset = part.parameters.get("charset", "")
    if charset and part.type.startswith("text/"):
        described["charset"] = charset
    disposition, parameters = read_parameters(part.value_of("content-disposition"))
    if is_token(disposition):
        described["disposition"] = disposition
    name = parameters.get("filename") or part.parameters.get("name")
    if name:
        described["name"] = name
    identifiers = _identifiers([part.value_of("content-id")])
    if identifiers:
        described["cid"] = identifiers[0]
    languages = [tag.strip(" \t") for tag in part.value_of("content-language").split(",") if tag.strip(" \t")]
    if languages:
        described["language"] = languages
    location = part.value_of("content-location")
    if location:
        described["location"] = location
    fields = [
        (name, value) for name, value in part.fields if not is_root or name.lower().startswith("content-")
    ]
    if fields:
        described["headers"] = [_item(name, value) for name, value in fields]
    return described


def _is_body(part: EmailBodyPart, parent_type: str, index: int) -> bool:
    """Tell whether a leaf is text of the body and no attachment (RFC 8621 4.1.4, `isInline`)."""
    if part["type"] not in ("text/plain", "text/html") or part.get("disposition") == "attachment":
        return False
    return index == 0 or (parent_type != "multipart/related" and "name" not in part)


def _value(part: Part, encoded: bytes, encoding: str, *, is_text: bool) -> EmailBodyValue:
    """Decode a text of the body."""
    octets, fine = _DECODERS.get(encoding, _unknown)(encoded)
    charset = part.parameters.get("charset", "")
    if is_text and encoding in _IDENTITY and not octets.isascii():
        # The characters were given, not their octets.
        text, read = octets.decode("utf-8", "replace"), text_codec(charset or "us-ascii") is not None
    else:
        text, read = decode_octets(octets, charset)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return {"value": text, "isEncodingProblem": not (fine and read) or part.type.startswith("multipart/")}


def _attachment(described: EmailBodyPart, part: Part, encoded: bytes, encoding: str) -> MailAttachment:
    """Return the attachment that a leaf is; its octets are decoded when they are asked for."""
    cid = described.get("cid")
    disposition = described.get("disposition") or ("inline" if cid else "attachment")
    size = read_parameters(part.value_of("content-disposition"))[1].get("size", "")
    return MailAttachment(
        name=described.get("name", ""),
        type=described["type"],
        disposition=Disposition.INLINE if disposition == "inline" else Disposition.ATTACHMENT,
        cid=cid,
        size=int(size) if size.isascii() and size.isdecimal() and len(size) < 19 else None,
        part_id=described["partId"],
        content=_Content(encoded, encoding),
    )


class _Content:
    """The octets of an attachment, decoded on the first call."""

    __slots__ = ("_decoded", "_encoded", "_encoding")

    def __init__(self, encoded: bytes, encoding: str) -> None:
        self._encoded = encoded
        self._encoding = encoding
        self._decoded: bytes | None = None

    def __call__(self) -> bytes:
        if self._decoded is None:
            self._decoded = _DECODERS.get(self._encoding, _unknown)(self._encoded)[0]
            self._encoded = b""
        return self._decoded


# --- transfer encodings ---------------------------------------------------------------------------

_LAST_LINE_END = re.compile(rb"\r?\n\Z")
_BASE64_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _BASE64_LETTERS)
_BAD_QUOTED_PRINTABLE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")


def _identity(encoded: bytes) -> tuple[bytes, bool]:
    """Return octets that are not encoded."""
    return encoded, True


def _unknown(encoded: bytes) -> tuple[bytes, bool]:
    """Return octets whose encoding nobody knows, as a problem."""
    return encoded, False


def _base64(encoded: bytes) -> tuple[bytes, bool]:
    """Decode base64; letters that are none are skipped and a broken end is cut, both as problems."""
    letters = encoded.translate(None, _NOT_BASE64)
    rest = len(letters) % 4
    fine = rest != 1 and not encoded.translate(None, _BASE64_LETTERS + b"=\r\n\t ")
    if rest == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4)), fine


def _quoted_printable(encoded: bytes) -> tuple[bytes, bool]:
    """Decode quoted-printable; an "=" that begins no escape stands for itself, as a problem."""
    lines = encoded.split(b"\n")
    if any(
        line.endswith((b" ", b"\t", b" \r", b"\t\r")) for line in lines
    ):  # added on the way (RFC 2045 6.7 (3))
        lines = [line.rstrip(b" \t\r") + b"\r" * line.endswith(b"\r") for line in lines]
        encoded = b"\n".join(lines)
    return binascii.a2b_qp(encoded), not _BAD_QUOTED_PRINTABLE.search(encoded)


_IDENTITY = frozenset(("", "7bit", "8bit", "binary"))
_DECODERS: Mapping[str, Callable[[bytes], tuple[bytes, bool]]] = {
    **dict.fromkeys(_IDENTITY, _identity),
    "base64": _base64,
    "quoted-printable": _quoted_printable,
}


# --- views ----------------------------------------------------------------------------------------


def text_body_of(mail: Mapping[str, Any]) -> str | None:
    """Return the plain text of a mail object: `textBody`, else its text/plain parts; None for none."""
    return _text_of(mail, "textBody", "text/plain")


def html_body_of(mail: Mapping[str, Any]) -> str | None:
    """Return the HTML of a mail object: `htmlBody`, else its text/html parts; None for none."""
    return _text_of(mail, "htmlBody", "text/html")


def _text_of(mail: Mapping[str, Any], key: str, media_type: str) -> str | None:
    """Return the texts of one media type in the order of the parts, a line end between two."""
    if mail.get(key) is not None:
        return str(mail[key])
    values = mail.get("bodyValues") or {}
    texts: list[str] = []
    waiting = [mail["bodyStructure"]] if mail.get("bodyStructure") else []
    while waiting:
        part = waiting.pop()
        waiting += reversed(part.get("subParts") or ())
        value = values.get(part.get("partId") or part.get("partID"))
        if value is not None and part["type"].lower() == media_type:
            if texts and not texts[-1].endswith("\n"):
                texts.append("\n")
            texts.append(value["value"])
    return "".join(texts) if texts else None
