"""Writes a message as text that is the same in every run, for snapshot tests.

RFC 5322 3.6 (which fields hold what differs), RFC 2046 5.1.1 (boundaries), RFC 2392 (Content-IDs in HTML).

The form changes only with a major version::

    [envelope]
    MAIL FROM:<shop@example.com> SIZE=<size>
    RCPT TO:<bob@example.org>

    [header]
    Date: <date>
    Message-ID: <message-id-1>
    Subject: Welcome
    Content-Type: multipart/mixed; boundary="<boundary-1>"

    [text body]
    Hello

    [html body]
    <p>Hello</p><img src="cid:<content-id-1>">

    [attachments]
    logo.png, image/png, inline, content-id <content-id-1>, 4 octets, SHA-256 9f64a747…

A section without content is left out. Header fields are unfolded and decoded, in the order sent; lines end
with LF. Placeholders with a number are counted from 1, in the order in which what they replace first appears.
A date that cannot be read stays as it is: it is worth seeing.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from pytest_smtp4d.mail.date import read_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_smtp4d.mail.attachment import MailAttachment
    from pytest_smtp4d.mail.email import Email

__all__ = ["snapshot"]

_SIZE = re.compile(r"SIZE=\d+", re.IGNORECASE)
_DATES = frozenset({"date", "resent-date"})
_IDENTIFIERS = frozenset({"message-id", "in-reply-to", "references", "resent-message-id"})
_IDENTIFIER = re.compile(r"<[^<>\s]+>")
_BOUNDARY = re.compile(r"(\bboundary=)(\"[^\"]*\"|[^\s;\"]+)", re.IGNORECASE)
# A part that HTML names, percent-encoded where it has to be (RFC 2392 2).
_CID = re.compile(r"(?<![0-9A-Za-z])cid:([^\s\"'<>()]+)", re.IGNORECASE)
# A port that the system chose, behind a name of this machine.
_PORT = re.compile(r"(?<![\w.-])(localhost|127(?:\.\d{1,3}){3}|\[::1\]):\d{1,5}(?!\d)", re.IGNORECASE)


class Message(Protocol):
    """A received message, as far as it is shown."""

    mail_from: str
    mail_options: tuple[str, ...]
    rcpt_to: tuple[str, ...]

    @property
    def rcpt_options(self) -> Mapping[str, tuple[str, ...]]:
        """Recipient -> the parameters of its RCPT."""

    @property
    def text_body(self) -> str | None:
        """The plain text of the body."""

    @property
    def html_body(self) -> str | None:
        """The HTML of the body."""

    @property
    def attachments(self) -> list[MailAttachment]:
        """Every part that is not the body."""

    @property
    def email(self) -> Email:
        """The mail object."""


def snapshot(message: Message) -> str:
    """Return a message as stable text: envelope, header, bodies and attachments.

    Args:
        message: any message; nothing in it raises.

    Returns:
        The sections of the module's description, an empty line between two, a line end behind the last.
    """
    numbers = _Numbers()
    sections = (
        ("envelope", _envelope(message)),
        ("header", _header(message, numbers)),
        ("text body", _body(message.text_body)),
        ("html body", _html(message.html_body, numbers)),
        ("attachments", (_attachment(item, numbers) for item in message.attachments)),
    )
    texts = ((title, _without_ports("\n".join(lines))) for title, lines in sections)
    return "\n\n".join(f"[{title}]\n{text}" for title, text in texts if text) + "\n"


class _Numbers:
    """Placeholders: each thing of a kind has the number of its first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, int]] = {}

    def placeholder(self, kind: str, value: str) -> str:
        """Return "<kind-N>"."""
        numbers = self._numbers.setdefault(kind, {})
        return f"<{kind}-{numbers.setdefault(value, len(numbers) + 1)}>"


def _without_ports(text: str) -> str:
    return _PORT.sub(r"\1:<port>", text)


def _envelope(message: Message) -> Iterator[str]:
    yield _command(f"MAIL FROM:<{message.mail_from}>", message.mail_options)
    for recipient in message.rcpt_to:
        yield _command(f"RCPT TO:<{recipient}>", message.rcpt_options.get(recipient, ()))


def _command(path: str, options: Iterable[str]) -> str:
    return " ".join([path, *(_SIZE.sub("SIZE=<size>", option) for option in options)])


def _header(message: Message, numbers: _Numbers) -> Iterator[str]:
    for field in message.email.get("headers") or ():
        name, value = field["name"], field["value"]
        lower = name.lower()
        if lower in _DATES and read_date(value):
            value = "<date>"
        elif lower in _IDENTIFIERS:
            value = _IDENTIFIER.sub(lambda match: numbers.placeholder("message-id", match[0]), value)
        elif lower == "content-type":
            value = _BOUNDARY.sub(lambda match: _boundary(match, numbers), value)
        elif lower == "content-id":
            value = _IDENTIFIER.sub(lambda match: numbers.placeholder("content-id", match[0][1:-1]), value)
        yield f"{name}: {value}".rstrip(" ")


def _boundary(match: re.Match[str], numbers: _Numbers) -> str:
    return f'{match[1]}"{numbers.placeholder("boundary", match[2].strip(chr(34)))}"'


def _body(text: str | None) -> list[str]:
    return (
        [] if text is None else text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    )


def _html(text: str | None, numbers: _Numbers) -> Iterator[str]:
    for line in _body(text):
        yield _CID.sub(lambda match: f"cid:{numbers.placeholder('content-id', unquote(match[1]))}", line)


def _attachment(attachment: MailAttachment, numbers: _Numbers) -> str:
    content = attachment.get_content()
    facts = [attachment.name or "(no name)", attachment.type, str(attachment.disposition)]
    if attachment.cid:
        facts.append(f"content-id {numbers.placeholder('content-id', attachment.cid)}")
    return ", ".join([*facts, f"{len(content)} octets", f"SHA-256 {hashlib.sha256(content).hexdigest()}"])
