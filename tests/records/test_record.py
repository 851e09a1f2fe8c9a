from __future__ import annotations

import email.message
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.mail import incoming
from pytest_smtp4d.records.record import Command, ReceivedMessage, Session, Tls, Transaction
from pytest_smtp4d.records.recorder import KEPT, Recorder
from pytest_smtp4d.smtp.reply import Reply

MOMENT = datetime(2026, 11, 22, tzinfo=timezone.utc)

NEWSLETTER = """\
From: "Shop, Inc." <shop@example.com>
To: Bob <bob@example.org>, Team: carol@example.org, dave@example.org;
Cc: =?utf-8?q?J=C3=B6rg?= <joerg@b=C3=BCcher.example.net>
Subject: =?utf-8?b?R3LDvMOfZQ==?=
X-Id: one
x-id: =?utf-8?q?tw=C3=B6?=
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=mixed

--mixed
Content-Type: multipart/related; boundary=related

--related
Content-Type: multipart/alternative; boundary=alternative

--alternative
Content-Type: text/plain; charset=utf-8

Hello, your code is 4711: https://example.com/text
--alternative
Content-Type: text/html; charset=utf-8

<title>2026</title><p>Hello, your code is <b>4711</b></p>
<a href="https://example.com/confirm?a=1&amp;id=987654">confirm 1234</a>
<a href="https://example.com/unsubscribe">unsubscribe</a>
--alternative--
--related
Content-Type: image/png
Content-ID: <logo>
Content-Disposition: inline; filename=logo.png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--related--
--mixed
Content-Type: text/plain; charset=utf-8
Content-Disposition: attachment; filename="terms.txt"

Terms
--mixed--
""".replace("\n", "\r\n").replace("=C3=BCcher", "ücher")


def message(
    content: str | bytes = NEWSLETTER,
    *,
    mail_from: str = "bounce@example.com",
    rcpt_to: Sequence[str] = ("bob@example.org",),
    rcpt_options: Mapping[str, Sequence[str]] | None = None,
) -> ReceivedMessage:
    """Make a received message."""
    octets = content.encode() if isinstance(content, str) else content
    session = Session(("127.0.0.1", 40001))
    return ReceivedMessage(mail_from, rcpt_to, ["SIZE=9"], rcpt_options or {}, octets, MOMENT, session)


# A message.


def test_the_envelope_is_kept_apart() -> None:
    """Envelope, parameters, octets, moment and session are as the server gave them."""
    received = message("Subject: x\r\n\r\n", mail_from="", rcpt_options={"bob@example.org": ["NOTIFY=NEVER"]})
    assert received.mail_from == ""
    assert received.rcpt_to == ("bob@example.org",)
    assert received.mail_options == ("SIZE=9",)
    assert received.rcpt_options == {"bob@example.org": ("NOTIFY=NEVER",)}
    assert received.content == b"Subject: x\r\n\r\n"
    assert received.received_at == MOMENT
    assert received.session.peer == ("127.0.0.1", 40001)
    assert repr(received) == "<ReceivedMessage from <> to bob@example.org, 14 octets>"
    many = message("", rcpt_to=[f"r{number}@example.org" for number in range(9)])
    assert repr(many).endswith("to r0@example.org, r1@example.org, r2@example.org and 6 more, 0 octets>")


def test_the_header_is_read() -> None:
    """Subject and addresses are decoded; groups are their members; fields are found in any case, in order."""
    received = message()
    assert received.subject == "Grüße"
    assert received.from_ == ["shop@example.com"]
    assert received.to == ["bob@example.org", "carol@example.org", "dave@example.org"]
    assert received.cc == ["joerg@bücher.example.net"]
    assert received.header("X-ID") == ["one", "twö"]
    assert received.header("X-None") == []


def test_the_body_is_read() -> None:
    """Text and HTML are those of the body; every other part is an attachment, inline pictures included."""
    received = message()
    assert received.text_body == "Hello, your code is 4711: https://example.com/text"
    assert received.html_body is not None
    assert received.html_body.startswith("<title>2026</title>")
    assert [(attachment.name, attachment.type) for attachment in received.attachments] == [
        ("logo.png", "image/png"),
        ("terms.txt", "text/plain"),
    ]
    assert [attachment.get_content() for attachment in received.attachments] == [
        b"\x89PNG\r\n\x1a\n",
        b"Terms",
    ]


def test_links_and_codes_are_what_a_reader_sees() -> None:
    """Links are the HTML's, decoded; codes come from visible text alone, not from titles, links or URLs."""
    received = message()
    assert received.links() == [
        "https://example.com/confirm?a=1&id=987654",
        "https://example.com/unsubscribe",
    ]
    assert received.links("confirm") == ["https://example.com/confirm?a=1&id=987654"]
    assert received.links(re.compile("UNSUB", re.IGNORECASE)) == ["https://example.com/unsubscribe"]
    assert received.codes() == ["4711", "1234"]
    assert received.codes(r"code is (\d+)") == ["4711"]


def test_without_html_the_text_is_read() -> None:
    """A mail of text alone has links and codes, too."""
    received = message("Subject: x\r\n\r\nGo to https://example.com/4711/x. Code: 123456\r\n")
    assert received.html_body is None
    assert received.links() == ["https://example.com/4711/x"]
    assert received.codes() == ["123456"]


def test_bcc_is_whom_the_header_does_not_name() -> None:
    """Recipients that neither To nor Cc names are blind copies; domains compare in any case and as IDN."""
    recipients = ["bob@EXAMPLE.org", "joerg@xn--bcher-kva.example.net", "Bob@example.org", "eve@example.com"]
    assert message(rcpt_to=recipients).bcc == ["Bob@example.org", "eve@example.com"]


def test_a_bare_message_has_views() -> None:
    """Without header fields and without a body, every view says so."""
    received = message(b"")
    assert (received.subject, received.from_, received.to, received.cc) == ("", [], [], [])
    assert (received.html_body, received.attachments, received.links(), received.codes()) == (
        None,
        [],
        [],
        [],
    )
    assert received.bcc == ["bob@example.org"]


def test_a_view_reads_no_more_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subject, an address, a header and a text are there without the whole mail object."""

    def refuse(*_: object) -> None:
        raise AssertionError("the whole mail was read")

    monkeypatch.setattr(incoming, "mail_convert_from_mime", refuse)
    received = message()
    assert (received.subject, received.from_, received.header("x-id")) == (
        "Grüße",
        ["shop@example.com"],
        ["one", "twö"],
    )
    assert "4711" in (received.text_body or "")
    assert "<b>4711</b>" in (received.html_body or "")
    with pytest.raises(AssertionError, match="the whole mail was read"):
        _ = received.attachments


def test_views_are_made_once() -> None:
    """A view is parsed on first use and the same object afterwards, the standard library's among them."""
    received = message()
    assert received.email is received.email
    assert received.mime is received.mime
    assert isinstance(received.mime, email.message.EmailMessage)
    assert received.mime["Subject"] == "Grüße"
    assert received.attachments is received.attachments


@given(st.binary(max_size=300))
def test_any_content_has_views(content: bytes) -> None:
    """Whatever octets arrive, looking at them never fails."""
    received = message(content)
    assert isinstance(received.subject, str)
    assert isinstance(received.text_body, (str, type(None)))
    assert isinstance(
        [received.from_, received.bcc, received.attachments, received.links(), received.codes()], list
    )
    assert received.header("Subject") == [] or received.subject is not None


# A transaction.


def test_a_transaction_grows() -> None:
    """Recipients are recorded as they are accepted and refused; what was read before does not change."""
    transaction = Transaction("a@example.com", mail_options=["BODY=8BITMIME"])
    before = transaction.rcpt_to
    transaction._accept_recipient("b@example.org", ["NOTIFY=NEVER"])
    transaction._refuse_recipient("c@example.org", Reply(550, "5.1.1 No such user"))
    assert before == ()
    assert transaction.rcpt_to == ("b@example.org",)
    assert transaction.rcpt_options == {"b@example.org": ("NOTIFY=NEVER",)}
    assert transaction.refused == {"c@example.org": Reply(550, "5.1.1 No such user")}
    assert transaction.mail_options == ("BODY=8BITMIME",)
    assert (transaction.reply, transaction.message) == (None, None)
    assert repr(transaction) == "<Transaction from a@example.com to b@example.org, 1 refused, reply None>"


# A session.


def hear(recorder: Recorder, *lines: str) -> None:
    """Record command lines."""
    for line in lines:
        verb, _, argument = line.partition(" ")
        recorder.command(line.encode() + b"\r\n", verb.upper(), argument.strip(), pipelined=False)


def test_a_session_records_commands_with_their_replies() -> None:
    """Each command has its last reply, once there is one, in the order of the commands."""
    recorder = Recorder()
    session = Session(("::1", 40001), recorder)
    recorder.reply(Reply(220, "mx.example.com"))
    hear(recorder, "EHLO client.example.org")
    recorder.reply(Reply(250, "mx.example.com"))
    hear(recorder, "MAIL FROM:<a@example.com>")
    assert session.commands == (
        Command("EHLO", "client.example.org", Reply(250, "mx.example.com")),
        Command("MAIL", "FROM:<a@example.com>", None),
    )
    recorder.reply(Reply(334))
    recorder.reply(Reply(451, "4.3.0 Try later"))
    assert session.commands[1].reply == Reply(451, "4.3.0 Try later")


def test_a_session_masks_a_login() -> None:
    """Of AUTH the mechanism stays; what an unknown verb may hold after a login is masked."""
    recorder = Recorder()
    hear(
        recorder,
        "HELLO x",
        "AUTHPLAIN AGpvZQBodW50ZXIy",
        "AUTH\tPLAIN AGpvZQBodW50ZXIy",
        " AUTH PLAIN AGpvZQBodW50ZXIy",
        "\tAUTH PLAIN AGpvZQBodW50ZXIy",
        "AUTH PLAIN AGpvZQBodW50ZXIy",
        "AUTH LOGIN",
        "AHVUDGVYMG==",
        "MAIL FROM:<a@example.com>",
    )
    session = Session(("127.0.0.1", 40001), recorder)
    assert [(command.verb, command.argument) for command in session.commands] == [
        ("HELLO", "x"),
        ("AUTHPLAIN", "********"),
        ("AUTH\tPLAIN", "********"),
        ("", "AUTH PLAIN ********"),
        ("\tAUTH", "PLAIN ********"),
        ("AUTH", "PLAIN ********"),
        ("AUTH", "LOGIN"),
        ("********", ""),
        ("MAIL", "FROM:<a@example.com>"),
    ]
    assert not any("AGpvZQ" in repr(item) or "AHVUD" in repr(item) for item in recorder.raw.entries)


def test_a_session_goes_on_in_an_empty_record() -> None:
    """What is known of the client stays, and so does the mask over what may be an answer to a challenge."""
    recorder = Recorder()
    before = Session(("127.0.0.1", 40001), recorder)
    before.client_name, before.user, before.mechanism = "client.example.com", "me", "PLAIN"
    recorder.broken()
    hear(recorder, "AUTH LOGIN")
    after, pen = before._continued()
    assert (after.peer, after.client_name, after.user, after.mechanism, after._broken) == (
        before.peer,
        "client.example.com",
        "me",
        "PLAIN",
        True,
    )
    assert (after.commands, str(after.transcript)) == ((), "")
    hear(pen, "AHVUDGVYMG==")
    assert after.commands[0].verb == "********"
    assert str(after.transcript) == "C: ********"


def test_a_long_session_forgets_its_middle() -> None:
    """Beginning and end stay, a line says how many are missing, and no violation is lost."""
    recorder = Recorder()
    session = Session(("127.0.0.1", 40001), recorder)
    total = 0
    for _ in range(3):
        while not recorder.is_long:
            hear(recorder, f"NOOP {total}")
            recorder.command(f"NOOP {total} bare\n".encode(), "NOOP", "", pipelined=False)
            total += 1
        session._forget_middle()
    lines = session.transcript.lines
    (gap,) = (line for line in lines if line.left_out)
    assert (len(lines) - 1 + gap.left_out, len(lines)) == (2 * total, 2 * KEPT)
    assert lines[0].octets == b"NOOP 0"
    assert lines[-1].octets == f"NOOP {total - 1} bare\n".encode()
    assert str(gap) == f"[{gap.left_out} lines of a long session left out]"
    assert len(session.violations) == total
    assert len(session.commands) == 2 * KEPT - 1


def test_a_session_ends_once() -> None:
    """The first reason stays; until then the session is live."""
    session = Session(("127.0.0.1", 40001))
    assert repr(session) == "<Session of 127.0.0.1:40001, 0 commands, 0 transactions, live>"
    session._end("QUIT")
    session._end("client closed")
    assert session.ended == "QUIT"
    assert repr(session) == "<Session of 127.0.0.1:40001, 0 commands, 0 transactions, QUIT>"


def test_a_session_starts_knowing_the_peer_alone() -> None:
    """What a client has not said yet is None; what it did is empty."""
    session = Session(("127.0.0.1", 40001))
    assert (session.client_name, session.tls, session.user, session.mechanism) == (None, None, None, None)
    assert (session.commands, session.transactions, session.violations) == ((), (), ())
    assert str(session.transcript) == ""
    session.tls = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    assert session.tls.server_name is None


def test_transactions_are_kept_in_order() -> None:
    """One per MAIL, accepted or not."""
    session = Session(("127.0.0.1", 40001))
    first, second = Transaction("a@example.com", reply=Reply(550)), Transaction("b@example.com")
    session._begin(first)
    session._begin(second)
    assert session.transactions == (first, second)
