from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any
from unittest.mock import ANY

import pytest

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.records.expect import Comparison, Expectation, advice, explain_excess, explain_lack
from pytest_smtp4d.records.record import ReceivedMessage, Session, Tls, Transaction
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
        "nobody connected: no message arrived (looked once, did not wait: see `timeout`)\n"
        "no client connected by then: give yours the server's host and port, or `client_options()`"
    )


def test_the_nearest_miss_is_shown_field_by_field() -> None:
    """The message that differs least is shown criterion by criterion, then all that arrived."""
    messages = [message("Goodbye", rcpt_to=("alice@example.org",)), message("Welcome!"), message("Invoice")]
    sessions = [messages[1].session]
    sessions[0]._begin(Transaction("shop@example.com", ("bob@example.org",), message=messages[1]))
    criteria = {
        "subject": "Welcome",
        "rcpt_to": "bob@example.org",
        "cc": re.compile("dave"),
        "text_body": starts_with_hello,
        "html_body": starts_with_nothing,
    }
    assert lack(criteria, messages, sessions, timeout=2.5) == (
        "nearest subject 'Welcome!': "
        "no message with subject='Welcome', rcpt_to='bob@example.org', cc=re.compile('dave'), "
        "text_body=starts_with_hello, html_body=starts_with_nothing arrived within 2.5 s\n"
        "nearest, message 2:\n"
        "  subject: expected 'Welcome', received 'Welcome!'\n"
        "    as a pattern it would match: re.compile('Welcome'); a text is compared with ==\n"
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
        "nearest subject 'Wellcome': 1 of 2 messages with subject='Welcome' arrived within 5 s\n"
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
    refused._begin(Transaction("a@example.com", reply=Reply(550, "5.7.1 Sender refused")))
    no_user = Transaction("", reply=None)
    no_user._refuse_recipient("nobody@example.org", Reply(550, "5.1.1 No such user"))
    refused._begin(no_user)
    refused._begin(Transaction("a@example.com", ("b@example.org",), reply=Reply(451, "4.3.0 Try later")))
    refused._begin(Transaction("a@example.com", ("b@example.org",)))
    refused._end("client closed")
    half = Transaction("a@example.com", ("b@example.org",), {"c@example.org": Reply(550, "No")})
    half.message = message()
    partly._begin(half)
    open_one._begin(Transaction("a@example.com", tuple(f"r{number}@example.org" for number in range(5))))
    assert lack({}, [], [refused, partly, open_one]) == (
        "refused with 451 4.3.0 Try later: no message arrived (looked once, did not wait: see `timeout`)\n"
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
        session._end(reason)
    return session


def under_tls(session: Session) -> Session:
    """Let a session have finished its handshake."""
    session.tls = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    return session


def logged_in(session: Session) -> Session:
    """Let a login have succeeded in the end."""
    session.user = "ada"
    return session


NOT_TRUSTED = (
    "the client does not trust the certificate: give it `ca_file` or `client_context()`, or `smtp_trust`"
)
PERHAPS_NOT_TRUSTED = (
    "the client closed during or right after the handshake: most likely it does not trust the certificate: "
    "give it `ca_file` or `client_context()`, or `smtp_trust`"
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
            f"{PERHAPS_NOT_TRUSTED}; a client that begins without TLS needs tls='starttls' or tls='none'",
        ),
        (
            ended("client closed in TLS", EHLO, STARTTLS),
            "client closed in TLS; last command STARTTLS, answered 220 2.0.0 Ready",
            PERHAPS_NOT_TRUSTED,
        ),
        (
            ended("TLS: unexpected eof while reading", EHLO, STARTTLS),
            "TLS: unexpected eof while reading; last command STARTTLS, answered 220 2.0.0 Ready",
            PERHAPS_NOT_TRUSTED,
        ),
        (
            under_tls(ended("client closed", EHLO, STARTTLS)),
            "client closed; last command STARTTLS, answered 220 2.0.0 Ready",
            PERHAPS_NOT_TRUSTED,
        ),
        (
            under_tls(ended("connection reset by the client")),
            "connection reset by the client; no command",
            PERHAPS_NOT_TRUSTED,
        ),
        (
            under_tls(ended("client closed", EHLO, STARTTLS, EHLO)),
            "client closed; last command EHLO client.example.org, answered 250 mx.example.com",
            None,
        ),
        (
            under_tls(ended("stopped", EHLO, STARTTLS)),
            "stopped; last command STARTTLS, answered 220 2.0.0 Ready",
            None,
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
            logged_in(
                ended("QUIT", EHLO, ("AUTH", "PLAIN", Reply(535, "no")), ("AUTH", "LOGIN", Reply(235, "ok")))
            ),
            "QUIT; last command AUTH LOGIN, answered 235 ok",
            None,
        ),
        (
            ended("QUIT", EHLO, ("VRFY", "bob", Reply(530, "no")), ("VRFY", "a", Reply(252, "ok"))),
            "QUIT; last command VRFY a, answered 252 ok",
            None,
        ),
        (
            ended("client closed in TLS, having sent nothing"),
            "client closed in TLS, having sent nothing; no command",
            "the client waited for a greeting where TLS was due: begin with TLS, or set tls='starttls'",
        ),
        (
            ended("TLS: callback failed", EHLO, STARTTLS),
            "TLS: callback failed; last command STARTTLS, answered 220 2.0.0 Ready",
            "gevent's ssl does not call back from TLS in memory: use gevent.monkey.patch_all(ssl=False)",
        ),
        (
            ended("cut by the time-out"),
            "cut by the time-out; no command",
            None,
        ),
        (
            ended("client closed"),
            "client closed; no command",
            "no EHLO: the client left before it had said anything; see the setting `tls`",
        ),
        (
            ended("QUIT", EHLO, ("QUIT", "", Reply(221, "Bye"))),
            "QUIT; last command EHLO client.example.org, answered 250 mx.example.com",
            "the client left after EHLO: if it wanted AUTH, that is on offer under TLS only: "
            "let it use STARTTLS, or set `auth_without_tls`",
        ),
        (
            ended("client closed", ("EHLO", "a", Reply(250, "mx.example.com\nSTARTTLS\nAUTH PLAIN"))),
            "client closed; last command EHLO a, answered 250 mx.example.com",
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
    first, _, text = lack({}, [], [session], timeout=1).partition("\n")
    assert first.endswith("no message arrived within 1 s")
    lines = ["sessions that ended before MAIL:", f"  127.0.0.1:40001: {happened}"]
    lines += [] if advice is None else [f"    {advice}"]
    assert text == "\n".join(lines)


def test_a_refused_mail_has_its_hint() -> None:
    """MAIL before the login that the server requires: what to do stands below the refusal."""
    session = ended("QUIT", EHLO, ("MAIL", "FROM:<a@example.com>", Reply(530, "5.7.0 Login first")))
    session._begin(Transaction("a@example.com", reply=Reply(530, "5.7.0 Login first")))
    assert lack({}, [], [session], timeout=1) == (
        "refused with 530 5.7.0 Login first: no message arrived within 1 s\n"
        "refused transactions:\n"
        "  from a@example.com: refused with 530 5.7.0 Login first\n"
        "    the server requires a login or TLS first: see `require_auth` and `require_tls`"
    )
    session.transactions[0].message = message()
    assert advice(session) == ""


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
    """Of very many rows the last ones are shown, and how many were left out."""
    session = Session(("127.0.0.1", 1))
    session._begin(Transaction("a@example.com", message=message()))
    lines = lack({}, [message(f"Mail {number}") for number in range(50)], [session], wanted=51).split("\n")
    assert lines[:4] == [
        "50 of 51 messages arrived (looked once, did not wait: see `timeout`)",
        "arrived:",
        "  (30 earlier left out)",
        "  31. from shop@example.com to bob@example.org, subject 'Mail 30'",
    ]


def rows(criteria: dict[str, Any], received: ReceivedMessage) -> list[str]:
    """Return the lines about the nearest message, without their indentation of two."""
    lines = lack(criteria, [received], [], timeout=1).split("\n")
    start, end = lines.index("nearest, message 1:"), lines.index("arrived:")
    return [line.removeprefix("  ") for line in lines[start + 1 : end]]


@pytest.mark.parametrize(
    ("criteria", "hint"),
    [
        ({"subject": "Welc"}, "as a pattern it would match: re.compile('Welc'); a text is compared with =="),
        ({"subject": "elcome t"}, None),
        (
            {"subject": "^Wel.*e$"},
            "as a pattern it would match: re.compile('^Wel.*e$'); a text is compared with ==",
        ),
        ({"subject": "WELCOME"}, "without case it would match: re.compile('^WELCOME$', re.IGNORECASE)"),
        (
            {"subject": "Wel*"},
            "as a shell pattern it would match: re.compile('^Wel.*$'); texts are compared with ==",
        ),
        (
            {"to": "*@example*"},
            "as a shell pattern it would match: re.compile('^.*@example.*$'); texts are compared with ==",
        ),
        (
            {"headers": {"X-Id": "number"}},
            "as a pattern it would match: re.compile('number'); a text is compared with ==",
        ),
        ({"subject": "[[:a"}, None),
        ({"subject": "(?P<x"}, None),
        ({"subject": ""}, None),
        ({"subject": "(W+e+)+(l+)+c"}, None),
    ],
)
def test_what_would_have_matched_otherwise_is_said(criteria: dict[str, Any], hint: str | None) -> None:
    """A text that is part of what arrived, a glob, a regular expression, another case: one line says how."""
    hints = [line.strip() for line in rows(criteria, message(header="X-Id: number 7\r\n")) if "would" in line]
    assert hints == ([] if hint is None else [hint])


def test_long_texts_show_their_first_difference() -> None:
    """Of two long lines the piece around the first difference is shown, wherever it is."""
    received = message("x" * 500 + "one" + "y" * 500)
    expected = "x" * 500 + "two" + "y" * 400
    assert rows({"subject": expected}, received) == [
        "subject: differs from character 501 on (903 expected, 1003 received)",
        f"  expected …'{'x' * 40}two{'y' * 157}'…",
        f"  received …'{'x' * 40}one{'y' * 157}'…",
    ]
    assert rows({"subject": re.compile("q" * 500)}, received)[0].endswith("… (1005 characters)")


def test_a_difference_deep_in_a_long_body_is_shown() -> None:
    """Lines that agree are counted; of long lines the piece around the difference is shown."""
    body = [f"line {number}" for number in range(5000)]
    expected = [*body]
    expected[4000] = "x" * 300 + "one"
    body[4000] = "x" * 300 + "two"
    assert rows({"text_body": "\n".join(expected)}, message(body="\r\n".join(body))) == [
        "text_body: differs (- expected, + received)",
        "  (the first 3999 lines agree)",
        "  @@ -1,3 +1,3 @@",
        "   line 3999",
        f"  -{'x' * 200}…",
        f"  +{'x' * 200}…",
        "   line 4001",
        "  line 4001 differs from character 301 on",
        f"    expected …'{'x' * 40}one'",
        f"    received …'{'x' * 40}two'",
    ]


def test_long_lists_show_what_is_missing() -> None:
    """Of lists too long to be seen whole, what is missing and what was not expected stand alone."""
    recipients = [f"customer-{number}@example.org" for number in range(40)]
    received = message(rcpt_to=(*recipients[1:], "eve@example.org"))
    assert rows({"rcpt_to": recipients}, received)[1:] == [
        "  missing: ['customer-0@example.org']",
        "  not expected: ['eve@example.org']",
    ]
    assert rows({"rcpt_to": {*recipients}}, received)[1:] == rows({"rcpt_to": recipients}, received)[1:]


def test_of_one_text_among_many_nothing_is_missing() -> None:
    """A text is not taken for a list of its letters, however many recipients there are."""
    received = message(rcpt_to=tuple(f"customer-{number}@example.org" for number in range(40)))
    assert len(rows({"rcpt_to": "eve@example.org"}, received)) == 1


class Same:
    """Stand for an object of dirty-equals: it says itself what it is equal to."""

    def __init__(self, *values: object) -> None:
        self._values = values

    def __eq__(self, other: object) -> bool:
        return other in self._values

    __hash__ = None  # type: ignore[assignment]


ATTACHMENTS = (
    "Content-Type: multipart/mixed; boundary=b\r\n",
    "--b\r\n\r\nHi\r\n"
    "--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nx\r\n"
    "--b\r\nContent-Type: image/png; name=b.png\r\n\r\ny\r\n--b--\r\n",
)


@pytest.mark.parametrize(
    ("criteria", "accepted"),
    [
        ({"rcpt_to": {"b@example.org", "a@example.org"}}, True),
        ({"rcpt_to": frozenset({"b@example.org"})}, False),
        ({"rcpt_to": {"a@example.org", "b@example.org", "c@example.org"}}, False),
        ({"rcpt_to": set()}, False),
        ({"bcc": {"b@example.org": 1, "a@example.org": 2}.keys()}, True),
        ({"rcpt_to": {re.compile("example"), "a@example.org"}}, True),
        ({"rcpt_to": {re.compile("^a"), "a@example.org"}}, False),
        ({"rcpt_to": {re.compile("example"), re.compile("^a")}}, True),
        ({"rcpt_to": {re.compile("^a"), re.compile("^a@")}}, False),
        ({"rcpt_to": {re.compile("^b"), str.islower}}, True),
        ({"rcpt_to": Same("a@example.org")}, True),
        ({"rcpt_to": Same(["a@example.org", "b@example.org"])}, True),
        ({"rcpt_to": Same(["b@example.org"])}, False),
        ({"rcpt_to": [Same("a@example.org"), ANY]}, True),
        ({"rcpt_to": ANY}, True),
        ({"subject": Same("Welcome")}, True),
        ({"subject": None}, False),
        ({"mail_from": None}, False),
        ({"attachments": "a.pdf"}, True),
        ({"attachments": "c.pdf"}, False),
        ({"attachments": ["a.pdf", "b.png"]}, True),
        ({"attachments": ["b.png", "a.pdf"]}, False),
        ({"attachments": {"b.png", "a.pdf"}}, True),
        ({"attachments": re.compile(r"\.png$")}, True),
        ({"attachments": None}, False),
        ({"user": "ada"}, True),
        ({"user": re.compile("^a")}, True),
        ({"user": None}, False),
        ({"user": "bob"}, False),
        ({"headers": {"To": {"Bob <bob@example.org>"}}}, True),
    ],
)
def test_criteria_of_sets_and_objects(criteria: dict[str, Any], accepted: bool) -> None:
    """A set is the whole in any order, each of its items for one; an object with its own `==` is asked."""
    received = message(rcpt_to=("a@example.org", "b@example.org"), header=ATTACHMENTS[0], body=ATTACHMENTS[1])
    received.session.user = "ada"
    assert Expectation(criteria).accepts(received) is accepted


def test_none_means_has_none() -> None:
    """No subject, the null sender, nobody logged in, no attachment, no recipient that is not named."""
    bare = ReceivedMessage("", (), (), {}, b"From: a@example.com\r\n\r\n", MOMENT, Session(("127.0.0.1", 1)))
    nothing = dict.fromkeys(
        ("mail_from", "rcpt_to", "subject", "to", "cc", "bcc", "html_body", "attachments", "user")
    )
    assert Expectation(nothing).accepts(bare)
    assert Expectation({"headers": {"Subject": None}}).accepts(bare)


async def awaited(_: object) -> bool:
    """Stand for a predicate that nobody awaits."""
    return False


TAKES = (
    "give a str, a compiled pattern, a predicate, None for none, and where there are several a list or a set"
)


@pytest.mark.parametrize(
    ("criteria", "words"),
    [
        ({"to": 3}, f"to could never match 3 (int): {TAKES}"),
        ({"to": True}, f"to could never match True (bool): {TAKES}"),
        ({"to": 1.5}, f"to could never match 1.5 (float): {TAKES}"),
        ({"rcpt_to": {}}, f"rcpt_to could never match {{}} (dict): {TAKES}"),
        ({"rcpt_to": {"a": 1}}, f"rcpt_to could never match {{'a': 1}} (dict): {TAKES}"),
        ({"subject": ["Welcome"]}, f"subject is one text, so ['Welcome'] could never match: {TAKES}"),
        ({"subject": {"Welcome"}}, f"subject is one text, so {{'Welcome'}} could never match: {TAKES}"),
        ({"user": ("ada",)}, f"user is one text, so ['ada'] could never match: {TAKES}"),
        ({"to": ["a@example.org", None]}, f"to lists texts, so None among them could never match: {TAKES}"),
        ({"to": [["a", "b"]]}, f"to lists texts, so ['a', 'b'] among them could never match: {TAKES}"),
        ({"to": [1]}, f"to could never match 1 (int): {TAKES}"),
        ({"to": range(2)}, f"to could never match 0 (int): {TAKES}"),
        ({"subject": object}, f"subject could never match object (type): {TAKES}"),
        ({"subject": str}, f"subject could never match str (type): {TAKES}"),
        ({"user": b"x"}, "user is text, so it is compared with a str or a pattern of str, not b'x'"),
        ({"subject": awaited}, "subject: a predicate is called and not awaited: awaited is async"),
        ({"headers": {"X-Id": 7}}, f"headers['X-Id'] could never match 7 (int): {TAKES}"),
        ({"attachment": "a.pdf"}, "unknown criterion 'attachment' (did you mean 'attachments'?)"),
    ],
)  # fmt: skip
def test_what_could_never_match_is_refused_at_once(criteria: dict[str, Any], words: str) -> None:
    """No comparison passes or fails silently: `none(to=3)` is an error, not a pass."""
    with pytest.raises(SettingsError) as error:
        Expectation(criteria)
    assert str(error.value) == words


def test_an_object_of_no_known_kind_is_refused() -> None:
    """A plain object, whose `==` is identity, can match nothing; nor can a generator."""
    for value in (object(), (item for item in "ab"), Session(("127.0.0.1", 1))):
        with pytest.raises(SettingsError, match="could never match"):
            Expectation({"subject": value})


class EqualClass(type):
    """Stand for the classes of dirty-equals, which are compared without being called."""

    def __eq__(cls, other: object) -> bool:
        return other == "Welcome"

    __hash__ = None  # type: ignore[assignment]


class IsWelcome(metaclass=EqualClass):
    """Equal to one subject."""


def test_a_class_that_says_itself_what_it_equals_is_compared() -> None:
    """As dirty-equals has them: `IsStr` and not `IsStr()`."""
    assert Expectation({"subject": IsWelcome}).accepts(message())
    assert not Expectation({"subject": IsWelcome}).accepts(message("Bye"))


def first_line(
    criteria: dict[str, Any], messages: list[ReceivedMessage], sessions: list[Session], **more: Any
) -> str:
    """Return what pytest's short summary shows."""
    return lack(criteria, messages, sessions, timeout=1, **more).partition("\n")[0]


def test_the_first_line_holds_the_cause() -> None:
    """The nearest subject, else a refusal, a 535, a word on trust, the number of matches, or nobody."""
    arrived = " arrived within 1 s"
    assert first_line({"to": "eve@example.org"}, [message()], []) == (
        f"nearest subject 'Welcome': no message with to='eve@example.org'{arrived}"
    )
    refused, no_user, denied = (Session(("127.0.0.1", port)) for port in (1, 2, 3))
    refused._begin(
        Transaction("a@example.com", reply=Reply(550, "5.7.1 Sender refused\nsee https://x.example"))
    )
    recipient = Transaction("a@example.com")
    recipient._refuse_recipient("nobody@example.org", Reply(550, "5.1.1 No such user"))
    no_user._begin(recipient)
    denied = ended("QUIT", EHLO, ("AUTH", "PLAIN", Reply(535, "5.7.8 no")))
    untrusted = ended("client closed in TLS", EHLO, STARTTLS)
    assert (
        first_line({}, [], [refused, denied]) == f"refused with 550 5.7.1 Sender refused: no message{arrived}"
    )
    assert first_line({}, [], [no_user]) == (
        f"nobody@example.org refused with 550 5.1.1 No such user: no message{arrived}"
    )
    assert first_line({}, [], [denied]) == f"535, the login was refused: no message{arrived}"
    assert first_line({}, [], [untrusted]) == (
        f"the client left TLS at once, most likely not trusting the certificate: no message{arrived}"
    )
    assert first_line({}, [message()], [], wanted=2).endswith(f"1 of 2 messages{arrived}")
    assert first_line({}, [], []) == f"nobody connected: no message{arrived}"
    assert first_line({}, [], [ended(None, EHLO)]) == f"no client came as far as MAIL: no message{arrived}"
    left = Session(("127.0.0.1", 4))
    left._begin(Transaction("a@example.com", ("b@example.org",)))
    assert first_line({}, [], [left]) == f"transaction still open: no message{arrived}"
    left._end("client closed")
    assert first_line({}, [], [left]) == f"transaction abandoned (client closed): no message{arrived}"


def test_comparing_what_is_huge_takes_no_time() -> None:
    """A body of a million lines and a thousand recipients are explained by looking at a part of them."""
    received = message(
        "a" * 100_000,
        body="\r\n".join("ab" * (number % 7) for number in range(200_000)),
        rcpt_to=tuple(f"{number}@example.org" for number in range(1000)),
    )
    expected = "\n".join("ab" * (number % 5) for number in range(200_000))
    text = lack({"text_body": expected, "subject": "b" * 100_000, "rcpt_to": "x"}, [received] * 50, [])
    assert len(text) < 20_000
