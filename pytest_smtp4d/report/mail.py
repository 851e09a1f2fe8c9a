"""A mail as the page shows it: its octets read once, into texts, fields, links and attachments.

RFC 5322, RFC 2045 to 2047; RFC 2392 (`cid:`).

An attachment is not stored a second time: it is a slice of the source, which the page decodes when somebody
looks at it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypedDict

from pytest_smtp4d.mail.parse import html_body_of, mail_convert_from_mime, text_body_of
from pytest_smtp4d.mail.tree import read_tree
from pytest_smtp4d.records.view import codes, html_text
from pytest_smtp4d.report.links import LinkDocument, links_of
from pytest_smtp4d.report.redact import leaves

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_smtp4d.mail.attachment import MailAttachment
    from pytest_smtp4d.mail.tree import Part

__all__ = ["LARGEST_ATTACHMENT", "AttachmentDocument", "MailDocument", "ProblemDocument", "mail_document"]

LARGEST_ATTACHMENT = 1 << 20
"""Octets of an attachment that a page holds; of larger ones it says what they are, unless it holds all."""


class AttachmentDocument(TypedDict):
    """An attachment; its octets are `source[start:end]` in its transfer encoding, or `encoded`, or left out."""

    name: str
    type: str
    disposition: str
    cid: str | None
    octets: int
    sha256: str
    encoding: str
    start: int
    end: int
    encoded: str | None
    omitted: bool


class ProblemDocument(TypedDict):
    """Something that an RFC forbids: a violation of the client, or a flaw of the mail."""

    name: str
    line: str
    rfc: str
    fatal: bool


class MailDocument(TypedDict):
    """What a mail holds. `source`: each character is one octet; None where it was dropped for its size."""

    subject: str
    addresses: dict[str, list[str]]
    headers: list[tuple[str, str]]
    source: str | None
    text: str | None
    html: str | None
    visible: str | None
    attachments: list[AttachmentDocument]
    links: list[LinkDocument]
    codes: list[str]
    problems: list[ProblemDocument]
    unreadable: str | None
    dropped: list[str]


def mail_document(
    content: bytes, problems: Iterable[ProblemDocument] = (), *, largest: int | None = LARGEST_ATTACHMENT
) -> MailDocument:
    """Return a mail as the page shows it; one that cannot be read is its source and the reason.

    Args:
        content: the octets.
        problems: the violations that are about this mail.
        largest: octets of an attachment that is kept whole; None keeps all.
    """
    document: MailDocument = {
        "subject": "",
        "addresses": {},
        "headers": [],
        "source": content.decode("latin-1"),
        "text": None,
        "html": None,
        "visible": None,
        "attachments": [],
        "links": [],
        "codes": [],
        "problems": list(problems),
        "unreadable": None,
        "dropped": [],
    }
    try:
        _read(document, content, largest)
    except Exception as error:  # noqa: BLE001 # whatever is wrong with it, its source can be looked at
        document["unreadable"] = f"{type(error).__name__}: {error}"
    return document


def _read(document: MailDocument, content: bytes, largest: int | None) -> None:
    email = mail_convert_from_mime(content)
    text, html = text_body_of(email), html_body_of(email)
    visible = html_text(html) if html is not None else None
    document["subject"] = email.get("subject") or ""
    document["addresses"] = {
        name: shown
        for name, key in (("From", "from"), ("To", "to"), ("Cc", "cc"), ("Reply-To", "replyTo"))
        if (shown := _addresses(email, key))
    }
    document["headers"] = [(item["name"], item["value"]) for item in email.get("headers") or ()]
    document["text"], document["html"] = text, html
    document["visible"] = visible if text is None else None
    document["links"] = links_of(html, text)
    document["codes"] = codes(visible if visible is not None else text or "", r"\b\d{4,8}\b")
    _attach(document, email.get("attachments") or (), content, largest)


def _addresses(email: Mapping[str, Any], key: str) -> list[str]:
    addresses = email.get(key)
    if not isinstance(addresses, list):
        return []
    return [
        f"{address['name']} <{address.get('email')}>" if address.get("name") else str(address.get("email"))
        for address in addresses
    ]


def _attach(
    document: MailDocument, attachments: Iterable[MailAttachment], content: bytes, largest: int | None
) -> None:
    """Describe the attachments; cut those that are too large out of the source."""
    parts = list(leaves(read_tree(content)))
    source: list[str] = []
    position = length = 0
    for attachment in attachments:
        octets = attachment.get_content()
        part = _part_of(attachment, parts)
        described = _described(attachment, octets, part)
        document["attachments"].append(described)
        if part is None or part.start < position:
            continue
        source.append(content[position : part.start].decode("latin-1"))
        length += len(source[-1])
        inside = content[part.start : part.end].decode("latin-1")
        if largest is not None and len(octets) > largest:
            inside, described["omitted"] = f"[{len(inside)} octets left out]\r\n", True
        described["start"], described["end"] = length, length + len(inside)
        source.append(inside)
        length += len(inside)
        position = part.end
    source.append(content[position:].decode("latin-1"))
    document["source"] = "".join(source)


def _part_of(attachment: MailAttachment, parts: list[Part]) -> Part | None:
    """Return the leaf that an attachment was made from: parts are numbered in their order, from p0001."""
    number = str(attachment.part_id or "").removeprefix("p")
    index = int(number) - 1 if number.isdecimal() else -1
    return parts[index] if 0 <= index < len(parts) else None


def _described(attachment: MailAttachment, octets: bytes, part: Part | None) -> AttachmentDocument:
    encoding = part.value_of("content-transfer-encoding").partition(";")[0].strip().lower() if part else ""
    return {
        "name": attachment.name,
        "type": attachment.type,
        "disposition": str(attachment.disposition),
        "cid": attachment.cid,
        "octets": len(octets),
        "sha256": hashlib.sha256(octets).hexdigest(),
        "encoding": encoding,
        "start": 0,
        "end": 0,
        "encoded": None,
        "omitted": part is None,
    }
