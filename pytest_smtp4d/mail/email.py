"""The mail object: 4D's `Email` document as typed dicts, and what is valid in one.

4D Email object (the keys of RFC 8621 4, as 4D spells them). A mail is a plain dict
that its owner may build in any order, so nothing is checked until it is converted or sent; `check_email` is
that check. A value of None is 4D's null: the key counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypedDict, TypeGuard

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.attachment import MailAttachment
from pytest_smtp4d.mail.charset import shown
from pytest_smtp4d.words import nearest

__all__ = [
    "Addresses",
    "Email",
    "EmailAddress",
    "EmailBodyPart",
    "EmailBodyValue",
    "EmailHeader",
    "check_email",
]


class EmailAddress(TypedDict, total=False):
    """One mailbox (4D: address object; RFC 8621 4.1.2.3).

    Example:
        >>> bob: EmailAddress = {"name": "Bob", "email": "bob@example.org"}
    """

    name: str | None
    email: str


class EmailHeader(TypedDict):
    """One header field, its value unfolded and decoded (4D: item of `headers`).

    Example:
        >>> order: EmailHeader = {"name": "X-Order", "value": "42"}
    """

    name: str
    value: str


class EmailBodyValue(TypedDict, total=False):
    """The text of one part (4D: `bodyValues`, RFC 8621 4.1.4).

    `value` has LF line ends; `isEncodingProblem` says that the charset or the transfer encoding was unknown
    or that octets were malformed.

    Example:
        >>> text: EmailBodyValue = {"value": "Hello"}
    """

    value: str
    isEncodingProblem: bool


class EmailBodyPart(TypedDict, total=False):
    """One node of the MIME tree (4D: `bodyStructure`, RFC 8621 4.1.4).

    A multipart has `subParts` and no `partId`; a leaf has a `partId`, under which `bodyValues` holds its
    text or an item of `attachments` its octets (`MailAttachment.part_id`). 4D's table spells `partID`, its
    samples `partId`: both are read. `name` and `cid` are RFC 8621's. `isEncodingProblem` (ours) is there for
    an attachment that was damaged.

    Example:
        >>> part: EmailBodyPart = {"partId": "1", "type": "text/plain"}
        >>> mail: Email = {"bodyStructure": part, "bodyValues": {"1": {"value": "Hello"}}}
    """

    partId: str
    partID: str
    type: str
    charset: str
    encoding: str
    disposition: str
    name: str
    cid: str
    language: list[str]
    location: str
    subParts: list[EmailBodyPart]
    headers: list[EmailHeader]
    isEncodingProblem: bool


Addresses: TypeAlias = "str | EmailAddress | Sequence[str | EmailAddress]"
"""What an address property takes: text (several: comma or semicolon), an object, or a list of either."""

_Origin = TypedDict("_Origin", {"from": Addresses}, total=False)  # a word that no class body can declare


class Email(_Origin, total=False):
    """A mail object (4D: Email object; RFC 8621 4): a plain dict with these keys, all of them optional.

    Addresses are text (several: comma or semicolon), `{"name": …, "email": …}`, or a list of either.

    Keys:
        from: who wrote it; the envelope's sender where `sender` is missing.
        sender: who sent it, where that is somebody else.
        to, cc, bcc: who gets it; `bcc` stands in the envelope alone.
        replyTo: where answers go.
        subject: the subject.
        sendAt: the Date field, an ISO 8601 text or a `datetime`; without it, now.
        messageId: the Message-ID; without it, a new one.
        inReplyTo: the Message-ID of the mail that this one answers.
        references: the Message-IDs of the whole conversation, oldest first.
        comments: the Comments field.
        keywords: word to True; those that are False are not written.
        headers: further fields, each `{"name": …, "value": …}`, in this order.
        textBody: the plain text.
        htmlBody: the HTML.
        bodyStructure: the MIME tree (`EmailBodyPart`), with `bodyValues`; not beside `textBody`, `htmlBody`.
        bodyValues: `partId` to the text of that part (`EmailBodyValue`).
        attachments: made with `mail_new_attachment`.
        id, receivedAt, size: of 4D's receiving side; accepted, and not sent.

    Example:
        >>> mail: Email = {
        ...     "from": "Shop <shop@example.com>",
        ...     "to": ["ann@example.org", {"name": "Bob", "email": "bob@example.org"}],
        ...     "subject": "Your invoice",
        ...     "textBody": "It is attached.",
        ...     "attachments": [mail_new_attachment(b"%PDF-1.7", "invoice.pdf")],
        ... }
        >>> mail["bcc"] = "archive@example.com"
    """

    sender: Addresses
    to: Addresses
    cc: Addresses
    bcc: Addresses
    replyTo: Addresses
    subject: str
    sendAt: str | datetime
    messageId: str
    inReplyTo: str
    references: list[str]
    comments: str
    keywords: dict[str, bool]
    headers: list[EmailHeader]
    textBody: str
    htmlBody: str
    bodyStructure: EmailBodyPart
    bodyValues: dict[str, EmailBodyValue]
    attachments: list[MailAttachment]
    id: str
    receivedAt: str
    size: int


def _is_text(value: object) -> str | None:
    """Say what is wrong with a value that must be text."""
    return None if isinstance(value, str) else "must be text"


def _is_addresses(value: object) -> str | None:
    """Say what is wrong with a value that must be addresses; their syntax is read later."""
    if isinstance(value, (str, Mapping)) or _is_sequence(value):
        return None
    return "must be text, an object with 'email', or a list of either"


def _is_moment(value: object) -> str | None:
    """Say what is wrong with a value that must be a date."""
    return None if isinstance(value, (str, datetime)) else "must be an ISO 8601 text"


def _is_mapping(value: object) -> str | None:
    """Say what is wrong with a value that must be an object."""
    return None if isinstance(value, Mapping) else "must be an object (a mapping)"


def _is_list(value: object) -> str | None:
    """Say what is wrong with a value that must be a list."""
    return None if _is_sequence(value) else "must be a list"


def _is_attachments(value: object) -> str | None:
    """Say what is wrong with a value that must be a list of attachments."""
    if not _is_sequence(value):
        return "must be a list of attachments"
    if all(item is None or isinstance(item, MailAttachment) for item in value):
        return None
    return "must hold only attachments: make them with mail_new_attachment"


def _is_size(value: object) -> str | None:
    """Say what is wrong with a value that must be a number of octets."""
    return None if isinstance(value, int) and not isinstance(value, bool) else "must be a whole number"


def _is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    """Tell whether `value` is a list or a tuple, or behaves like one; text and octets do not."""
    return isinstance(value, (list, tuple)) or (
        isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))
    )


_CHECKS: Mapping[str, Callable[[Any], str | None]] = {
    "from": _is_addresses,
    "sender": _is_addresses,
    "to": _is_addresses,
    "cc": _is_addresses,
    "bcc": _is_addresses,
    "replyTo": _is_addresses,
    "subject": _is_text,
    "sendAt": _is_moment,
    "messageId": _is_text,
    "inReplyTo": _is_text,
    "references": _is_list,
    "comments": _is_text,
    "keywords": _is_mapping,
    "headers": _is_list,
    "textBody": _is_text,
    "htmlBody": _is_text,
    "bodyStructure": _is_mapping,
    "bodyValues": _is_mapping,
    "attachments": _is_attachments,
    "id": _is_text,
    "receivedAt": _is_text,
    "size": _is_size,
}


def check_email(mail: object) -> None:
    """Check the keys of a mail object, the types of their values and which may stand together.

    What a value says (addresses, dates, header text) is checked where it is written.

    Args:
        mail: the mail object.

    Raises:
        TypeError: `mail` is not a mapping.
        MailError: a key is unknown, a value has the wrong type, or `bodyStructure` and `bodyValues` are not
            given together and without `textBody` and `htmlBody`; names the key and the value.
    """
    if not isinstance(mail, Mapping):
        raise TypeError(f"a mail is an object (a mapping of 4D's Email keys), not {type(mail).__name__}")
    for key, value in mail.items():
        check = _CHECKS.get(key) if isinstance(key, str) else None
        if check is None:
            raise MailError(f"a mail has no property {shown(key)}{nearest(str(key), _CHECKS)}")
        problem = None if value is None else check(value)
        if problem:
            raise MailError(f"{key} {problem}, not {type(value).__name__}: {shown(value)}")
    structure, values = mail.get("bodyStructure"), mail.get("bodyValues")
    if (structure is None) != (values is None):
        given, missing = (
            ("bodyValues", "bodyStructure") if structure is None else ("bodyStructure", "bodyValues")
        )
        raise MailError(f"{given} needs {missing}: give both, or textBody and htmlBody instead")
    if structure is not None:
        for key in ("textBody", "htmlBody"):
            if mail.get(key) is not None:
                raise MailError(
                    f"{key} cannot be mixed with bodyStructure and bodyValues: give one or the other"
                )
