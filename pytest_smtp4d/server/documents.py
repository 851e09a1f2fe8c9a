"""Messages and sessions as JSON can say them, for programs in any language; keys are in camelCase.

RFC 5321 3.3 (a session holds transactions, and these messages), RFC 8259 8.2 (lone surrogates).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.records.record import ReceivedMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_smtp4d.records.record import Session
    from pytest_smtp4d.records.violation import Violation
    from pytest_smtp4d.server.follower import Story
    from pytest_smtp4d.server.settings import ServerSettings

__all__ = [
    "Document",
    "camel",
    "fresh",
    "json_text",
    "message_document",
    "message_row",
    "session_document",
    "session_row",
    "settings_document",
    "snake_names",
]

Document = dict[str, Any]


def camel(name: str) -> str:
    """Return a name as JSON spells it, "requireTls" for "require_tls"."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def snake_names(names: Mapping[str, object] | tuple[str, ...]) -> dict[str, str]:
    """Return the names by their spelling in JSON."""
    return {camel(name): name for name in names}


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def json_text(document: object, *, compact: bool = False) -> str:
    """Return a document as JSON that every parser reads.

    An octet of a mail that is not UTF-8 is a lone surrogate in its text. No encoding can carry one and not
    every parser takes its escape, so it becomes U+FFFD.

    Args:
        document: what to write.
        compact: without blanks.
    """
    separators = (",", ":") if compact else None
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=separators)
    return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def fresh(message: ReceivedMessage) -> ReceivedMessage:
    """Return the same message without its parsed views, which then live no longer than they are used."""
    return ReceivedMessage(
        message.mail_from,
        message.rcpt_to,
        message.mail_options,
        message.rcpt_options,
        message.content,
        message.received_at,
        message.session,
    )


def message_row(number: int, session: int, message: ReceivedMessage) -> Document:
    """Return a message without its bodies."""
    tls = message.session.tls
    return {
        "id": number,
        "session": session,
        "mailFrom": message.mail_from,
        "rcptTo": list(message.rcpt_to),
        "mailOptions": list(message.mail_options),
        "rcptOptions": {recipient: list(options) for recipient, options in message.rcpt_options.items()},
        "receivedAt": message.received_at.isoformat(),
        "clientName": message.session.client_name,
        "user": message.session.user,
        "tls": tls.version if tls else None,
        "octets": len(message.content),
        "subject": message.subject,
        "from": message.from_,
        "to": message.to,
        "cc": message.cc,
        "bcc": message.bcc,
    }


def message_document(
    number: int, session: int, message: ReceivedMessage, *, content: bool = False
) -> Document:
    """Return a message with bodies, attachments, links and problems.

    Args:
        number: its id.
        session: the id of its session.
        message: what was received; parsed here, and the views are dropped again.
        content: with the octets, as base64.
    """
    message = fresh(message)
    document = message_row(number, session, message)
    document["headers"] = [[field["name"], field["value"]] for field in message.email.get("headers") or ()]
    document["text"] = message.text_body
    document["html"] = message.html_body
    document["attachments"] = [
        {
            "id": place,
            "name": attachment.name,
            "type": attachment.type,
            "disposition": str(attachment.disposition),
            "cid": attachment.cid,
            "octets": len(octets := attachment.get_content()),
            "sha256": hashlib.sha256(octets).hexdigest(),
        }
        for place, attachment in enumerate(message.attachments)
    ]
    document["links"] = message.links()
    document["codes"] = message.codes()
    document["problems"] = [_violation(problem) for problem in message.problems]
    if content:
        document["content"] = base64.b64encode(message.content).decode("ascii")
    return document


def session_row(session: Session, story: Story) -> Document:
    """Return a session without its transcript."""
    tls = session.tls
    return {
        "id": story.number,
        "peer": {"host": session.peer[0], "port": session.peer[1]},
        "clientName": session.client_name,
        "user": session.user,
        "mechanism": session.mechanism,
        "tls": None
        if tls is None
        else {"version": tls.version, "cipher": tls.cipher, "serverName": tls.server_name},
        "ended": session.ended if story.ended else None,  # once all of it is told
        "messages": story.messages,
        "refused": story.refused,
        "violations": list(story.violations),
    }


def session_document(session: Session, story: Story) -> Document:
    """Return a session with transcript and violations; of very long ones the beginning and the end."""
    return {
        **session_row(session, story),
        "transcript": session.transcript.render(),
        "violations": [_violation(violation) for violation in session.violations],
    }


def _violation(violation: Violation) -> Document:
    return {
        "name": violation.name,
        "line": violation.line,
        "rfc": violation.rfc,
        "fatal": violation.fatal,
    }


_ACCOUNTS = ("users", "tokens")


def settings_document(settings: ServerSettings, names: Mapping[str, str]) -> Document:
    """Return settings; of accounts the users alone, never a secret.

    Args:
        settings: what to show.
        names: the settings to show, by their spelling in JSON.
    """
    document: Document = {}
    for spelled, name in names.items():
        value = getattr(settings, name)
        if name in _ACCOUNTS and value != "*":
            value = list(value)
        document[spelled] = list(value) if isinstance(value, tuple) else value
    return document
