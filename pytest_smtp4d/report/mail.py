"""A mail as the page shows it: its octets read once, into texts, fields, links and attachments.

RFC 5322, RFC 2045 to 2047; RFC 2392 (`cid:`).

An attachment is not stored a second time: it is a slice of the source, which the page decodes when somebody
looks at it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, TypedDict

from pytest_smtp4d.mail.parse import html_body_of, mail_convert_from_mime, text_body_of
from pytest_smtp4d.mail.tree import read_tree
from pytest_smtp4d.records.view import codes, html_text
from pytest_smtp4d.report.links import LinkDocument, links_of
from pytest_smtp4d.report.redact import leaves
from pytest_smtp4d.report.settings import LARGEST_ATTACHMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_smtp4d.mail.attachment import MailAttachment

__all__ = [
    "LARGEST_ATTACHMENT",
    "AttachmentDocument",
    "MailDocument",
    "ProblemDocument",
    "SliceDocument",
    "mail_document",
]

_LAST_LINE_END = re.compile(r"\r?\n\Z")


class AttachmentDocument(TypedDict):
    """An attachment; its octets are `source[start:end]` in its encoding, or `encoded`, or left out."""

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


class SliceDocument(TypedDict):
    """Where a part stands in the source, and its transfer encoding."""

    start: int
    end: int
    encoding: str


class ProblemDocument(TypedDict):
    """Something that an RFC forbids: a violation of the client, or a flaw of the mail."""

    name: str
    line: str
    rfc: str
    fatal: bool


class MailDocument(TypedDict):
    """What a mail holds.

    `source`: each character is one octet; None where it was dropped for its size. `textAt`, `htmlAt`: where
    the bodies stand in it, for `pack`. `visible`: what a reader sees of the HTML, where there is no text.
    """

    subject: str
    addresses: dict[str, list[str]]
    headers: list[tuple[str, str]]
    source: str | None
    text: str | None
    html: str | None
    textAt: list[SliceDocument] | None
    htmlAt: list[SliceDocument] | None
    visible: str | None
    attachments: list[AttachmentDocument]
    links: list[LinkDocument]
    codes: list[str]
    problems: list[ProblemDocument]
    unreadable: str | None
    dropped: list[str]


def mail_document(
    content: bytes,
    problems: Callable[[], Iterable[ProblemDocument]] = tuple,
    *,
    largest: int | None = LARGEST_ATTACHMENT,
) -> MailDocument:
    """Return a mail as the page shows it; one that cannot be read is its source and the reason.

    Args:
        content: the octets.
        problems: returns what is wrong with this mail.
        largest: octets of an attachment that is kept whole; None keeps all.
    """
    document: MailDocument = {
        "subject": "",
        "addresses": {},
        "headers": [],
        "source": content.decode("latin-1"),
        "text": None,
        "html": None,
        "textAt": None,
        "htmlAt": None,
        "visible": None,
        "attachments": [],
        "links": [],
        "codes": [],
        "problems": [],
        "unreadable": None,
        "dropped": [],
    }
    try:
        document["problems"] = list(problems())
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
    _place(document, email, content, largest)


def _addresses(email: Mapping[str, Any], key: str) -> list[str]:
    addresses = email.get(key)
    if not isinstance(addresses, list):
        return []
    return [
        f"{address['name']} <{address.get('email')}>" if address.get("name") else str(address.get("email"))
        for address in addresses
    ]


def _place(document: MailDocument, email: Mapping[str, Any], content: bytes, largest: int | None) -> None:
    """Describe the attachments, cut too large ones out of the source, and say where the bodies stand.

    The leaves of a mail are numbered from p0001 in their order, in `bodyValues` and in attachments.
    """
    attachments = {attachment.part_id: attachment for attachment in email.get("attachments") or ()}
    slices: dict[str, list[SliceDocument]] = {"text/plain": [], "text/html": []}
    source: list[str] = []
    position = length = 0
    for number, part in enumerate(leaves(read_tree(content)), 1):
        source.append(content[position : part.start].decode("latin-1"))
        inside = content[part.start : part.end].decode("latin-1")
        start = length + len(source[-1])
        encoding = part.value_of("content-transfer-encoding").partition(";")[0].strip().lower()
        attachment = attachments.pop(f"p{number:04}", None)
        if attachment is not None:
            described = _described(attachment)
            if largest is not None and described["octets"] > largest:
                inside, described["omitted"] = f"[{len(inside)} octets left out]\r\n", True
            described["encoding"], described["start"] = encoding, start
            described["end"] = start + len(inside)
            document["attachments"].append(described)
        elif part.type in slices:
            end = len(inside)
            if part.end == len(content) and encoding != "base64":
                end = len(_LAST_LINE_END.sub("", inside))
            slices[part.type].append({"start": start, "end": start + end, "encoding": encoding})
        source.append(inside)
        position, length = part.end, start + len(inside)
    source.append(content[position:].decode("latin-1"))
    document["source"] = "".join(source)
    document["textAt"], document["htmlAt"] = slices["text/plain"] or None, slices["text/html"] or None
    document["attachments"] += [{**_described(one), "omitted": True} for one in attachments.values()]


def _described(attachment: MailAttachment) -> AttachmentDocument:
    octets = attachment.get_content()
    return {
        "name": attachment.name,
        "type": attachment.type,
        "disposition": str(attachment.disposition),
        "cid": attachment.cid,
        "octets": len(octets),
        "sha256": hashlib.sha256(octets).hexdigest(),
        "encoding": "",
        "start": 0,
        "end": 0,
        "encoded": None,
        "omitted": False,
    }
