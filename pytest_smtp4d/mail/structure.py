"""The structure of a mail: from texts and attachments, or from `bodyStructure`, to a tree of encoded parts.

RFC 2387 (related), RFC 8621 4.1.4 (`bodyStructure`), RFC 2183. `attachments` is the
truth about attachments; a leaf of `bodyStructure` only says where one stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.attachment import Disposition, MailAttachment
from pytest_smtp4d.mail.charset import (
    Encoded,
    MailMode,
    base64_lines,
    encode_strictly,
    encode_text,
    fits_lines,
    shown,
    text_codec,
)
from pytest_smtp4d.mail.field import header_field, header_needs_utf8
from pytest_smtp4d.mail.header import HeaderStyle, header_items, identifier_field, text_field
from pytest_smtp4d.mail.multipart import Leaf, Multipart
from pytest_smtp4d.mail.parameter import (
    ascii_fallback,
    is_media_type,
    is_token,
    parameter_field,
    parse_media_type,
    read_parameters,
)
from pytest_smtp4d.words import nearest

__all__ = ["BodyStyle", "body_of", "is_content", "structure_needs_utf8"]


@dataclass(frozen=True, slots=True)
class BodyStyle:
    """How bodies and the headers of parts are written.

    Args:
        header: how to write header text, such as file names.
        mode: 4D's `bodyCharset`.
        eightbit: whether octets above 127 may stand in a body.
        sealed: the body will be signed.
    """

    header: HeaderStyle
    mode: MailMode = MailMode.UTF8
    eightbit: bool = True
    sealed: bool = False


def body_of(mail: Mapping[str, Any], style: BodyStyle) -> Leaf | Multipart:
    """Return the tree of a checked mail object.

    Raises:
        MailError: a text that its charset cannot hold, or a structure that cannot be.
    """
    attachments = [item for item in mail.get("attachments") or () if item is not None]
    if mail.get("bodyStructure") is not None:
        return _structured(mail, attachments, style)
    text, html = mail.get("textBody"), mail.get("htmlBody")
    inline = [
        item
        for item in attachments
        if html is not None and item.cid and item.disposition == Disposition.INLINE
    ]
    beside = [item for item in attachments if item not in inline] if inline else attachments
    parts: list[Leaf | Multipart] = []
    if text is not None or (html is None and not beside):
        parts.append(_text_leaf("text/plain", text or "", "textBody", style))
    if html is not None:
        page: Leaf | Multipart = _text_leaf("text/html", html, "htmlBody", style)
        if inline:
            pictures = [_attachment_leaf(item, style) for item in inline]
            page = Multipart("multipart/related", [("type", "text/html")], children=[page, *pictures])
        parts.append(page)
    body = parts[0] if len(parts) == 1 else Multipart("multipart/alternative", children=parts)
    if not beside:
        return body
    return Multipart(
        "multipart/mixed",
        children=[*([body] if parts else []), *(_attachment_leaf(item, style) for item in beside)],
    )


# --- leaves ---------------------------------------------------------------------------------------


def _text_leaf(media_type: str, text: str, key: str, style: BodyStyle) -> Leaf:
    """Write a text without a name."""
    encoded = encode_text(text, style.mode, key=key, eightbit=style.eightbit, sealed=style.sealed)
    header = (
        f'Content-Type: {media_type}; charset="{encoded.charset}"\r\n'
        f"Content-Transfer-Encoding: {encoded.transfer_encoding}\r\n"
    )
    return Leaf(header.encode("ascii"), encoded.octets)


def _attachment_leaf(attachment: MailAttachment, style: BodyStyle) -> Leaf:
    """Write an attachment that stands in no structure."""
    media_type, described = attachment.type, list(attachment.parameters)
    if ";" in media_type:
        media_type, parameters = parse_media_type(media_type) or (media_type, {})
        described += [parameter for parameter in parameters.items() if parameter[0] != "name"]
    media_type, encoded = _encode_octets(media_type, attachment.get_content(), style)
    name = attachment.name
    if name:
        described.append(("name", name if style.header.utf8 else ascii_fallback(name)))
    placing = [("filename", name)] if name else []
    if attachment.size is not None:
        placing.append(("size", str(attachment.size)))
    key = "attachments"
    header = [
        parameter_field("Content-Type", media_type, described, style.header, key),
        f"Content-Transfer-Encoding: {encoded.transfer_encoding}\r\n".encode("ascii"),
        parameter_field("Content-Disposition", attachment.disposition.value, placing, style.header, key),
    ]
    if attachment.cid:
        header.append(identifier_field("Content-ID", [attachment.cid], style.header, f"{key}.cid", at_most=1))
    return Leaf(b"".join(header), encoded.octets)


def _encode_octets(media_type: str, octets: bytes, style: BodyStyle) -> tuple[str, Encoded]:
    """Encode octets in base64; messages, which must not be (RFC 2046 5.2.1), as they are where that can be.

    A message/rfc822 that cannot is a message/global, which may be encoded (RFC 6532 3.7).
    """
    if media_type.lower().startswith("message/"):
        lines = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if fits_lines(lines) and (style.eightbit or lines.isascii()):
            return media_type, Encoded("", "7bit" if lines.isascii() else "8bit", lines)
        if media_type.lower() == "message/rfc822":
            media_type = "message/global"
    return media_type, Encoded("", "base64", base64_lines(octets))


# --- bodyStructure --------------------------------------------------------------------------------

_PART_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "partId": str,
    "partID": str,
    "type": str,
    "charset": str,
    "encoding": str,
    "disposition": str,
    "name": str,
    "cid": str,
    "language": (list, tuple),
    "location": str,
    "subParts": (list, tuple),
    "headers": (list, tuple),
    "isEncodingProblem": bool,
    "size": int,
    "blobId": str,
}
# Fields that a part's properties write, so that its `headers` do not; Content-MD5 would be of the former
# content.
_WRITTEN = frozenset(
    ("content-type", "content-transfer-encoding", "content-disposition", "content-md5", "mime-version", "bcc")
)
_BY_FIELD = {"content-id": "cid", "content-language": "language", "content-location": "location"}


def is_content(name: str) -> bool:
    """Tell whether a field describes the body that follows it (RFC 2045 9), not the message."""
    return name.lower().startswith("content-")


def structure_needs_utf8(structure: Mapping[str, Any]) -> bool:
    """Tell whether an identifier or an address in a tree, not checked yet, needs SMTPUTF8 (RFC 6532)."""
    waiting: list[Any] = [structure]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, Mapping):
            continue  # refused when it is written
        if not str(part.get("cid") or "").isascii():
            return True
        if part is not structure and isinstance(part.get("headers"), (list, tuple)):
            items = header_items(part["headers"], "bodyStructure.headers")
            if any(header_needs_utf8(name, value) for name, value in items if name.lower() not in _BY_FIELD):
                return True
        if isinstance(part.get("subParts"), (list, tuple)):
            waiting += part["subParts"]
    return False


def _structured(
    mail: Mapping[str, Any], attachments: list[MailAttachment], style: BodyStyle
) -> Leaf | Multipart:
    """Return the tree that `bodyStructure` describes; attachments that it does not name stand beside it."""
    contents = _Contents(mail, attachments, style)
    top = Multipart("multipart/mixed")
    nodes = [top]
    waiting: list[tuple[Any, str, Multipart]] = [(mail["bodyStructure"], "bodyStructure", top)]
    while waiting:
        part, path, parent = waiting.pop()
        _check_part(part, path)
        if not _is_multipart(part, path):
            parent.children += contents.leaves(part, path, is_root=parent is top)
            continue
        parameters = _kept_parameters(part, "content-type", part["type"], {"boundary"})
        node = Multipart(part["type"], parameters, _part_header(part, path, style, is_root=parent is top))
        parent.children.append(node)
        nodes.append(node)
        children = list(enumerate(part["subParts"]))
        waiting += [(child, f"{path}.subParts[{index}]", node) for index, child in reversed(children)]
    for node in reversed(nodes):  # a multipart whose attachments have all been taken out goes too
        node.children = [child for child in node.children if isinstance(child, Leaf) or child.children]
    added = contents.unplaced()
    if not top.children and not added:
        return _text_leaf("text/plain", "", "bodyStructure", style)
    if not added:
        return top.children[0]
    root = top.children[0] if top.children else None
    mixed = root if isinstance(root, Multipart) and root.type.lower() == "multipart/mixed" else top
    mixed.children += added
    return mixed


class _Contents:
    """Where the leaves of a structure find their content: `bodyValues` and `attachments`."""

    def __init__(self, mail: Mapping[str, Any], attachments: list[MailAttachment], style: BodyStyle) -> None:
        self._values = _checked_values(mail["bodyValues"])
        self._may_lack = mail.get("attachments") is not None
        self._attachments = attachments
        # Those of another mail may be here too, with the same part ids: name and type must agree as well.
        self._by_origin = {(item.part_id, item.name, item.type): item for item in reversed(attachments)}
        self._by_cid = {item.cid: item for item in reversed(attachments) if item.cid is not None}
        self._placed: set[int] = set()
        self._style = style

    def leaves(self, part: Mapping[str, Any], path: str, *, is_root: bool) -> list[Leaf | Multipart]:
        """Return the leaf that `part` describes; none where its attachment has been taken out since parsing.

        Raises:
            MailError: nothing has content for it, and it is no such attachment.
        """
        part_id = str(part.get("partId") or part.get("partID") or "")
        if part_id in self._values:
            return [_value_leaf(part, self._values[part_id], path, self._style, is_root=is_root)]
        attachment = self._attachment_of(part, part_id)
        if attachment is not None:
            self._placed.add(id(attachment))
            media_type, encoded = _encode_octets(part["type"], attachment.get_content(), self._style)
            part = {**part, "type": media_type}
            return [_part_leaf(part, encoded, path, self._style, is_root=is_root)]
        if self._may_lack and _may_be_attachment(part):
            return []
        raise MailError(f"{path}: neither bodyValues nor attachments has content for the part {part_id!r}")

    def _attachment_of(self, part: Mapping[str, Any], part_id: str) -> MailAttachment | None:
        """Return the attachment that was parsed from a leaf, or else the one with its cid."""
        origin = (part_id, part.get("name") or "", part["type"])
        return self._by_origin.get(origin) or self._by_cid.get(part.get("cid") or "")

    def unplaced(self) -> list[Leaf]:
        """Return the attachments that no leaf has asked for."""
        return [
            _attachment_leaf(item, self._style) for item in self._attachments if id(item) not in self._placed
        ]


def _may_be_attachment(part: Mapping[str, Any]) -> bool:
    """Tell whether a leaf may have been read as an attachment: all but plain texts of the body."""
    if part["type"].lower() not in ("text/plain", "text/html"):
        return True
    return bool(part.get("name")) or str(part.get("disposition")).lower() == "attachment"


def _checked_values(values: Mapping[Any, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the items of `bodyValues` that are not None.

    Raises:
        MailError: an item is no object with text as its `value`.
    """
    checked = {}
    for part_id, item in values.items():
        if item is None:
            continue
        if (
            not isinstance(part_id, str)
            or not isinstance(item, Mapping)
            or not isinstance(item.get("value"), str)
        ):
            raise MailError(
                f"bodyValues[{part_id!r}] must be an object with text as its 'value', not {shown(item)}"
            )
        for key in item:
            if key not in ("value", "isEncodingProblem", "isTruncated"):
                hint = nearest(str(key), ("value", "isEncodingProblem"))
                raise MailError(f"bodyValues[{part_id!r}] has no property {shown(key)}{hint}")
        checked[part_id] = item
    return checked


def _check_part(part: object, path: str) -> None:
    """Check the keys of a part and the types of their values.

    Raises:
        MailError: naming the key and the value.
    """
    if not isinstance(part, Mapping):
        raise MailError(f"{path} must be an object that describes a part, not {shown(part)}")
    for key, value in part.items():
        kind = _PART_KEYS.get(key) if isinstance(key, str) else None
        if kind is None:
            raise MailError(f"{path} has no property {shown(key)}{nearest(str(key), _PART_KEYS)}")
        if value is not None and not isinstance(value, kind):
            raise MailError(f"{path}.{key} must not be {type(value).__name__}: {shown(value)}")
    if not is_media_type(part.get("type") or ""):
        raise MailError(
            f"{path}.type must be a media type such as 'text/plain', not {shown(part.get('type'))}"
        )


def _is_multipart(part: Mapping[str, Any], path: str) -> bool:
    """Tell whether a checked part has parts.

    Raises:
        MailError: its type and its `subParts` contradict each other.
    """
    multipart: bool = part["type"].lower().startswith("multipart/")
    if multipart and not part.get("subParts"):
        raise MailError(f"{path}: a part of type {part['type']!r} needs subParts")
    if not multipart and part.get("subParts"):
        raise MailError(f"{path}: a part of type {part['type']!r} cannot have subParts")
    return multipart


def _value_leaf(
    part: Mapping[str, Any], value: Mapping[str, Any], path: str, style: BodyStyle, *, is_root: bool
) -> Leaf:
    """Write a leaf whose content is in `bodyValues`."""
    text = value["value"]
    if not part["type"].lower().startswith("text/"):
        octets = encode_strictly(text, "utf-8", f"{path} in bodyValues")
        media_type, encoded = _encode_octets(part["type"], octets, style)
        return _part_leaf({**part, "type": media_type}, encoded, path, style, is_root=is_root)
    charset = part.get("charset") or ""
    if charset and not text_codec(charset):
        if not value.get("isEncodingProblem"):
            raise MailError(f"{path}.charset {charset!r} does not exist; leave it out to have one chosen")
        charset = ""
    key = f"{path} in bodyValues"
    encoded = encode_text(
        text, style.mode, key=key, eightbit=style.eightbit, sealed=style.sealed, charset=charset
    )
    return _part_leaf(part, encoded, path, style, is_root=is_root)


def _part_leaf(
    part: Mapping[str, Any], encoded: Encoded, path: str, style: BodyStyle, *, is_root: bool
) -> Leaf:
    """Write a leaf from its description and its encoded content."""
    header = style.header
    charset, name = encoded.charset or part.get("charset"), part.get("name")
    parameters = [("charset", charset)] if charset else []
    if name:  # its only place where there is no Content-Disposition
        whole = header.utf8 or not part.get("disposition")
        parameters.append(("name", name if whole else ascii_fallback(name)))
    set_here = {"name", *(attribute for attribute, _ in parameters)}
    parameters += _kept_parameters(part, "content-type", part["type"], set_here)
    fields = [
        parameter_field("Content-Type", part["type"], parameters, header, path),
        f"Content-Transfer-Encoding: {encoded.transfer_encoding}\r\n".encode("ascii"),
    ]
    return Leaf(b"".join(fields) + _part_header(part, path, style, is_root=is_root), encoded.octets)


def _part_header(part: Mapping[str, Any], path: str, style: BodyStyle, *, is_root: bool) -> bytes:
    """Write the fields of a part but for Content-Type and Content-Transfer-Encoding.

    Of the root's `headers` only Content-… is written here: all other fields are the message's own.
    """
    header, fields = style.header, []
    disposition, name = part.get("disposition"), part.get("name")
    if disposition:
        if not is_token(disposition):
            raise MailError(f"{path}.disposition must be 'inline' or 'attachment', not {shown(disposition)}")
        parameters = _kept_parameters(part, "content-disposition", disposition, {"filename"})
        if name:
            parameters.insert(0, ("filename", name))
        fields.append(parameter_field("Content-Disposition", disposition, parameters, header, path))
    if part.get("cid"):
        fields.append(identifier_field("Content-ID", [part["cid"]], header, f"{path}.cid", at_most=1))
    if part.get("language"):
        if not all(isinstance(tag, str) for tag in part["language"]):
            raise MailError(f"{path}.language must list language tags, not {shown(part['language'])}")
        fields.append(text_field("Content-Language", ", ".join(part["language"]), header, f"{path}.language"))
    if part.get("location"):
        fields.append(header_field("Content-Location", part["location"], header, f"{path}.location"))
    written = {*_WRITTEN, *(name for name, key in _BY_FIELD.items() if part.get(key) is not None)}
    for item_name, value in header_items(part.get("headers"), f"{path}.headers"):
        lowered = item_name.lower()
        if lowered not in written and (is_content(item_name) or not is_root):
            fields.append(header_field(item_name, value, header, f"{path}.headers"))
        if is_content(item_name):
            written.add(lowered)
    return b"".join(fields)


def _kept_parameters(
    part: Mapping[str, Any], field_name: str, value: str, set_elsewhere: set[str]
) -> list[tuple[str, str]]:
    """Return the parameters that a part's own header gives a field (`format=flowed`) and no property sets."""
    for name, text in header_items(part.get("headers"), "headers"):
        if name.lower() == field_name:
            own_value, parameters = read_parameters(text)
            if own_value != value.lower():
                break
            return [
                (attribute, text) for attribute, text in parameters.items() if attribute not in set_elsewhere
            ]
    return []
