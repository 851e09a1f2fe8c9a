"""The conformance table: which reply to which command in which state."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_smtp4d.server.settings import DEFAULT_EXTENSIONS, EXTENSIONS
from pytest_smtp4d.smtp.command import SYNTAX, VERBS
from tests.server.dialogue.driving import HELLO, MAIL, RCPT, DrivenSession, FakeHost

# What was said before, by name. Each line of a state is answered positively.
STATES = {
    "connected": (),
    "HELO": ("HELO client.example.com",),
    "EHLO": ("EHLO client.example.com",),
    "MAIL": ("EHLO client.example.com", "MAIL FROM:<ada@example.com>"),
    "RCPT": ("EHLO client.example.com", "MAIL FROM:<ada@example.com>", "RCPT TO:<bob@example.org>"),
    "BINARYMIME": (
        "EHLO client.example.com",
        "MAIL FROM:<ada@example.com> BODY=BINARYMIME",
        "RCPT TO:<bob@example.org>",
    ),
}

# (state, command, reply): RFC 5321 4.1 to 4.5, and the RFC of each extension. Every reply but those to HELO
# and EHLO carries its enhanced code (RFC 2034 3).
TABLE = [
    # RFC 5321 4.1.1.1
    ("connected", "HELO client.example.com", "250 localhost"),
    ("connected", "HELO", "501 Syntax: HELO hostname"),
    ("connected", "EHLO", "501 Syntax: EHLO hostname"),
    ("connected", "ehlo client.example.com", "250-localhost"),
    ("EHLO", "HELO client.example.com", "250 localhost"),
    ("RCPT", "EHLO again.example.com", "250-localhost"),
    # RFC 5321 4.1.4: the order
    ("connected", "MAIL FROM:<ada@example.com>", "503 5.5.1"),
    ("connected", "RCPT TO:<bob@example.org>", "503 5.5.1"),
    ("connected", "DATA", "503 5.5.1"),
    ("connected", "BDAT 0 LAST", "503 5.5.1"),
    ("connected", "STARTTLS", "503 5.5.1"),
    ("connected", "AUTH PLAIN", "502 5.5.1"),
    ("EHLO", "RCPT TO:<bob@example.org>", "503 5.5.1"),
    ("EHLO", "DATA", "503 5.5.1"),
    ("EHLO", "BDAT 0 LAST", "503 5.5.1"),
    ("MAIL", "MAIL FROM:<ada@example.com>", "503 5.5.1"),
    ("MAIL", "DATA", "503 5.5.1"),
    ("MAIL", "BDAT 0 LAST", "503 5.5.1"),
    # RFC 5321 4.1.1.2: MAIL
    ("EHLO", "MAIL FROM:<ada@example.com>", "250 2.1.0"),
    ("HELO", "MAIL FROM:<ada@example.com>", "250 2.1.0"),
    ("EHLO", "mail from:<ada@example.com>", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<>", "250 2.1.0"),
    ("EHLO", "MAIL FROM: <ada@example.com>", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<@relay.example.net:ada@example.com>", "250 2.1.0"),
    ("EHLO", 'MAIL FROM:<"ada lovelace"@example.com>', "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@[127.0.0.1]>", "250 2.1.0"),
    ("EHLO", "MAIL", "501 5.5.4"),
    ("EHLO", "MAIL ada@example.com", "501 5.5.4"),
    ("EHLO", "MAIL FROM:ada@example.com", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada b@example.com>", "501 5.5.4"),
    ("EHLO", "MAIL TO:<ada@example.com>", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com>>", "501 5.5.4"),
    # RFC 5321 4.1.1.3: RCPT
    ("MAIL", "RCPT TO:<bob@example.org>", "250 2.1.5"),
    ("MAIL", "RCPT TO:<postmaster>", "250 2.1.5"),
    ("MAIL", "RCPT TO:<>", "501 5.5.4"),
    ("MAIL", "RCPT TO:bob@example.org", "501 5.5.4"),
    ("MAIL", "RCPT", "501 5.5.4"),
    # RFC 5321 4.1.1.4: DATA
    ("RCPT", "DATA", "354 End data"),
    ("RCPT", "DATA now", "501 5.5.4"),
    # RFC 5321 4.1.1.5 to 4.1.1.10
    ("connected", "RSET", "250 2.0.0"),
    ("RCPT", "RSET", "250 2.0.0"),
    ("EHLO", "RSET all", "501 5.5.4"),
    ("connected", "VRFY ada", "252 2.5.0"),
    ("EHLO", "VRFY", "501 5.5.4"),
    ("EHLO", "EXPN list", "502 5.5.1"),
    ("connected", "HELP", "214 2.0.0"),
    ("EHLO", "HELP mail", "214 2.0.0 Syntax: MAIL FROM:<mailbox> [parameters]"),
    ("EHLO", "HELP XYZZY", "504 5.5.4"),
    ("connected", "EXPN list", "502 5.5.1"),
    ("EHLO", "VRFY ada@example.com", "252 2.5.0"),
    ("connected", "NOOP", "250 2.0.0"),
    ("RCPT", "NOOP with words", "250 2.0.0"),
    ("connected", "QUIT", "221 2.0.0"),
    ("RCPT", "QUIT", "221 2.0.0"),
    ("EHLO", "QUIT now", "501 5.5.4"),
    # RFC 5321 4.2.4, 4.5.3.1.4: what is no command
    ("connected", "XYZZY", "500 5.5.1"),
    ("EHLO", "", "500 5.5.1"),
    ("EHLO", " NOOP", "500 5.5.1"),
    ("EHLO", "NOOP\0", "500 5.5.2"),
    ("EHLO", "\0", "500 5.5.2"),
    ("EHLO", "NOOP " + "x" * 600, "500 5.5.2"),
    ("EHLO", "NOOP " + "x" * 500, "250 2.0.0"),
    ("EHLO", "x" * 20_000, "500 5.5.2"),
    # RFC 1870: SIZE
    ("EHLO", "MAIL FROM:<ada@example.com> SIZE=1000", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> size=0", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> SIZE=99999999", "552 5.3.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> SIZE=big", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> SIZE", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> SIZE=1 SIZE=2", "501 5.5.4"),
    # RFC 6152, RFC 3030: BODY
    ("EHLO", "MAIL FROM:<ada@example.com> BODY=8BITMIME", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> BODY=7bit", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> BODY=BINARYMIME", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> BODY=9BIT", "501 5.5.4"),
    ("BINARYMIME", "DATA", "503 5.5.1"),
    ("BINARYMIME", "BDAT 0 LAST", "250 2.0.0"),
    # RFC 3030: BDAT
    ("RCPT", "BDAT", "501 5.5.4"),
    ("RCPT", "BDAT x", "501 5.5.4"),
    ("RCPT", "BDAT -1", "501 5.5.4"),
    ("RCPT", "BDAT 0 FIRST", "501 5.5.4"),
    ("RCPT", "BDAT 0", "250 2.0.0"),
    ("RCPT", "bdat 0 last", "250 2.0.0"),
    # RFC 6531: SMTPUTF8
    ("EHLO", "MAIL FROM:<jürgen@example.com> SMTPUTF8", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<jürgen@example.com>", "553 5.6.7"),
    ("MAIL", "RCPT TO:<jürgen@example.com>", "553 5.6.7"),
    ("EHLO", "MAIL FROM:<ada@example.com> SMTPUTF8=yes", "501 5.5.4"),
    # RFC 3461: DSN
    ("EHLO", "MAIL FROM:<ada@example.com> RET=HDRS ENVID=QQ314159", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> RET=ALL", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> ENVID=a=b", "501 5.5.4"),
    ("MAIL", "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@example.org", "250 2.1.5"),
    ("MAIL", "RCPT TO:<bob@example.org> NOTIFY=NEVER,DELAY", "501 5.5.4"),
    ("MAIL", "RCPT TO:<bob@example.org> ORCPT=bob@example.org", "501 5.5.4"),
    ("MAIL", f"RCPT TO:<bob@example.org> ORCPT=rfc822;{'x' * 494}", "501 5.5.4"),
    # RFC 5321 4.1.1.11: parameters nobody offered
    ("EHLO", "MAIL FROM:<ada@example.com> XYZZY=1", "555 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> AUTH=<>", "555 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> REQUIRETLS", "555 5.5.4"),
    ("MAIL", "RCPT TO:<bob@example.org> SIZE=1", "555 5.5.4"),
    ("HELO", "MAIL FROM:<ada@example.com> SIZE=1", "555 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> =", "501 5.5.4"),
    # RFC 3207: STARTTLS
    ("EHLO", "STARTTLS", "220 2.0.0"),
    ("EHLO", "STARTTLS now", "501 5.5.4"),
    # RFC 4954: AUTH, where nobody can log in
    ("EHLO", "AUTH PLAIN", "502 5.5.1"),
]


@pytest.mark.parametrize(("state", "command", "reply"), TABLE)
def test_the_reply_to_a_command_in_a_state(state: str, command: str, reply: str) -> None:
    """The conformance table, row by row."""
    client = DrivenSession()
    assert client.reply() == "220 localhost ESMTP pytest-smtp4d"
    for line in STATES[state]:
        assert client.ask(line)[0] == "2"
    answer = client.ask(command)
    assert answer.startswith(reply)
    assert client.rest() == b""
    if answer[0] in "245" and not command.upper().startswith(("HELO", "EHLO")):
        assert answer[4:6] == f"{answer[0]}."


# -- what is on offer -----------------------------------------------------------------------------------

# (extension switched off, state, command, reply)
SWITCHED_OFF = [
    ("PIPELINING", "EHLO", "NOOP", "250 2.0.0"),
    ("SIZE", "EHLO", "MAIL FROM:<ada@example.com> SIZE=1", "555 5.5.4"),
    ("8BITMIME", "EHLO", "MAIL FROM:<ada@example.com> BODY=8BITMIME", "555 5.5.4"),
    ("BINARYMIME", "EHLO", "MAIL FROM:<ada@example.com> BODY=BINARYMIME", "555 5.5.4"),
    ("SMTPUTF8", "EHLO", "MAIL FROM:<ada@example.com> SMTPUTF8", "555 5.5.4"),
    ("DSN", "EHLO", "MAIL FROM:<ada@example.com> RET=FULL", "555 5.5.4"),
    ("DSN", "MAIL", "RCPT TO:<bob@example.org> NOTIFY=NEVER", "555 5.5.4"),
    ("CHUNKING", "RCPT", "BDAT 0 LAST", "502 5.5.1"),
    ("ENHANCEDSTATUSCODES", "EHLO", "NOOP", "250 OK"),
    ("ENHANCEDSTATUSCODES", "EHLO", "XYZZY", "500 Command not recognized"),
]


@pytest.mark.parametrize(("extension", "state", "command", "reply"), SWITCHED_OFF)
def test_an_extension_that_is_switched_off(extension: str, state: str, command: str, reply: str) -> None:
    """It is not in the reply to EHLO, and what belongs to it is refused."""
    client = DrivenSession(extensions=[name for name in DEFAULT_EXTENSIONS if name != extension])
    client.reply()
    for line in STATES[state]:
        answer = client.ask(line)
        if line.startswith("EHLO"):
            assert extension not in answer
        assert answer[0] == "2"
    assert client.ask(command).startswith(reply)


def test_every_default_extension_can_be_switched_off() -> None:
    """The table above knows each of them."""
    assert {row[0] for row in SWITCHED_OFF} == set(DEFAULT_EXTENSIONS)


USERS = {"ada": "pass"}
PASSWORDS = "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN"

# (settings, under TLS, the lines of the reply to EHLO behind the first)
OFFERED: list[tuple[dict[str, Any], bool, list[str]]] = [
    ({"extensions": (), "tls": "none"}, False, []),
    ({"extensions": ()}, False, ["STARTTLS"]),
    ({"extensions": ()}, True, []),
    ({"extensions": (), "tls": "implicit"}, True, []),
    ({"extensions": ("SIZE",), "tls": "none"}, False, ["SIZE 33554432"]),
    ({"extensions": ("SIZE",), "tls": "none", "size_limit": None}, False, ["SIZE 0"]),
    ({"extensions": ("DSN", "CHUNKING"), "tls": "none"}, False, ["DSN", "CHUNKING"]),
    ({"extensions": ("REQUIRETLS", "DSN")}, False, ["DSN", "STARTTLS"]),
    ({"extensions": ("REQUIRETLS", "DSN")}, True, ["REQUIRETLS", "DSN"]),
    ({"extensions": (), "tls": "none", "users": USERS}, False, [f"AUTH {PASSWORDS}"]),
    ({"extensions": (), "users": USERS}, False, ["STARTTLS"]),
    ({"extensions": (), "users": USERS}, True, [f"AUTH {PASSWORDS}"]),
    ({"extensions": (), "users": USERS, "auth_without_tls": True}, False, ["STARTTLS", f"AUTH {PASSWORDS}"]),
    ({"extensions": (), "tls": "none", "users": USERS, "auth": ("LOGIN",)}, False, ["AUTH LOGIN"]),
    ({"extensions": (), "tls": "none", "tokens": {"ada": "t"}}, False, ["AUTH XOAUTH2 OAUTHBEARER"]),
    (
        {"extensions": EXTENSIONS, "tls": "none"},
        False,
        ["SIZE 33554432" if name == "SIZE" else name for name in EXTENSIONS if name != "REQUIRETLS"],
    ),
]


@pytest.mark.parametrize(("settings", "tls", "lines"), OFFERED)
def test_ehlo_names_what_the_settings_come_to(settings: dict[str, Any], tls: bool, lines: list[str]) -> None:
    """In the order of `extensions`, then STARTTLS before it was used, then AUTH where it may be."""
    client = DrivenSession(**settings)
    if settings.get("tls") == "implicit":
        client.start_tls()
    reply = client.open()
    if tls and not client.protocol.record.tls:
        client.ask("STARTTLS")
        client.start_tls()
        reply = client.ask(HELLO)
    assert [line[4:] for line in reply.splitlines()] == ["localhost", *lines]


def test_other_extensions_are_offered_and_their_parameters_recorded() -> None:
    """REQUIRETLS (under TLS only, RFC 8689 3), BY and MT-PRIORITY change nothing; a limitless SIZE is 0."""
    client = DrivenSession(extensions=["REQUIRETLS", "DELIVERBY", "MT-PRIORITY", "SIZE"], size_limit=None)
    plain = ["250-localhost", "250-DELIVERBY", "250-MT-PRIORITY", "250-SIZE 0", "250 STARTTLS"]
    assert client.open().splitlines() == plain
    assert client.code("MAIL FROM:<ada@example.com> REQUIRETLS") == 555
    client.ask("STARTTLS")
    client.start_tls()
    assert client.ask("EHLO client.example.com").splitlines() == [
        "250-localhost",
        "250-REQUIRETLS",
        "250-DELIVERBY",
        "250-MT-PRIORITY",
        "250 SIZE 0",
    ]
    options = ("REQUIRETLS", "BY=120;R", "MT-PRIORITY=3")
    assert client.code(f"MAIL FROM:<ada@example.com> {' '.join(options)}") == 250
    assert client.session.transactions[1].mail_options == options


# RFC 2852 4: by-time ";" by-mode [by-trace]; the time of mode R is above zero.
BY = {
    "120;R": 250,
    "+120;R": 250,
    "120;RT": 250,
    "120;r": 250,
    "999999999;R": 250,
    "0;N": 250,
    "-120;N": 250,
    "-999999999;NT": 250,
    "0;R": 501,
    "000000000;R": 501,
    "-120;R": 501,
    "1000000000;R": 501,
    "120;X": 501,
    "120;TR": 501,
    "120": 501,
    ";R": 501,
    "1 20;R": 501,
    "120;R;T": 501,
}


@pytest.mark.parametrize("value", BY)
def test_the_values_of_by(value: str) -> None:
    """RFC 2852 4, as far as syntax goes."""
    client = DrivenSession(extensions=["DELIVERBY"])
    client.open()
    assert client.code(f"{MAIL} BY={value}") == BY[value]


def test_a_server_of_the_helo_age() -> None:
    """EHLO gets 502; HELO does; no reply has an enhanced code; parameters, AUTH and BDAT are unknown."""
    client = DrivenSession(esmtp=False, users=USERS, auth_without_tls=True, require_auth=False)
    assert client.reply() == "220 localhost SMTP pytest-smtp4d"
    assert client.ask("EHLO client.example.com") == "502 Command not implemented"
    assert client.ask("EHLO") == "502 Command not implemented"
    assert client.ask("HELO client.example.com") == "250 localhost"
    assert client.ask("AUTH PLAIN") == "502 AUTH is not implemented"
    assert client.ask("MAIL FROM:<ada@example.com> SIZE=1").startswith("555 MAIL parameter")
    assert client.ask("MAIL FROM:<ada@example.com>") == "250 OK"
    assert client.ask("RCPT TO:<bob@example.org>") == "250 OK"
    assert client.code("BDAT 0 LAST") == 502
    assert client.content(b"Subject: x\r\n\r\n") == "250 OK: queued"
    assert client.host.messages[0].session.client_name == "client.example.com"


# -- HELP -----------------------------------------------------------------------------------------------

# (settings, verbs that are not served)
UNSERVED: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"AUTH", "EXPN"}),
    ({"tls": "none"}, {"AUTH", "EXPN", "STARTTLS"}),
    ({"users": USERS, "require_auth": False}, {"EXPN"}),
    ({"extensions": ()}, {"AUTH", "BDAT", "EXPN"}),
    ({"esmtp": False, "users": USERS, "require_auth": False}, {"AUTH", "BDAT", "EHLO", "EXPN"}),
]


@pytest.mark.parametrize(("settings", "unserved"), UNSERVED)
def test_help_lists_what_is_served(settings: dict[str, Any], unserved: set[str]) -> None:
    """RFC 5321 4.1.1.8: the verbs that would not get 502, and the syntax of each; 504 for the others."""
    client = DrivenSession(**settings)
    client.reply()
    listed = client.ask("HELP").partition("Commands: ")[2].split()
    assert listed == sorted(VERBS - unserved)
    for verb in SYNTAX:
        reply = client.ask(f"HELP {verb.lower()}")
        if verb in unserved:
            assert reply.startswith("504 ")
            assert reply.endswith(f"There is no command {verb.lower()}")
        else:
            assert reply.startswith("214 ")
            assert reply.endswith(f"Syntax: {SYNTAX[verb]}")
        assert client.ask(verb).startswith("502") is (verb in unserved)


def test_help_on_anything() -> None:
    """What is no verb is shown escaped and cut, never echoed as it came."""
    client = DrivenSession()
    client.reply()
    assert client.ask(b"HELP \x1b[31m\xff") == r"504 5.5.4 There is no command \x1b[31m\xff"
    assert len(client.ask("HELP " + "x" * 400)) == len("504 5.5.4 There is no command ") + 60


# -- who may do what ------------------------------------------------------------------------------------

# Verb -> a line of it that is well-formed.
LINES = {
    "HELO": "HELO x",
    "EHLO": "EHLO x",
    "STARTTLS": "STARTTLS now",
    "AUTH": "AUTH NTLM",
    "MAIL": MAIL,
    "RCPT": RCPT,
    "DATA": "DATA",
    "BDAT": "BDAT 0",
    "RSET": "RSET",
    "NOOP": "NOOP",
    "VRFY": "VRFY x",
    "EXPN": "EXPN x",
    "HELP": "HELP",
    "QUIT": "QUIT",
    "XYZZY": "XYZZY",
}


@pytest.mark.parametrize("verb", LINES)
def test_before_tls_where_it_is_required(verb: str) -> None:
    """RFC 3207 4: everything but NOOP, EHLO, STARTTLS and QUIT gets 530."""
    client = DrivenSession(require_tls=True)
    client.open()
    allowed = verb in ("NOOP", "EHLO", "STARTTLS", "QUIT")
    assert client.ask(LINES[verb]).startswith("530 5.7.0 Must issue a STARTTLS") is not allowed


def test_after_tls_where_it_is_required() -> None:
    """Then everything is as usual."""
    client = DrivenSession(require_tls=True)
    client.open()
    assert client.code("STARTTLS") == 220
    client.start_tls()
    assert client.code("EHLO client.example.com") == 250
    assert client.code("MAIL FROM:<ada@example.com>") == 250


@pytest.mark.parametrize("verb", LINES)
def test_before_a_login_where_it_is_required(verb: str) -> None:
    """RFC 4954 6: what mail needs gets 530, what leads to a login does not."""
    client = DrivenSession(tls="none", users=USERS)
    client.open()
    allowed = verb in ("AUTH", "EHLO", "HELO", "STARTTLS", "NOOP", "RSET", "HELP", "QUIT")
    assert client.ask(LINES[verb]).startswith("530 5.7.0 Authentication required") is not allowed


def test_after_a_login_where_it_is_required() -> None:
    """Then everything is as usual."""
    client = DrivenSession(tls="none", users=USERS)
    client.open()
    assert client.code("AUTH PLAIN AGFkYQBwYXNz") == 235
    client.envelope()


@pytest.mark.parametrize("verb", LINES)
def test_a_refused_greeting_leaves_nothing_but_quit(verb: str) -> None:
    """RFC 5321 3.1: after 554 everything gets 503 until QUIT."""
    host = FakeHost(users=USERS, auth_without_tls=True)
    host.rules.add("CONNECT", "192.0.2.1").reply(554, "5.3.2 No service")
    client = DrivenSession(host)
    assert client.reply() == "554 5.3.2 No service"
    if verb == "QUIT":
        assert client.code("QUIT") == 221
        assert client.closed is not None
    else:
        assert client.ask(LINES[verb]) == "503 5.5.1 No SMTP service here"


def test_every_verb_is_asked_of_every_bar() -> None:
    """The lines above are one for each verb, and one that is none."""
    assert set(LINES) == VERBS | {"XYZZY"}


# -- lines ----------------------------------------------------------------------------------------------

# (octets of the line with its CRLF, what it begins with, reply)
LENGTHS = [
    (512, "NOOP ", 250),
    (513, "NOOP ", 500),
    (12_288, "NOOP ", 500),
    (12_289, "NOOP ", 500),
    (50_000, "NOOP ", 500),
    (512, "XYZZY ", 500),
    (1_200, "MAIL FROM:<ada@example.com> ", 501),
    (1_300, "MAIL FROM:<ada@example.com> ", 500),
    (12_288, "AUTH NTLM ", 504),
    (12_289, "AUTH NTLM ", 500),
]


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize(("octets", "begin", "reply"), LENGTHS)
def test_the_length_of_a_line(octets: int, begin: str, reply: int, in_pieces: bool) -> None:
    """RFC 5321 4.5.3.1.4 and RFC 4954 4: 512 octets, 12288 for AUTH; what is longer gets 500, once."""
    client = DrivenSession(tls="none", users=USERS, require_auth=False)
    client.open()
    line = begin.encode() + b"=" * (octets - len(begin) - 2) + b"\r\n"
    size = 4_000 if in_pieces else octets
    client.send_pieces(line[start : start + size] for start in range(0, octets, size))
    assert int(client.reply()[:3]) == reply
    assert client.code("NOOP") == 250
    assert client.rest() == b""


@pytest.mark.parametrize("line", [b"NOOP\0\r\n", b"\0\r\n", b"MAIL FROM:<a\0@x>\r\n", b"XYZZY\0\n"])
def test_a_line_with_nul(line: bytes) -> None:
    """It never becomes a command, with a fault at the stage or without."""
    host = FakeHost()
    host.rules.add("UNKNOWN", times=1).reply(450, "4.0.0 Not now")
    client = DrivenSession(host)
    client.open()
    client.send(line)
    first = client.reply()
    assert first.startswith(("500 5.5.2 A command line cannot hold NUL", "450 4.0.0 Not now"))
    client.send(line)
    assert client.reply().startswith("500 5.5.2 A command line cannot hold NUL")
