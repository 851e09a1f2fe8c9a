from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_smtp4d.records.record import ReceivedMessage
from pytest_smtp4d.server.dialogue import replies
from pytest_smtp4d.smtp.reply import Reply
from tests.server.dialogue.driving import HELLO, MAIL, RCPT, DrivenSession, FakeHost

REPLIES = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}

LOGIN: dict[str, Any] = {"users": {"ada": "pass"}, "tls": "none"}
GOOD = base64.b64encode(b"\0ada\0pass").decode()
WRONG = base64.b64encode(b"\0ada\0wrong").decode()
SCRAM = base64.b64encode(b"n,,n=ada,r=nonce").decode()
NO_PROOF = base64.b64encode("c=biws,r=x,p=ä".encode()).decode()


@dataclass(frozen=True)
class Provocation:
    """How to come by a reply.

    Args:
        lines: what the client says, a reply each, without the last CRLF; the last is answered with it.
        settings: of the server.
        fault: the stage of a fault that comes before, and its reply.
        is_greylisted: whether recipients have to wait.
        is_broken: whether the inbox raises.
        is_full: whether there are too many sessions.
    """

    lines: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    fault: tuple[str, int] | None = None
    is_greylisted: bool = False
    is_broken: bool = False
    is_full: bool = False


def to(*lines: str, **settings: Any) -> Provocation:
    """Return what these lines provoke from a server with these settings."""
    return Provocation(lines, settings)


# The name of a reply -> what provokes it.
PROVOKED = {
    "GREETING": to(),
    "GREETING_WITHOUT_ESMTP": to(esmtp=False),
    "TOO_MANY_CONNECTIONS": Provocation(is_full=True),
    "TOO_MANY_MESSAGES": to(HELLO, MAIL, RCPT, "BDAT 0 LAST", MAIL, message_limit=1),
    "NO_SERVICE": Provocation((HELLO,), fault=("CONNECT", 554)),
    "TLS_REQUIRED": to(HELLO, MAIL, require_tls=True),
    "AUTH_REQUIRED": to(HELLO, MAIL, **LOGIN),
    "NOT_RECOGNISED": to("XYZZY"),
    "LINE_TOO_LONG": to("NOOP " + "x" * 508),
    "NO_NUL": to("NOOP \0"),
    "NO_ARGUMENT": to("RSET now"),
    "OK": to("NOOP"),
    "INTERNAL_ERROR": Provocation((HELLO, MAIL, RCPT, "BDAT 3 LAST\r\nx"), is_broken=True),
    "HELLO_FIRST": to(MAIL),
    "EHLO_FIRST": to("STARTTLS"),
    "HELO_OK": to("HELO client.example.com"),
    "HELO_NEEDS_NAME": to("HELO"),
    "EHLO_NEEDS_NAME": to("EHLO"),
    "NO_ESMTP": to(HELLO, esmtp=False),
    "NO_STARTTLS": to(HELLO, "STARTTLS", tls="none"),
    "TLS_ALREADY": to("STARTTLS", tls="implicit"),
    "READY_FOR_TLS": to(HELLO, "STARTTLS"),
    "NOT_VERIFIED": to("VRFY ada"),
    "VRFY_NEEDS_ADDRESS": to("VRFY"),
    "NO_EXPN": to("EXPN list"),
    "BYE": to("QUIT"),
    "LOGGED_IN": to(HELLO, f"AUTH PLAIN {GOOD}", **LOGIN),
    "FAILED_LOGIN": to(HELLO, f"AUTH PLAIN {WRONG}", **LOGIN),
    "CANCELLED": to(HELLO, "AUTH PLAIN", "*", **LOGIN),
    "NOT_BASE64": to(HELLO, "AUTH PLAIN", "?", **LOGIN),
    "RESPONSE_TOO_LONG": to(HELLO, "AUTH PLAIN", "x" * 12_287, **LOGIN),
    "NO_INITIAL_RESPONSE": to(HELLO, f"AUTH CRAM-MD5 {GOOD}", **LOGIN),
    "NO_AUTH": to(HELLO, "AUTH PLAIN"),
    "UNKNOWN_MECHANISM": to(HELLO, "AUTH NTLM", **LOGIN),
    "TLS_NEEDED": to(HELLO, "AUTH PLAIN", users={"ada": "pass"}),
    "AUTHENTICATED_ALREADY": to(HELLO, f"AUTH PLAIN {GOOD}", "AUTH PLAIN", **LOGIN),
    "IN_TRANSACTION": to(HELLO, MAIL, "AUTH PLAIN", **LOGIN, require_auth=False),
    "AUTH_NEEDS_MECHANISM": to(HELLO, "AUTH", **LOGIN),
    "SENDER_OK": to(HELLO, MAIL),
    "NESTED_MAIL": to(HELLO, MAIL, MAIL),
    "NEEDS_SMTPUTF8": to(HELLO, "MAIL FROM:<jürgen@example.com>"),
    "TOO_BIG": to(HELLO, f"{MAIL} SIZE=1001", size_limit=1000),
    "MAIL_FIRST": to(HELLO, RCPT),
    "RECIPIENT_OK": to(HELLO, MAIL, RCPT),
    "TOO_MANY_RECIPIENTS": to(HELLO, MAIL, RCPT, recipient_limit=0),
    "GREYLISTED": Provocation((HELLO, MAIL, RCPT), {"greylist": 300}, is_greylisted=True),
    "RCPT_FIRST": to(HELLO, MAIL, "DATA"),
    "NO_VALID_RECIPIENTS": to(HELLO, MAIL, RCPT, "DATA", recipient_limit=0),
    "NEEDS_BDAT": to(HELLO, f"{MAIL} BODY=BINARYMIME", RCPT, "DATA"),
    "BDAT_BEGUN": to(HELLO, MAIL, RCPT, "BDAT 0", "DATA"),
    "DATA_NO_ARGUMENT": to(HELLO, MAIL, "DATA now"),
    "GO_AHEAD": to(HELLO, MAIL, RCPT, "DATA"),
    "QUEUED": to(HELLO, MAIL, RCPT, "BDAT 0 LAST"),
    "NO_BDAT": to(HELLO, "BDAT 0 LAST", extensions=("ENHANCEDSTATUSCODES",)),
    "BDAT_SYNTAX": to(HELLO, MAIL, RCPT, "BDAT all"),
    "BDAT_FAILED": to(HELLO, MAIL, RCPT, "BDAT 3\r\nx", "BDAT 0 LAST", size_limit=1),
}


def broken(message: ReceivedMessage) -> None:
    """Fail to take a message."""
    raise OSError("no space left on device")


@pytest.mark.parametrize("name", REPLIES)
def test_each_reply_can_be_provoked(name: str) -> None:
    """A reply that nothing provokes is no reply of ours: each constant has its row, and the row gives it."""
    assert name in PROVOKED, f"nothing provokes {name}: add a row, or remove the reply"
    row = PROVOKED[name]
    host = FakeHost(**row.settings)
    host.is_waiting, host.is_full = row.is_greylisted, row.is_full
    if row.is_broken:
        host.deliver = broken
    if row.fault is not None:
        host.rules.add(row.fault[0]).reply(row.fault[1])
    client = DrivenSession(host)
    if host.settings.tls == "implicit":
        client.start_tls()
    last = client.reply()
    for line in row.lines:
        last = client.ask(line)
    assert last.encode() + b"\r\n" == REPLIES[name].octets
    assert client.rest() == b""


def test_every_row_is_about_a_reply() -> None:
    """None is left of a reply that was removed or renamed."""
    assert PROVOKED.keys() == REPLIES.keys()


@pytest.mark.parametrize(
    ("reply", "plain"),
    [
        (replies.OK, Reply(250, "OK")),
        (replies.GREETING, replies.GREETING),
        (Reply(250, "2.1.5 one\n2.1.5 two"), Reply(250, "one\ntwo")),
    ],
)
def test_a_reply_without_enhanced_code(reply: Reply, plain: Reply) -> None:
    """RFC 2034: it is said where it is on offer; each line loses it, and what has none stays as it is."""
    assert replies.without_enhanced_code(reply) == plain
