from __future__ import annotations

import base64
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.faults.match import Event
from pytest_smtp4d.records import recorder
from pytest_smtp4d.records.canary import CANARY
from pytest_smtp4d.records.lint import FLAWS
from pytest_smtp4d.records.recorder import Raw
from pytest_smtp4d.records.violation import VIOLATIONS, judge
from pytest_smtp4d.server.dialogue.step import Flight
from pytest_smtp4d.smtp.sasl import SERVER_MECHANISMS, Secrets, client_mechanism
from tests.profiles import share
from tests.server.dialogue.driving import (
    CLIENT_HELLO,
    ENVELOPE,
    HELLO,
    MAIL,
    RCPT,
    TLS,
    DrivenSession,
    FakeHost,
)

EHLO = f"{HELLO}\r\n".encode()

# -- violations -----------------------------------------------------------------------------------------

NOTHING: dict[str, Any] = {"tls": "none", "extensions": ()}
CLEAR: dict[str, Any] = {"tls": "none"}
LOGIN: dict[str, Any] = {"users": {"ada": "pass"}, "auth_without_tls": True, "require_auth": False}

# Name, what is sent behind EHLO in one go for each reply, settings; RFC where it is not the list's.
PROVOKED: list[tuple[str, list[bytes], dict[str, Any]]] = [
    ("bare-lf", [b"NOOP\n"], CLEAR),
    ("bare-lf", [ENVELOPE + b"DATA\r\n", b"one\ntwo\r\n.\r\n"], CLEAR),
    ("bare-lf", [ENVELOPE + b"BDAT 8 LAST\r\none\ntwo\n"], CLEAR),
    ("line-too-long", [b"NOOP " + b"x" * 510 + b"\r\n"], CLEAR),
    ("line-too-long", [b"x" * 20_000 + b"\r\n"], CLEAR),
    ("line-too-long", [ENVELOPE + b"DATA\r\n", b"x" * 999 + b"\r\n.\r\n"], CLEAR),
    ("out-of-order", [b"RCPT TO:<bob@example.org>\r\n"], CLEAR),
    ("out-of-order", [b"DATA\r\n"], CLEAR),
    ("out-of-order", [b"BDAT 0 LAST\r\n"], CLEAR),
    ("out-of-order", [ENVELOPE, MAIL.encode() + b"\r\n"], CLEAR),
    ("out-of-order", [ENVELOPE + b"DATA\r\nToo early\r\n.\r\n"], CLEAR),
    ("out-of-order", [b"STARTTLS\r\nMAIL FROM:<eve@example.net>\r\n"], {}),
    (
        "out-of-order",
        [b"AUTH PLAIN AGFkYQBwYXNz\r\n", b"AUTH PLAIN AGFkYQBwYXNz\r\n"],
        {**LOGIN, "tls": "none"},
    ),
    ("pipelining-not-offered", [b"RSET\r\nNOOP\r\n"], NOTHING),
    ("parameter-not-offered", [b"MAIL FROM:<ada@example.com> SIZE=1\r\n"], NOTHING),
    ("parameter-not-offered", [b"MAIL FROM:<ada@example.com> XYZZY=1\r\n"], CLEAR),
    ("parameter-not-offered", [MAIL.encode() + b"\r\n", RCPT.encode() + b" NOTIFY=NEVER\r\n"], NOTHING),
    (
        "8bit-not-offered",
        [MAIL.encode() + b"\r\n", RCPT.encode() + b"\r\n", b"DATA\r\n", b"\xe4\r\n.\r\n"],
        NOTHING,
    ),
    ("body-parameter-missing", [ENVELOPE + b"DATA\r\n", b"\xe4\r\n.\r\n"], CLEAR),
    ("body-parameter-missing", [ENVELOPE + b"BDAT 1\r\n\xe4BDAT 0 LAST\r\n"], CLEAR),
    ("cleartext-credentials", [b"AUTH PLAIN AGFkYQBwYXNz\r\n"], LOGIN),
    ("cleartext-credentials", [b"AUTH PLAIN\r\n", b"AGFkYQBwYXNz\r\n"], LOGIN),
    ("cleartext-credentials", [b"AUTH LOGIN YWRh\r\n", b"*\r\n"], LOGIN),
    ("injection", [MAIL.encode() + b"\r\n", f"RCPT TO:<{CANARY}>\r\n".encode()], CLEAR),
    ("injection", [ENVELOPE + b"DATA\r\n", b"Smtp4d-Canary: sings\r\n\r\n.\r\n"], CLEAR),
    ("no-ehlo-after-starttls", [b"STARTTLS\r\n", CLIENT_HELLO, b"MAIL FROM:<ada@example.com>\r\n"], {}),
]


@pytest.mark.parametrize(("name", "sent", "values"), PROVOKED)
def test_a_violation_is_recorded(name: str, sent: list[bytes], values: dict[str, Any]) -> None:
    """Each of the closed list, provoked by octets, and nothing else beside it, with its section and line."""
    host = FakeHost(**values)
    host.flights = [Flight(b"", TLS)]
    client = DrivenSession(host)
    client.open()
    client.send_pieces(sent)
    violations = client.session.violations
    assert {violation.name for violation in violations} == {name}
    assert {violation.fatal for violation in violations} == {VIOLATIONS[violations[0].name].fatal}
    assert all(violation.rfc.startswith("RFC ") and violation.line for violation in violations)


# Octets sent at once behind EHLO, one piece for each, and the commands among them that came too early.
PIPELINED: list[tuple[list[bytes], list[str]]] = [
    ([b"RSET\r\n", b"NOOP\r\n"], []),
    ([b"RSET\r\nNOOP\r\n", b"HELP\r\n"], ["NOOP"]),
    ([b"RSET\r\nNO", b"OP\r\n", b"HELP\r\n"], ["NOOP"]),
    ([ENVELOPE + b"DATA\r\n", b"x\r\n.\r\nNOOP\r\nRSET\r\n", b"HELP\r\n"], ["RCPT", "DATA", "NOOP", "RSET"]),
    ([MAIL.encode() + b"\r\n", RCPT.encode() + b"\r\n", b"DATA\r\n", b".\r", b"\n", b"NOOP\r\n"], []),
    ([b"RSET\r\nQUIT\r\n"], []),
]


@pytest.mark.parametrize("speed", [None, 5])
@pytest.mark.parametrize(("sent", "early"), PIPELINED)
def test_which_command_was_pipelined(sent: list[bytes], early: list[str], speed: float | None) -> None:
    """One that began before the reply to the one before was given (RFC 2920 3.1), quickly or bit by bit."""
    host = FakeHost(**NOTHING)
    client = DrivenSession(host)
    client.open()
    if speed is not None:
        host.rules.add("*").trickle(speed)
    client.send_pieces(sent)
    found = [violation.line for violation in client.session.violations if violation.rfc == "RFC 2920 3.1"]
    assert [line.partition(" ")[0] for line in found] == early


def test_leaving_without_quit() -> None:
    """The one violation that needs no octets."""
    client = DrivenSession()
    client.open()
    client.leave()
    assert [violation.name for violation in client.session.violations] == ["no-quit"]


@pytest.mark.parametrize("line", [MAIL, "AUTH LOGIN"])
def test_going_on_after_a_bad_certificate(line: str) -> None:
    """AUTH or MAIL after a handshake that a careful client refuses, once; the words say why."""
    host = FakeHost(**LOGIN)
    host.flights = [Flight(b"", TLS, must_be_refused="it has expired")]
    client = DrivenSession(host)
    client.open()
    client.send_pieces([b"STARTTLS\r\n", CLIENT_HELLO, b"EHLO x\r\n", b"NOOP\r\n"])
    assert not list(client.session.violations)
    client.send_pieces([line.encode() + b"\r\n", b"*\r\n", MAIL.encode() + b"\r\n"])
    found = [one for one in client.session.violations if one.name == "certificate-not-verified"]
    assert [(one.line, one.fatal) for one in found] == [(f"{line} (it has expired)", True)]


def test_every_violation_is_provoked() -> None:
    """The tables above and the tests beside them know the whole list of what a session shows."""
    # What is wrong with a message is lint's, and what was sent twice the server's as a whole.
    elsewhere = {"no-quit", "certificate-not-verified", "duplicate-message", *FLAWS}
    assert {row[0] for row in PROVOKED} | elsewhere == set(VIOLATIONS)


@pytest.mark.parametrize("tls", ["none", "implicit"])
def test_no_ehlo_at_all(tls: str) -> None:
    """Without STARTTLS, it is a matter of order."""
    client = DrivenSession(tls=tls)
    if tls == "implicit":
        client.start_tls()
    client.reply()
    assert client.ask(MAIL).startswith("503")
    assert [violation.name for violation in client.session.violations] == ["out-of-order"]


def test_what_is_legal_is_no_violation() -> None:
    """DATA pipelined behind refused RCPTs, QUIT at any time, RSET before MAIL, the longest lines."""
    host = FakeHost(tls="none")
    host.rules.add("RCPT").reply(550, "5.1.1 No such user")
    client = DrivenSession(host)
    client.open()
    client.send(b"RSET\r\n" + ENVELOPE + b"DATA\r\n")
    assert client.replies() == [250, 250, 550, 554]
    assert client.code("NOOP " + "x" * (512 - 7)) == 250
    assert client.code("RSET") == 250
    assert client.code("QUIT") == 221
    assert client.session.violations == ()


def test_what_follows_a_fault_that_broke_the_protocol_is_never_fatal() -> None:
    """Nobody can keep to a protocol that the server left."""
    host = FakeHost(tls="none")
    host.rules.add("MAIL").send(b"250 OK\r\n")
    client = DrivenSession(host)
    client.open()
    for line in (MAIL, RCPT, "DATA", "QUIT"):
        client.ask(line)
    assert client.session.violations
    assert not any(violation.fatal for violation in client.session.violations)


# -- commands and transcript ----------------------------------------------------------------------------


def test_commands_have_their_replies() -> None:
    """Verb, argument and reply; None while there is none."""
    host = FakeHost()
    client = DrivenSession(host)
    client.open()
    client.ask("NOOP some words")
    host.rules.add("NOOP").silence()
    client.send(b"noop\r\n")
    commands = client.session.commands
    assert [(command.verb, command.argument) for command in commands] == [
        ("EHLO", "client.example.com"),
        ("NOOP", "some words"),
        ("NOOP", ""),
    ]
    assert [command.reply and command.reply.code for command in commands] == [250, 250, None]


def test_the_transcript_of_a_session() -> None:
    """Both directions, in order, as it is printed; content after its header is left out."""
    client = DrivenSession(tls="none", extensions=(), users={"ada": "pass"}, auth=["LOGIN"])
    client.open()
    client.ask("AUTH LOGIN")
    client.ask("YWRh")
    client.ask("cGFzcw==")
    client.ask("AUTH NTLM")
    client.envelope()
    client.content(b"Subject: x\r\n\r\nbody\r\n")
    client.send(b"BDAT 4\r\nwhatXYZZY \xff\r\nQUIT\r\n")
    assert str(client.session.transcript).splitlines() == [
        "S: 220 localhost ESMTP pytest-smtp4d",
        "C: EHLO client.example.com",
        "S: 250-localhost",
        "S: 250 AUTH LOGIN",
        "C: AUTH LOGIN",
        "S: 334 VXNlcm5hbWU6",
        "C: ********",
        "S: 334 UGFzc3dvcmQ6",
        "C: ********",
        "S: 235 Authentication successful",
        "C: AUTH NTLM",
        "S: 503 Already authenticated",
        "C: MAIL FROM:<ada@example.com>",
        "S: 250 OK",
        "C: RCPT TO:<bob@example.org>",
        "S: 250 OK",
        "C: DATA",
        "S: 354 End data with <CR><LF>.<CR><LF>",
        "C: Subject: x",
        "C: ",
        "C: [1 line, 6 octets of content left out]",
        "C: .",
        "S: 250 OK: queued",
        "C: BDAT 4",
        "S: 502 BDAT is not implemented",
        "C: ********",
        "S: 500 Command not recognized",
        "C: QUIT",
        "S: 221 Bye",
    ]


# -- whenever one asks ----------------------------------------------------------------------------------

PIECES = st.one_of(
    st.sampled_from(
        [
            EHLO,
            b"HELO x\r\n",
            ENVELOPE,
            b"MAIL FROM:<ada@example.com> SIZE=1 XYZZY\r\n",
            b"DATA\r\n",
            b"Subject: x\n\r\n\xe4\r\n",
            b".\r\n",
            b"BDAT 7\r\nabcdefg",
            b"BDAT 0 LAST\r\n",
            b"AUTH PLAIN\r\n",
            b"AUTH LOGIN YWRh\r\n",
            b"AUTH SCRAM-SHA-1 biwsbj1hZGEscj14\r\n",
            b"cGFzcw==\r\n",
            b"*\r\n",
            b"STARTTLS\r\n",
            b"RSET\r\n",
            b"NOOP\n",
            b"NOOP \0\r\n",
            b"x" * 600 + b"\r\n",
            b"QUIT\r\n",
        ]
    ),
    st.binary(max_size=20),
)
FAULTS = st.lists(
    st.tuples(
        st.sampled_from(["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "CONTENT", "BDAT", "NOOP", "UNKNOWN", "*"]),
        st.sampled_from(
            [
                {"reply": 334},
                {"reply": 450},
                {"reply": 250},
                {"send": b"250 what\r\n"},
                {"silence": True},
                {"delay": 1},
                {"accept": True, "reply": 451},
            ]
        ),
        st.integers(0, 2),
    ),
    max_size=2,
)


def conversation(faults: list[tuple[str, dict[str, Any], int]]) -> DrivenSession:
    """Return a session that has just begun, with a server that has these faults."""
    host = FakeHost(**LOGIN)
    host.flights = [Flight(b"", TLS)]
    for stage, actions, after in faults:
        host.rules.declare(stage, after=after, times=1, optional=True, **actions)
    return DrivenSession(host)


def views(client: DrivenSession) -> tuple[Any, ...]:
    """Return all that can be read of a session."""
    session = client.session
    return session.commands, session.transcript.lines, session.violations, session._broken


@share(0.6)
@given(pieces=st.lists(PIECES, max_size=8), faults=FAULTS, leaves=st.booleans())
def test_views_are_the_same_whenever_one_asks(
    pieces: list[bytes], faults: list[tuple[str, dict[str, Any], int]], leaves: bool
) -> None:
    """Asked after each octet or once at the end: commands, transcript and violations do not differ."""
    octets = b"".join(pieces)
    with mock.patch("secrets.token_hex", return_value="0" * 32):
        curious, patient = conversation(faults), conversation(faults)
        found: tuple[Any, ...] = ()
        for octet in octets:
            curious.send(bytes([octet]))
            patient.send(bytes([octet]))
            before, found = found, views(curious)[2]
            assert found[: len(before)] == before  # what was found stays
        if leaves and curious.closed is None:
            curious.leave()
            patient.leave()
    assert views(curious) == views(patient)
    assert judge(Raw(list(patient.protocol.record.raw.entries))).violations == curious.session.violations


@share(0.6)
@given(
    lines=st.lists(
        st.sampled_from(
            [
                b"NOOP\r\n",
                b"NOOP\n",
                b"XYZZY\r\n",
                b"RSET\r\nNOOP\r\n",
                ENVELOPE + b"DATA\r\n",
                b"Subject: x\n\r\n\xe4\r\n.\r\n",
                b"BDAT 7\r\nabcdefg",
                b"AUTH LOGIN YWRh\r\n",
                b"cGFzcw==\r\n",
            ]
        ),
        min_size=10,
        max_size=60,
    )
)
def test_views_of_a_long_session_are_the_same_whenever_one_asks(lines: list[bytes]) -> None:
    """Where the middle of a session is forgotten, nothing depends on who had looked at it before."""
    limits = mock.patch.multiple(recorder, SHORTENED=8 * recorder.WIDTH, LIMIT=20 * recorder.WIDTH)
    with limits, mock.patch("secrets.token_hex", return_value="0" * 32):
        curious, patient = conversation([]), conversation([])
        for line in (EHLO, *lines):
            for client in (curious, patient):
                client.send(line)
                if client.protocol.record.is_long:  # as the connection does
                    client.session._forget_middle()
            views(curious)
        assert views(curious) == views(patient)


# -- secrets --------------------------------------------------------------------------------------------

# Nothing that stands in a session or its record by itself begins like this.
PASSWORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map("~^{}".format)


def lines_of_login(mechanism: str, password: str, initial: bool) -> tuple[list[bytes], list[bytes]]:
    """Return the lines of a login and the octets behind them, played against a session of its own."""
    host = FakeHost(tls="none", users={"ada": password}, tokens={"ada": password})
    client = DrivenSession(host)
    client.open()
    steps = client_mechanism(mechanism, Secrets("ada", password=password, token=password, host="h"), "nonce")
    response = next(steps)
    line = f"AUTH {mechanism}".encode()
    responses = []
    if response is not None and initial:
        responses.append(base64.b64encode(response))
        line, response = line + b" " + responses[0], None
    lines = [line]
    while (reply := client.ask(lines[-1])).startswith("334"):
        if response is None:
            response = steps.send(base64.b64decode(reply[4:]))
        assert response is not None
        responses.append(base64.b64encode(response))
        lines.append(responses[-1])
        response = None
    assert reply.startswith("235")
    return lines, [response for response in responses if len(response) > 8]


def octets_of(thing: object) -> bytes:
    """Return all the text in a value, as octets and without the escapes of a repr."""
    if isinstance(thing, bytes):
        return thing
    if isinstance(thing, (tuple, list)):
        return b"\n".join(map(octets_of, thing))
    return str(thing).encode("utf-8", "surrogateescape")


def everything(client: DrivenSession) -> bytes:
    """Return all that is kept of a session, as octets: the raw list, each view, and what failed."""
    session = client.session
    octets = octets_of(client.protocol.record.raw.entries)
    texts = [
        repr(client.protocol.record.raw.judged),
        session.transcript.render(content=True),
        str(session.transcript),
        repr(session.transcript.lines),
        repr(session.commands),
        repr(session.violations),
        "".join(map(str, session.violations)),
        repr(session),
        repr(session.transactions),
        repr(client.host.errors),
    ]
    return octets + "\n".join(texts).encode()


@given(
    mechanism=st.sampled_from(SERVER_MECHANISMS),
    password=PASSWORD,
    initial=st.booleans(),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    slip=st.sampled_from(
        [
            "",
            "no EHLO",
            "no mechanism",
            "no verb",
            "twice",
            "bare LF",
            "lower case",
            "early",
            "wrong password",
            "over-long",
            "behind content",
        ]
    ),
    faults=FAULTS,
)
def test_no_secret_is_ever_recorded(
    mechanism: str,
    password: str,
    initial: bool,
    sizes: list[int],
    slip: str,
    faults: list[tuple[str, dict[str, Any], int]],
) -> None:
    """Neither password nor token nor a response, in whatever pieces they come and however the login goes."""
    lines, responses = lines_of_login(mechanism, password, initial)
    octets = b"" if slip == "no EHLO" else EHLO
    if slip == "no mechanism":
        lines = [b"AUTH " + line for line in responses] or lines
    elif slip == "no verb":
        lines = [b"AUTH", *responses]
    elif slip == "lower case":
        lines[0] = b"auth " + lines[0][5:]
    elif slip == "early":
        lines = [lines[0], b"STARTTLS", *responses]
    elif slip == "twice":
        lines += responses
    elif slip == "over-long":
        lines[-1] = lines[-1] + b" " + b"x" * 13_000
    elif slip == "behind content":
        lines += [ENVELOPE + b"DATA", b".", *responses]
    octets += b"".join(line + (b"\n" if slip == "bare LF" else b"\r\n") for line in lines) + b"NOOP\r\n"
    known = "another" if slip == "wrong password" else password
    host = FakeHost(users={"ada": known}, tokens={"ada": known}, auth_without_tls=True, require_auth=False)
    host.flights = [Flight(b"", TLS)]
    for stage, actions, after in faults:
        host.rules.declare(stage, after=after, times=1, optional=True, **actions)
    client = DrivenSession(host)
    while octets:
        size = sizes[0]
        sizes = [*sizes[1:], size]
        client.send(octets[:size])
        octets = octets[size:]
    kept = everything(client)
    assert [secret for secret in (password.encode(), *responses) if secret in kept] == []


@pytest.mark.parametrize("group", [b"STARTTLS\r\n", b"DATA\r\n"])
@pytest.mark.parametrize("line", [b"AG1lAHB3", b"AUTH PLAIN AG1lAHB3", b"AUTHPLAIN AG1lAHB3"])
def test_a_secret_that_comes_too_early(group: bytes, line: bytes) -> None:
    """What stands behind STARTTLS or DATA is shown by its first line, after a login began as a mask."""
    client = DrivenSession(**LOGIN)
    client.open()
    client.ask("AUTH PLAIN")
    client.ask("*")
    client.send(group + line + b"\r\n")
    assert b"AG1lAHB3" not in everything(client)
    assert "out-of-order" in [violation.name for violation in client.session.violations]


def test_a_rule_is_asked_about_a_mask() -> None:
    """After a login began, a line that is no command may be a secret: no predicate sees it."""
    seen: list[tuple[str, str, str, str]] = []

    def remember(event: Event) -> bool:
        seen.append((event.stage, event.argument, event.verb, event.line))
        return False

    host = FakeHost(**LOGIN)
    host.rules.add("*", remember).reply(450)
    client = DrivenSession(host)
    client.open()
    client.ask("XYZZY one")
    client.ask("AUTH PLAIN")
    client.ask("AG1lAHB3")
    client.ask("AG1lAHB3 two")
    client.ask("AUTHPLAIN AG1lAHB3")
    assert seen[2:] == [
        ("UNKNOWN", "XYZZY", "XYZZY", "XYZZY one"),
        ("AUTH", "PLAIN", "AUTH", "AUTH PLAIN"),
        ("AUTH", "PLAIN", "AUTH", "AUTH PLAIN"),
        ("UNKNOWN", "********", "********", "********"),
        ("UNKNOWN", "********", "********", "AUTHPLAIN ********"),
    ]
