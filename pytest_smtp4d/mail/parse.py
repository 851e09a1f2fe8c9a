"""MIME to mail object: any octets give one, never an exception.

RFC 5322, 2045 to 2047, 2231, 8621 4.1.4; 4D `MAIL Convert from MIME`. A property is made only of what can be
read; whatever cannot stays in `headers`, or in a text with `isEncodingProblem`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from pytest_smtp4d.mail.address import read_addresses
from pytest_smtp4d.mail.attachment import Disposition, MailAttachment
from pytest_smtp4d.mail.charset import decode_octets, text_codec
from pytest_smtp4d.mail.date import read_date
from pytest_smtp4d.mail.email import Email, EmailAddress, EmailBodyPart, EmailBodyValue, EmailHeader
from pytest_smtp4d.mail.encoded_word import decode_words
from pytest_smtp4d.mail.field import field_value
from pytest_smtp4d.mail.parameter import is_token, read_parameters
from pytest_smtp4d.mail.structured import octets_of, plain_text, read_identifiers, without_comments
from pytest_smtp4d.mail.transfer_encoding import IDENTITIES, decode_transfer_encoding, is_damaged
from pytest_smtp4d.mail.tree import Header, Part, read_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "ADDRESS_FIELDS",
    "addresses_of_header",
    "html_body_of",
    "joined_texts",
    "leaves_of",
    "mail_convert_from_mime",
    "text_body_of",
    "type_of_leaf",
    "value_of_leaf",
]


def mail_convert_from_mime(mime: bytes | bytearray | memoryview | str) -> Email:
    r"""Return the mail object of a message (4D: `MAIL Convert from MIME`).

    Args:
        mime: octets, or decoded text: LF or CRLF, its non-ASCII characters taken as they are.

    Returns:
        The properties that the header gives; `headers`, all fields in order, unfolded and decoded;
        `bodyStructure`; `bodyValues`, the texts of the body; `attachments`, every other leaf. Setting a
        property afterwards wins over the field in `headers`.

    Raises:
        TypeError: `mime` is neither octets nor text. No content raises.

    Example:
        >>> mail = mail_convert_from_mime(b"From: ada@example.com\r\nSubject: Hi\r\n\r\nHello")
        >>> mail["subject"], mail["from"]
        ('Hi', [{'name': None, 'email': 'ada@example.com'}])
    """
    if isinstance(mime, str):
        octets, is_text = octets_of(mime), True
    elif isinstance(mime, (bytes, bytearray, memoryview)):
        octets, is_text = bytes(mime), False
    else:
        raise TypeError(f"MIME is octets or text, not {type(mime).__name__}")
    root = read_tree(octets, is_text=is_text)
    mail: dict[str, Any] = _properties(root.header)
    mail["headers"] = _items(root.header, _RECIPIENTS & (root.header.first.keys() - mail.keys()))
    mail.update(_body(root, octets, is_text=is_text))
    return cast(Email, mail)


# --- fields --------------------------------------------------------------------------------------

ADDRESS_FIELDS = {
    "from": "from",
    "sender": "sender",
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
    "reply-to": "replyTo",
}


_RECIPIENTS = frozenset(("to", "cc", "bcc"))


def _items(header: Header, unread: frozenset[str] = frozenset()) -> list[EmailHeader]:
    """Return all fields as items of `headers`.

    In those that are `unread` no address was found; their encoded words stay, or one might come out of them.
    """
    if header.plain:
        return [{"name": name, "value": value} for name, value in header.fields]
    items: list[EmailHeader] = [
        {"name": name, "value": value if _is_plain(value) else field_value(name, value)}
        for name, value in header.fields
    ]
    if unread:
        for item, (name, value) in zip(items, header.fields, strict=True):
            if name.lower() in unread:
                item["value"] = plain_text(value)
    return items


def _is_plain(text: str) -> bool:
    """Tell whether there is nothing to decode in field text."""
    return "=?" not in text and text.isascii()


def addresses_of_header(header: Header, name: str) -> list[EmailAddress]:
    """Return the addresses in all fields called `name` (lower case)."""
    return [
        {
            "name": (box.name if _is_plain(box.name) else decode_words(box.name)) or None,
            "email": box.addr_spec,
        }
        for value in header.values_of(name)
        for box in read_addresses(value, local=name in ("from", "sender"))
    ]


def _properties(header: Header) -> dict[str, Any]:
    """Return the properties that a header gives; a field that cannot be read is in `headers` only."""
    first = header.first
    mail: dict[str, Any] = {
        key: addresses
        for name, key in ADDRESS_FIELDS.items()
        if name in first and (addresses := addresses_of_header(header, name))
    }
    if "subject" in first:
        mail["subject"] = decode_words(first["subject"])
    if "date" in first and (sent_at := read_date(first["date"])):
        mail["sendAt"] = sent_at
    if "message-id" in first and (identifiers := read_identifiers([first["message-id"]])):
        mail["messageId"] = identifiers[0]
    if identifiers := read_identifiers(header.values_of("in-reply-to")):
        ambiguous = any(identifier.strip(",") != identifier for identifier in identifiers)
        mail["inReplyTo"] = " ".join([f"<{each}>" for each in identifiers] if ambiguous else identifiers)
    if references := read_identifiers(header.values_of("references")):
        mail["references"] = references
    if "comments" in first and len(header.values_of("comments")) == 1:
        mail["comments"] = decode_words(first["comments"])
    if "keywords" in first and (keywords := _keywords(header.values_of("keywords"))):
        mail["keywords"] = keywords
    return mail


_PHRASE = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^,"])+')
_ESCAPE = re.compile(r"\\(.)")


def _keywords(values: Iterable[str]) -> dict[str, bool]:
    """Return the keywords in fields."""
    phrases = (match[0] for value in values for match in _PHRASE.finditer(without_comments(value)))
    words = (decode_words(_ESCAPE.sub(r"\1", phrase.replace('"', ""))) for phrase in phrases)
    return {word.strip(" \t"): True for word in words if word.strip(" \t")}


# --- the body -------------------------------------------------------------------------------------


def _body(root: Part, octets: bytes, *, is_text: bool) -> dict[str, Any]:
    """Return `bodyStructure`, `bodyValues` and `attachments`."""
    values: dict[str, EmailBodyValue] = {}
    attachments: list[MailAttachment] = []
    top: list[EmailBodyPart] = []
    waiting: list[tuple[Part, int, list[EmailBodyPart]]] = [(Part(children=[root]), 0, top)]
    while waiting:
        parent, index, siblings = waiting.pop()
        part = parent.children[index]
        if index + 1 < len(parent.children):
            waiting.append((parent, index + 1, siblings))
        described = _described(part, is_root=part is root)
        siblings.append(described)
        if part.children:
            described["subParts"] = []
            waiting.append((part, 0, described["subParts"]))
            continue
        described["partId"] = part_id = f"p{len(values) + len(attachments) + 1:04}"
        if _is_body(part, parent.type, index):
            values[part_id] = value = value_of_leaf(part, octets, is_text=is_text)
            if value["isEncodingProblem"] and (encoding := _encoding_of(part)):
                described["encoding"] = encoding
        else:
            attachments.append(_attachment(described, part, octets))
    return {"bodyStructure": top[0], "bodyValues": values, "attachments": attachments}


def leaves_of(root: Part) -> Iterator[Part]:
    """Yield the parts that are texts of the body, in order."""
    waiting = [(Part(children=[root]), 0)]
    while waiting:
        parent, index = waiting.pop()
        part = parent.children[index]
        if index + 1 < len(parent.children):
            waiting.append((parent, index + 1))
        if part.children:
            waiting.append((part, 0))
        elif _is_body(part, parent.type, index):
            yield part


def type_of_leaf(part: Part) -> str:
    """Return the media type of a part without parts: a multipart that has none is shown as its text."""
    return "text/plain" if part.type.startswith("multipart/") else part.type


def _name_of(part: Part, parameters: Mapping[str, str]) -> str:
    """Return the file name of a part: of its disposition's parameters, else of its type's; "" for none."""
    return parameters.get("filename") or part.parameters.get("name") or ""


def _encoding_of(part: Part) -> str:
    """Return the transfer encoding of a part in lower case; "" where it names none."""
    value = part.value_of("content-transfer-encoding")
    return read_parameters(value)[0].strip('"') if value else ""


def _described(part: Part, *, is_root: bool) -> EmailBodyPart:
    """Return the description of a part, without its content's id and its parts."""
    described: EmailBodyPart = {"type": part.type if part.children else type_of_leaf(part)}
    charset = part.parameters.get("charset", "")
    if charset and part.type.startswith("text/"):
        described["charset"] = charset
    if not part.header.first:
        return described
    parameters: Mapping[str, str] = {}
    if value := part.value_of("content-disposition"):
        disposition, parameters = read_parameters(value)
        if is_token(disposition):
            described["disposition"] = disposition
    if name := _name_of(part, parameters):
        described["name"] = name
    if (value := part.value_of("content-id")) and (identifiers := read_identifiers([value])):
        described["cid"] = identifiers[0]
    if (value := part.value_of("content-language")) and (tags := _languages(value)):
        described["language"] = tags
    if value := part.value_of("content-location"):
        described["location"] = plain_text(value)
    fields = _items(part.header)
    if is_root:
        fields = [item for item in fields if item["name"].lower().startswith("content-")]
    if fields:
        described["headers"] = fields
    return described


def _languages(value: str) -> list[str]:
    """Return the tags of a Content-Language field (RFC 3282)."""
    tags = (tag.strip(" \t") for tag in without_comments(plain_text(value)).split(","))
    return [tag for tag in tags if tag]


def _is_body(part: Part, parent_type: str, index: int) -> bool:
    """Tell whether a leaf is text of the body and no attachment (RFC 8621 4.1.4, `isInline`)."""
    if type_of_leaf(part) not in ("text/plain", "text/html"):
        return False
    disposition, parameters = read_parameters(part.value_of("content-disposition"))
    if disposition == "attachment":
        return False
    return index == 0 or (parent_type != "multipart/related" and not _name_of(part, parameters))


def _encoded(part: Part, octets: bytes, encoding: str) -> bytes:
    """Return the octets of a leaf as they stand; the last line end of a message is the transport's."""
    encoded = octets[part.start : part.end]
    if part.end == len(octets) and encoding != "base64":
        return encoded.removesuffix(b"\n").removesuffix(b"\r") if encoded.endswith(b"\n") else encoded
    return encoded


def value_of_leaf(part: Part, octets: bytes, *, is_text: bool) -> EmailBodyValue:
    """Decode a text of the body.

    Args:
        part: the leaf.
        octets: those of the message.
        is_text: whether the message was given as text: characters that are not encoded are what they are.
    """
    encoding = _encoding_of(part)
    encoded = _encoded(part, octets, encoding)
    decoded, fine = decode_transfer_encoding(encoded, encoding), not is_damaged(encoded, encoding)
    charset = part.parameters.get("charset", "")
    if is_text and encoding in IDENTITIES and not decoded.isascii():
        # The characters were given, not their octets.
        text, read = decoded.decode("utf-8", "replace"), text_codec(charset or "us-ascii") is not None
    else:
        text, read = decode_octets(decoded, charset)
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    return {"value": text, "isEncodingProblem": not (fine and read) or part.type.startswith("multipart/")}


def _attachment(described: EmailBodyPart, part: Part, octets: bytes) -> MailAttachment:
    """Return the attachment that a leaf is, not yet decoded; its description tells of damage."""
    encoding = _encoding_of(part)
    encoded = _encoded(part, octets, encoding)
    damaged = is_damaged(encoded, encoding)
    if damaged:
        described["encoding"] = encoding
        described["isEncodingProblem"] = True
    cid = described.get("cid")
    disposition = described.get("disposition") or ("inline" if cid else "attachment")
    value = part.value_of("content-disposition")
    size = read_parameters(value)[1].get("size", "") if "size" in value.lower() else ""
    return MailAttachment(
        name=described.get("name", ""),
        type=described["type"],
        disposition=Disposition.INLINE if disposition == "inline" else Disposition.ATTACHMENT,
        cid=cid,
        size=int(size) if size.isascii() and size.isdecimal() and len(size) < 19 else None,
        part_id=described["partId"],
        content=_Content(encoded, encoding),
        is_encoding_problem=damaged,
        parameters=tuple(item for item in part.parameters.items() if item[0] not in ("name", "boundary")),
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
            self._decoded = decode_transfer_encoding(self._encoded, self._encoding)
            self._encoded = b""
        return self._decoded


# --- views ----------------------------------------------------------------------------------------


def text_body_of(mail: Mapping[str, Any]) -> str | None:
    """Return the plain text of a mail object: `textBody`, else its text/plain parts; None for none."""
    return _text_of(mail, "textBody", "text/plain")


def html_body_of(mail: Mapping[str, Any]) -> str | None:
    """Return the HTML of a mail object: `htmlBody`, else its text/html parts; None for none."""
    return _text_of(mail, "htmlBody", "text/html")


def _text_of(mail: Mapping[str, Any], key: str, media_type: str) -> str | None:
    """Return the texts of one media type in the order of the parts."""
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
            texts.append(value["value"])
    return joined_texts(texts)


def joined_texts(texts: list[str]) -> str | None:
    """Return texts as one, with a line end between two; None where there are none."""
    if len(texts) < 2:
        return texts[0] if texts else None
    ended = [text if text.endswith("\n") else f"{text}\n" for text in texts[:-1]]
    return "".join([*ended, texts[-1]])
