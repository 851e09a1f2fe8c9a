from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any
from unittest.mock import ANY

import pytest

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.records.expect import Comparison, Expectation, explain_excess, explain_lack
from pytest_smtp4d.records.record import ReceivedMessage, Session, Transaction
from pytest_smtp4d.records.recorder import Recorder
from pytest_smtp4d.smtp.reply import Reply

MOMENT = datetime(2026, 11, 22, tzinfo=timezone.utc)


def message(
    subject: str = "Welcome",
    *,
    mail_from: str = "shop@example.com",
    rcpt_to: tuple[str, ...] = ("bob@example.org",),
    header: str = "",
    body: str = "Hello Bob,\r\nyour code is 4711.\r\n",
) -> ReceivedMessage:
    """Make a received message."""
    content = (
        f"From: Shop <shop@example.com>\r\nTo: Bob <bob@example.org>\r\nCc: carol@example.net\r\n"
        f"Subject: {subject}\r\n{header}\r\n{body}"
    )
    return ReceivedMessage(
        mail_from, rcpt_to, (), {}, content.encode(), MOMENT, Session(("127.0.0.1", 40001))
    )


def starts_with_hello(text: str) -> bool:
    """Stand for a user's predicate."""
    return text.startswith("Hello")


@pytest.mark.parametrize(
    ("criteria", "accepted"),
    [
        ({}, True),
        ({"subject": "Welcome"}, True),
        ({"subject": "welcome"}, False),
        ({"subject": re.compile("^Wel")}, True),
        ({"subject": re.compile("^come")}, False),
        ({"subject": str.istitle}, True),
        ({"subject": ANY}, True),
        ({"mail_from": "shop@example.com"}, True),
        ({"mail_from": ""}, False),
        ({"rcpt_to": "bob@example.org"}, True),
        ({"rcpt_to": "dave@example.org"}, True),
        ({"rcpt_to": "nobody@example.org"}, False),
        ({"rcpt_to": ["bob@example.org", "dave@example.org"]}, True),
        ({"rcpt_to": ("bob@example.org", re.compile("^dave@"))}, True),
        ({"rcpt_to": ["bob@example.org"]}, False),
        ({"rcpt_to": ["dave@example.org", "bob@example.org"]}, False),
        ({"rcpt_to": re.compile("^dave")}, True),
        ({"rcpt_to": lambda mailbox: mailbox.endswith(".net")}, False),
        ({"from_": "shop@example.com", "to": "bob@example.org", "cc": ["carol@example.net"]}, True),
        ({"to": []}, False),
        ({"bcc": "dave@example.org"}, True),
        ({"bcc": ["dave@example.org"]}, True),
        ({"text_body": starts_with_hello}, True),
        ({"html_body": None}, True),
        ({"html_body": re.compile("x")}, False),
        ({"text_body": None}, False),
        ({"headers": {"X-Id": "7"}}, True),
        ({"headers": {"x-id": re.compile(r"^\d$"), "X-Twice": "two"}}, True),
        ({"headers": {"X-Twice": ["one", "two"]}}, True),
        ({"headers": {"X-Twice": ["one"]}}, False),
        ({"headers": {"X-None": None}}, True),
        ({"headers": {"X-Id": None}}, False),
        ({"headers": {"X-Id": "7", "X-Twice": "three"}}, False),
        ({"headers": {}}, True),
        ({"subject": "Welcome", "mail_from": "else@example.com"}, False),
    ],
)
def test_criteria(criteria: dict[str, Any], accepted: bool) -> None:
    """Texts compare with ==, patterns are searched, predicates called; a list is the whole, else any item."""
    received = message(
        rcpt_to=("bob@example.org", "dave@example.org"), header="X-Id: 7\r\nX-Twice: one\r\nX-Twice: two\r\n"
    )
    assert Expectation(criteria).accepts(received) is accepted


def test_a_difference_is_data() -> None:
    """Each criterion is held against the message as a row of data."""
    expectation = Expectation({"subject": "Bye", "headers": {"X-Id": "7"}, "mail_from": "shop@example.com"})
    assert list(expectation.compare(message())) == [
        Comparison("subject", "Bye", "Welcome", agrees=False),
        Comparison("headers['X-Id']", "7", [], agrees=False),
        Comparison("mail_from", "shop@example.com", "shop@example.com", agrees=True),
    ]


@pytest.mark.parametrize(
    ("criteria", "words"),
    [
        ({"subjct": "x"}, "unknown criterion 'subjct' (did you mean 'subject'?)"),
        ({"from": "x"}, "unknown criterion 'from' (did you mean 'from_'?)"),
        (
            {"headers": ["X-Id"]},
            "headers is a mapping of field names to what they hold, not ['X-Id']",
        ),
        ({"headers": {5: "x"}}, "a field name of headers is a str, not 5"),
        ({"subject": b"x"}, "subject is text, so it is compared with a str or a pattern of str, not b'x'"),
        (
            {"headers": {"X": re.compile(b"x")}},
            "headers['X'] is text, so it is compared with a str or a pattern of str, not re.compile(b'x')",
        ),
        ({"rcpt_to": [b"x"]}, "rcpt_to is text, so it is compared with a str or a pattern of str, not b'x'"),
    ],
)
def test_an_impossible_criterion_is_refused(criteria: dict[str, Any], words: str) -> None:
    """An unknown criterion names the nearest one; what could never match is refused, too."""
    with pytest.raises(SettingsError) as error:
        Expectation(criteria)
    assert str(error.value) == words


def lack(
    criteria: dict[str, Any],
    messages: list[ReceivedMessage],
    sessions: list[Session],
    *,
    wanted: int = 1,
    timeout: float = 0,
) -> str:
    """Explain why too few messages are there."""
    return explain_lack(Expectation(criteria), messages, sessions, wanted=wanted, timeout=timeout)


def test_nobody_came() -> None:
    """Without any client the words say so, and what a client needs."""
    assert lack({}, [], []) == (
        "no message arrived\n"
        "no client connected: give yours the server's host and port, or `client_options()`"
    )


def test_the_nearest_miss_is_shown_field_by_field() -> None:
    """The message that differs least is shown criterion by criterion, then all that arrived."""
    messages = [message("Goodbye", rcpt_to=("alice@example.org",)), message("Welcome!"), message("Invoice")]
    sessions = [messages[1].session]
    sessions[0].begin(Transaction("shop@example.com", ("bob@example.org",), message=messages[1]))
    criteria = {
        "subject": "Welcome",
        "rcpt_to": "bob@example.org",
        "cc": re.compile("dave"),
        "text_body": starts_with_hello,
        "html_body": starts_with_nothing,
    }
    assert lack(criteria, messages, sessions, timeout=2.5) == (
        "no message with subject='Welcome', rcpt_to='bob@example.org', cc=re.compile('dave'), "
        "text_body=starts_with_hello, html_body=starts_with_nothing arrived within 2.5 s\n"
        "nearest, message 2:\n"
        "  subject: expected 'Welcome', received 'Welcome!'\n"
        "  rcpt_to: as expected\n"
        "  cc: expected re.compile('dave'), received ['carol@example.net']\n"
        "  text_body: as expected\n"
        "  html_body: expected starts_with_nothing, received None\n"
        "arrived:\n"
        "  1. from shop@example.com to alice@example.org, subject 'Goodbye'\n"
        "  2. from shop@example.com to bob@example.org, subject 'Welcome!'\n"
        "  3. from shop@example.com to bob@example.org, subject 'Invoice'"
    )


def starts_with_nothing(_: object) -> bool:
    """Stand for a user's predicate."""
    return False


def test_a_text_of_lines_is_compared_by_lines() -> None:
    """Of long texts only the lines that differ are shown, with their surroundings."""
    received = message(body="Hello Bob,\r\n\r\nyour code is 4711.\r\n\r\nThe shop\r\n")
    expected = "Hello Bob,\n\nyour code is 4712.\n\nThe shop\n"
    assert lack({"text_body": expected}, [received], []).split("\n")[1:7] == [
        "nearest, message 1:",
        "  text_body: differs (- expected, + received)",
        "    @@ -2,3 +2,3 @@",
        "     ",
        "    -your code is 4712.",
        "    +your code is 4711.",
    ]


def test_a_line_of_dashes_differs_as_any_other() -> None:
    """The line before a signature, "-- ", is not taken for a part of the difference's own head."""
    received = message(body="Hello\r\n++ more\r\n")
    assert lack({"text_body": "Hello\n-- \n"}, [received], []).split("\n")[4:7] == [
        "     Hello",
        "    --- ",
        "    +++ more",
    ]


def test_only_line_ends_differ() -> None:
    """Texts that differ in line ends alone show them."""
    received = message(body="one\r\ntwo\r\n\r\n")
    assert "    -two\n    +two\\n" in lack({"text_body": "one\ntwo"}, [received], [])


def test_too_few_of_several() -> None:
    """`wait_for(2)` says how many came, and what is near among the others."""
    messages = [message("Welcome"), message("Wellcome")]
    assert lack({"subject": "Welcome"}, messages, [Session(("127.0.0.1", 1))], wanted=2, timeout=5) == (
        "1 of 2 messages with subject='Welcome' arrived within 5 s\n"
        "nearest, message 2:\n"
        "  subject: expected 'Welcome', received 'Wellcome'\n"
        "arrived:\n"
        "  1. from shop@example.com to bob@example.org, subject 'Welcome'\n"
        "  2. from shop@example.com to bob@example.org, subject 'Wellcome'\n"
        "sessions still open, before MAIL:\n"
        "  127.0.0.1:1: still open; no command"
    )


def test_refused_transactions_are_shown() -> None:
    """What the server refused, and at which command, stands beside what it took."""
    refused, partly, open_one = (
        Session(("127.0.0.1", 1)),
        Session(("127.0.0.1", 2)),
        Session(("127.0.0.1", 3)),
    )
    refused.begin(Transaction("a@example.com", reply=Reply(550, "5.7.1 Sender refused")))
    no_user = Transaction("", reply=None)
    no_user.refuse_recipient("nobody@example.org", Reply(550, "5.1.1 No such user"))
    refused.begin(no_user)
    refused.begin(Transaction("a@example.com", ("b@example.org",), reply=Reply(451, "4.3.0 Try later")))
    refused.begin(Transaction("a@example.com", ("b@example.org",)))
    refused.end("client closed")
    half = Transaction("a@example.com", ("b@example.org",), {"c@example.org": Reply(550, "No")})
    half.message = message()
    partly.begin(half)
    open_one.begin(Transaction("a@example.com", tuple(f"r{number}@example.org" for number in range(5))))
    assert lack({}, [], [refused, partly, open_one]) == (
        "no message arrived\n"
        "refused transactions:\n"
        "  from a@example.com: refused with 550 5.7.1 Sender refused\n"
        "  from <>: RCPT nobody@example.org refused with 550 5.1.1 No such user, abandoned (RSET)\n"
        "  from a@example.com to b@example.org: refused with 451 4.3.0 Try later\n"
        "  from a@example.com to b@example.org: abandoned (client closed)\n"
        "  from a@example.com to b@example.org: RCPT c@example.org refused with 550 No, sent to the others\n"
        "  from a@example.com to r0@example.org, r1@example.org, r2@example.org and 2 more: still open"
    )


def ended(reason: str | None, *commands: tuple[str, str, Reply | None]) -> Session:
    """Make a session without MAIL."""
    recorder = Recorder()
    session = Session(("127.0.0.1", 40001), recorder)
    for verb, argument, reply in commands:
        recorder.command(f"{verb} {argument}".strip().encode() + b"\r\n", verb, argument, pipelined=False)
        if reply is not None:
            recorder.reply(reply)
    if reason is not None:
        session.end(reason)
    return session


NOT_TRUSTED = (
    "the client does not trust the certificate: give it `ca_file` or `client_context()`, or `smtp_trust`"
)
EHLO = ("EHLO", "client.example.org", Reply(250, "mx.example.com\nSTARTTLS"))
STARTTLS = ("STARTTLS", "", Reply(220, "2.0.0 Ready"))


@pytest.mark.parametrize(
    ("session", "happened", "advice"),
    [
        (
            ended("TLS alert: unknown ca", EHLO, STARTTLS),
            "TLS alert: unknown ca; last command STARTTLS, answered 220 2.0.0 Ready",
            NOT_TRUSTED,
        ),
        (
            ended("TLSV1_ALERT_UNKNOWN_CA"),
            "TLSV1_ALERT_UNKNOWN_CA; no command",
            NOT_TRUSTED,
        ),
        (
            ended("TLS alert: bad certificate", EHLO, STARTTLS),
            "TLS alert: bad certificate; last command STARTTLS, answered 220 2.0.0 Ready",
            "the client refused the certificate: trust `ca_file`, and connect to a name that it holds",
        ),
        (
            ended("TLS alert: certificate expired"),
            "TLS alert: certificate expired; no command",
            "the client finds the certificate out of date: see the setting `certificate`",
        ),
        (
            ended("TLS: peer did not return a certificate"),
            "TLS: peer did not return a certificate; no command",
            "the server asks for a client certificate: use `client_context(identity=True)`",
        ),
        (
            ended("TLS: unsupported protocol"),
            "TLS: unsupported protocol; no command",
            "client and server share no TLS version or cipher: see the setting `tls_versions`",
        ),
        (
            ended("TLS: wrong version number"),
            "TLS: wrong version number; no command",
            "the client spoke plaintext where TLS was due: see the setting `tls`",
        ),
        (
            ended("client closed in TLS"),
            "client closed in TLS; no command",
            "the handshake did not end: with tls='implicit' the client has to begin with TLS",
        ),
        (
            ended("TLS handshake where clear text was due: use STARTTLS"),
            "TLS handshake where clear text was due: use STARTTLS; no command",
            "the client began with TLS where plaintext was due: set tls='implicit', or let it use STARTTLS",
        ),
        (
            ended("QUIT", EHLO, ("AUTH", "PLAIN AGpvZQBodW50ZXIy", Reply(535, "5.7.8 Bad credentials"))),
            "QUIT; last command AUTH PLAIN ********, answered 535 5.7.8 Bad credentials",
            "the login was refused: the settings `users` and `tokens` say who may log in",
        ),
        (
            ended("QUIT", EHLO, ("AUTH", "LOGIN", Reply(538, "5.7.11 no")), ("QUIT", "", Reply(221, "Bye"))),
            "QUIT; last command AUTH LOGIN, answered 538 5.7.11 no",
            "the mechanism needs TLS first: let the client use STARTTLS, or set `auth_without_tls`",
        ),
        (
            ended("client closed", EHLO, ("AUTH", "NTLM", Reply(504, "5.5.4 no"))),
            "client closed; last command AUTH NTLM, answered 504 5.5.4 no",
            "the client's mechanism is not on offer: see the setting `auth`",
        ),
        (
            ended("client closed", EHLO, ("VRFY", "bob", Reply(530, "5.7.0 no"))),
            "client closed; last command VRFY bob, answered 530 5.7.0 no",
            "the server requires a login or TLS first: see `require_auth` and `require_tls`",
        ),
        (
            ended("client closed"),
            "client closed; no command",
            "no EHLO: the client left before it had said anything; see the setting `tls`",
        ),
        (
            ended("client closed", EHLO),
            "client closed; last command EHLO client.example.org, answered 250 mx.example.com",
            None,
        ),
        (
            ended("disconnected at EHLO", ("EHLO", "x" * 90, None)),
            f"disconnected at EHLO; last command EHLO {'x' * 75}…, not answered",
            None,
        ),
    ],
)
def test_a_session_that_ended_before_mail_is_explained(
    session: Session, happened: str, advice: str | None
) -> None:
    """Who left before MAIL is shown with the reason, the last command and what to do about it."""
    lines = ["no message arrived", "sessions that ended before MAIL:", f"  127.0.0.1:40001: {happened}"]
    lines += [] if advice is None else [f"    {advice}"]
    assert lack({}, [], [session]) == "\n".join(lines)


def test_too_many() -> None:
    """Messages beyond what was expected are listed."""
    expectation = Expectation({"subject": re.compile("Wel")})
    both = [message("Welcome", mail_from=""), message("Welcome back")]
    assert explain_excess(expectation, both, wanted=1) == (
        "2 messages with subject=re.compile('Wel') arrived, one was expected\n"
        "  1. from <> to bob@example.org, subject 'Welcome'\n"
        "  2. from shop@example.com to bob@example.org, subject 'Welcome back'"
    )
    assert explain_excess(Expectation({}), both[:1], wanted=0) == (
        "1 message arrived, none was expected\n  1. from <> to bob@example.org, subject 'Welcome'"
    )


def test_very_many_are_cut() -> None:
    """Of very many rows the last ones are shown, and how many were left out; so are long values."""
    text = lack(
        {}, [message(f"Mail {number}") for number in range(50)], [Session(("127.0.0.1", 1))], wanted=51
    )
    lines = text.split("\n")
    assert lines[:4] == [
        "50 of 51 messages arrived",
        "arrived:",
        "  (30 earlier left out)",
        "  31. from shop@example.com to bob@example.org, subject 'Mail 30'",
    ]
    words = lack({"subject": "x" * 500}, [message()], [])
    assert f"  subject: expected '{'x' * 199}… (502 characters), received 'Welcome'" in words.split("\n")
