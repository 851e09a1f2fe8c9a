"""MIME to mail object: any octets give one, never an exception.

RFC 5322, 2045 to 2047, 2231, 8621 4.1.4; 4D `MAIL Convert from MIME`. The one thing to know: the message is
read once from front to back, with the open boundaries in a table, so the time is linear in its length
whatever it holds, and no depth is too deep.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from pytest_smtp4d.mail.address import read_addresses
from pytest_smtp4d.mail.attachment import Disposition, MailAttachment
from pytest_smtp4d.mail.charset import decode_octets, decode_words, text_codec
from pytest_smtp4d.mail.email import Email, EmailAddress, EmailBodyPart, EmailBodyValue, EmailHeader
from pytest_smtp4d.mail.header import read_date
from pytest_smtp4d.mail.parameter import is_media_type, is_token, read_parameters

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
    root = _TreeReader(octets).read()
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


# --- fields ---------------------------------------------------------------------------------------

# Where a header ends: an empty line, or a line that may be a delimiter.
_HEADER_STOP = re.compile(rb"^(?:\r?\n|--)", re.MULTILINE)
# A line with its continuations.
_LOGICAL_LINE = re.compile(rb"[^\n]*(?:\n[ \t][^\n]*)*\n?")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_FIELD = re.compile(rb"([!-9;-~]{1,900})[ \t]*:")
_STRAY = re.compile(r"[\r\n\0]")
_LONGEST_DELIMITER = (
    1000  # octets of a line that may be a delimiter (RFC 2046 5.1.1: a boundary has 70 at most)
)


def _read_fields(octets: bytes) -> tuple[list[tuple[str, str]], int]:
    """Return names and raw, unfolded values of a header, and how many octets they are; no field ends it."""
    fields: list[tuple[str, str]] = []
    for match in _LOGICAL_LINE.finditer(octets):
        line = match[0]
        named = _FIELD.match(line)
        if named:
            value = _FOLD.sub(b"", line[named.end() :]).strip(b" \t\r\n")
            fields.append((named[1].decode("ascii"), _field_text(value)))
        elif line and not (
            match.start() == 0 and line.startswith((b"From ", b">From "))
        ):  # an mbox separator
            return fields, match.start()
    return fields, len(octets)


def _field_text(value: bytes) -> str:
    """Return a field's value as text: UTF-8 (RFC 6532), or else each octet as a character."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return _STRAY.sub(" ", text)


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


# --- parts ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Part:
    """A part while the message is read: its fields and where its content stands."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    start: int = 0
    end: int = 0
    children: list[_Part] = field(default_factory=list)
    broken: bool = False  # a multipart without parts: shown as the text that it is

    def value_of(self, name: str) -> str:
        """Return the first field called `name` (lower case), or ""."""
        return next((value for field_name, value in self.fields if field_name.lower() == name), "")


class _TreeReader:
    """Reads a message front to back; boundaries of multiparts that are open are looked up in a table.

    A line is a delimiter when it is "--" and an open boundary, with "--" after it to close (RFC 2046
    5.1.1); one of an outer multipart also ends those inside it. So each octet is looked at a fixed number
    of times.
    """

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._open: list[tuple[_Part, bytes]] = []
        self._depths: dict[bytes, list[int]] = {}

    def read(self) -> _Part:
        """Return the root of the tree."""
        root: _Part | None = _Part()
        current, position = root, 0
        while current is not None:
            delimiter = self._read_header(current, position)
            current, position = self._read_content(current, delimiter)
        while self._open:
            self._close_innermost(len(self._octets))
        assert root is not None
        return root

    def _read_header(self, part: _Part, position: int) -> _Delimiter | None:
        """Read the fields of `part`; return the delimiter that cut its header short, if one did."""
        search = position
        while True:
            match = _HEADER_STOP.search(self._octets, search)
            cut = self._delimiter(match.start()) if match and match[0] == b"--" else None
            if not match or match[0] != b"--" or cut:
                break
            search = match.end()
        stop = match.start() if match else len(self._octets)
        part.fields, consumed = _read_fields(self._octets[position:stop])
        whole = position + consumed >= stop
        part.start = part.end = match.end() if match and whole and not cut else position + consumed
        default = (
            "message/rfc822" if self._open and self._open[-1][0].type == "multipart/digest" else "text/plain"
        )
        part.type, part.parameters = _read_type(part.value_of("content-type"), default)
        boundary = part.parameters.get("boundary", "").rstrip(" \t").encode("utf-8", "replace")
        if part.type.startswith("multipart/") and boundary:
            self._depths.setdefault(boundary, []).append(len(self._open))
            self._open.append((part, boundary))
        return cut

    def _read_content(self, part: _Part, delimiter: _Delimiter | None) -> tuple[_Part | None, int]:
        """Read to the delimiter that begins the next part; return that part, if any, and where it begins."""
        position = part.start
        inside: _Part | None = part
        while True:
            delimiter = delimiter or self._next_delimiter(position)
            end = self._line_end_before(delimiter.start) if delimiter else len(self._octets)
            if inside is not None and not (self._open and self._open[-1][0] is inside):
                inside.end = max(inside.start, end)
            if delimiter is None:
                return None, len(self._octets)
            while len(self._open) > delimiter.depth + (0 if delimiter.closes else 1):
                self._close_innermost(end)
            if not delimiter.closes:
                child = _Part()
                self._open[-1][0].children.append(child)
                return child, delimiter.end
            inside, position, delimiter = None, delimiter.end, None

    def _close_innermost(self, end: int) -> None:
        """End the innermost open multipart."""
        part, boundary = self._open.pop()
        part.end = max(part.start, end)
        depths = self._depths[boundary]
        depths.pop()
        if not depths:
            del self._depths[boundary]

    def _next_delimiter(self, position: int) -> _Delimiter | None:
        """Return the next line from `position` on that is a delimiter of an open multipart."""
        search = max(0, position - 1)
        while self._depths:
            found = self._octets.find(b"\n--", search)
            if found < 0:
                return None
            delimiter = self._delimiter(found + 1)
            if delimiter:
                return delimiter
            search = found + 3
        return None

    def _delimiter(self, start: int) -> _Delimiter | None:
        """Return the delimiter that the line at `start` is, if it is one."""
        line_end = self._octets.find(b"\n", start, start + _LONGEST_DELIMITER)
        end = len(self._octets) if line_end < 0 else line_end
        if end - start > _LONGEST_DELIMITER:
            return None
        line = self._octets[start + 2 : end].rstrip(b" \t\r")
        for boundary, closes in ((line, False), (line[:-2], True)):
            if boundary in self._depths and (not closes or line.endswith(b"--")):
                return _Delimiter(start, min(end + 1, len(self._octets)), self._depths[boundary][-1], closes)
        return None

    def _line_end_before(self, position: int) -> int:
        """Return where the line end before `position` begins: it belongs to the delimiter there."""
        return position - (
            2 if self._octets[max(0, position - 2) : position] == b"\r\n" else 1 if position else 0
        )


@dataclass(frozen=True, slots=True)
class _Delimiter:
    """A delimiter line: where it is, whose it is (an index of the open multiparts), and whether it closes."""

    start: int
    end: int
    depth: int
    closes: bool


def _read_type(value: str, default: str) -> tuple[str, dict[str, str]]:
    """Return the media type and the parameters of a Content-Type field; `default` where it is malformed."""
    media_type, parameters = read_parameters(value)
    return (media_type, parameters) if is_media_type(media_type) else (default, {})


# --- the body -------------------------------------------------------------------------------------


def _body(root: _Part, octets: bytes, *, is_text: bool) -> dict[str, Any]:
    """Return `bodyStructure`, `bodyValues` and `attachments`."""
    values: dict[str, EmailBodyValue] = {}
    attachments: list[MailAttachment] = []
    top: list[EmailBodyPart] = []
    waiting: list[tuple[_Part, str, int, list[EmailBodyPart]]] = [(root, "", 0, top)]
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
            described["type"], part.broken = "text/plain", True
        described["partId"] = part_id = f"p{len(values) + len(attachments) + 1:04}"
        encoding = part.value_of("content-transfer-encoding").partition(";")[0].strip(" \t").lower()
        raw = octets[part.start : part.end]
        if part.end == len(octets) and encoding != "base64":
            raw = _LAST_LINE_END.sub(b"", raw)
        if _is_body(described, parent_type, index):
            values[part_id] = _value(part, raw, encoding, is_text=is_text)
            if encoding and values[part_id]["isEncodingProblem"]:
                described["encoding"] = encoding
        else:
            if encoding not in _DECODERS:
                described["encoding"] = encoding
            attachments.append(_attachment(described, part, raw, encoding))
    return {"bodyStructure": top[0], "bodyValues": values, "attachments": attachments}


def _described(part: _Part, *, is_root: bool) -> EmailBodyPart:
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


def _value(part: _Part, raw: bytes, encoding: str, *, is_text: bool) -> EmailBodyValue:
    """Decode a text of the body."""
    octets, fine = _DECODERS.get(encoding, _unknown)(raw)
    charset = part.parameters.get("charset", "")
    if is_text and encoding in _IDENTITY and not octets.isascii():
        # The characters were given, not their octets.
        text, read = octets.decode("utf-8", "replace"), text_codec(charset or "us-ascii") is not None
    else:
        text, read = decode_octets(octets, charset)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return {"value": text, "isEncodingProblem": not (fine and read) or part.broken}


def _attachment(described: EmailBodyPart, part: _Part, raw: bytes, encoding: str) -> MailAttachment:
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
        content=_Content(raw, encoding),
    )


class _Content:
    """The octets of an attachment, decoded on the first call."""

    __slots__ = ("_decoded", "_encoding", "_raw")

    def __init__(self, raw: bytes, encoding: str) -> None:
        self._raw = raw
        self._encoding = encoding
        self._decoded: bytes | None = None

    def __call__(self) -> bytes:
        if self._decoded is None:
            self._decoded = _DECODERS.get(self._encoding, _unknown)(self._raw)[0]
            self._raw = b""
        return self._decoded


# --- transfer encodings ---------------------------------------------------------------------------

_LAST_LINE_END = re.compile(rb"\r?\n\Z")
_BASE64_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _BASE64_LETTERS)
_BAD_QUOTED_PRINTABLE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")


def _identity(raw: bytes) -> tuple[bytes, bool]:
    """Return octets that are not encoded."""
    return raw, True


def _unknown(raw: bytes) -> tuple[bytes, bool]:
    """Return octets whose encoding nobody knows, as a problem."""
    return raw, False


def _base64(raw: bytes) -> tuple[bytes, bool]:
    """Decode base64; letters that are none are skipped and a broken end is cut, both as problems."""
    letters = raw.translate(None, _NOT_BASE64)
    rest = len(letters) % 4
    fine = rest != 1 and not raw.translate(None, _BASE64_LETTERS + b"=\r\n\t ")
    if rest == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4)), fine


def _quoted_printable(raw: bytes) -> tuple[bytes, bool]:
    """Decode quoted-printable; an "=" that begins no escape stands for itself, as a problem."""
    lines = raw.split(b"\n")
    if any(
        line.endswith((b" ", b"\t", b" \r", b"\t\r")) for line in lines
    ):  # added on the way (RFC 2045 6.7 (3))
        lines = [line.rstrip(b" \t\r") + b"\r" * line.endswith(b"\r") for line in lines]
        raw = b"\n".join(lines)
    return binascii.a2b_qp(raw), not _BAD_QUOTED_PRINTABLE.search(raw)


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
