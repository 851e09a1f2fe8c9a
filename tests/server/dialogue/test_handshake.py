from __future__ import annotations

import itertools
from typing import Any

import pytest

from pytest_smtp4d.server.dialogue.answer import paced
from pytest_smtp4d.server.dialogue.protocol import Close
from pytest_smtp4d.server.dialogue.step import Flight, Handshake, Sleep
from tests.server.dialogue.driving import (
    CLIENT_FINISHED,
    CLIENT_HELLO,
    ENVELOPE,
    HELLO,
    MAIL,
    SERVER_HELLO,
    SERVER_TICKET,
    TLS,
    DrivenSession,
    FakeHost,
)

MODES = ("starttls", "implicit")
EARLY = f"{HELLO}\r\n".encode() + ENVELOPE


def begin(host: FakeHost) -> DrivenSession:
    """Return a session in which a handshake is due; the log begins there."""
    client = DrivenSession(host)
    if host.settings.tls == "starttls":
        client.open()
        assert client.ask("STARTTLS").startswith("220 2.0.0")
    client.log.clear()
    return client


def steps(client: DrivenSession) -> list[bytes | Sleep | Handshake]:
    """Return what was written and done since the log began, but for what rules were asked."""
    return [step for step in client.log if isinstance(step, (bytes, Sleep, Handshake))]


# -- STARTTLS -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_handshake(mode: str) -> None:
    """Octets go to the handshake as they arrive, its flights are written as they are, then SMTP begins."""
    client = begin(FakeHost(tls=mode))
    client.start_tls()
    greeting = [b"220 localhost ESMTP pytest-smtp4d\r\n"] if mode == "implicit" else []
    assert steps(client) == [
        Handshake(CLIENT_HELLO),
        SERVER_HELLO,
        Handshake(CLIENT_FINISHED),
        b"".join([SERVER_TICKET, *greeting]),
    ]
    assert client.session.tls is TLS
    assert client.protocol.record.tls is True


@pytest.mark.parametrize("mode", MODES)
def test_a_handshake_octet_by_octet(mode: str) -> None:
    """Nothing waits for a whole record; the TLS library does that."""
    host = FakeHost(tls=mode)
    host.flights = [*([Flight(b"")] * (len(CLIENT_HELLO) - 1)), Flight(SERVER_TICKET, TLS)]
    client = begin(host)
    client.send_pieces(bytes([octet]) for octet in CLIENT_HELLO)
    assert [step.octets for step in client.log if isinstance(step, Handshake)] == [
        bytes([octet]) for octet in CLIENT_HELLO
    ]
    assert client.session.tls is TLS


@pytest.mark.parametrize("mode", MODES)
def test_a_handshake_that_fails(mode: str) -> None:
    """The alert is written, the reason is recorded, and there is no close_notify."""
    host = FakeHost(tls=mode)
    host.flights = [Flight(SERVER_HELLO), Flight(b"alert", failure="TLS alert: unknown ca")]
    client = begin(host)
    client.send(CLIENT_HELLO)
    client.send(CLIENT_FINISHED)
    assert client.rest() == SERVER_HELLO + b"alert"
    assert client.closed == Close(notify=False)
    assert client.session.ended == "TLS alert: unknown ca"
    assert client.session.tls is None


def test_commands_that_come_with_the_last_octets_of_a_handshake() -> None:
    """They came through TLS, so they count."""
    host = FakeHost()
    host.plaintext = f"{HELLO}\r\nNOOP\r\n".encode()
    client = begin(host)
    client.start_tls()
    assert client.replies() == [250, 250]
    assert [line.tls for line in client.session.transcript.lines if b"NOOP" in line.octets] == [True]


def test_starttls_counts_for_nothing_that_was_said_before() -> None:
    """RFC 3207 4.2: neither the name nor a transaction; the client begins anew."""
    client = DrivenSession()
    client.open()
    client.envelope()
    client.ask("STARTTLS")
    client.start_tls()
    assert client.session.client_name is None
    assert client.ask(MAIL).startswith("503 5.5.1")
    assert [violation.name for violation in client.session.violations] == ["no-ehlo-after-starttls"]
    assert client.ask(HELLO).startswith("250-")
    client.envelope()


def test_starttls_under_tls() -> None:
    """503: there is TLS already; a positive reply by a fault does not begin another."""
    host = FakeHost()
    client = begin(host)
    client.start_tls()
    client.ask(HELLO)
    assert client.ask("STARTTLS").startswith("503 5.5.1 TLS is already active")
    host.rules.add("STARTTLS").reply(220)
    assert client.code("STARTTLS") == 220
    assert client.code("NOOP") == 250


@pytest.mark.parametrize(
    ("settings", "hello", "line", "reply"),
    [
        ({"tls": "none"}, HELLO, "STARTTLS", "502 5.5.1"),
        ({}, "NOOP", "STARTTLS", "503 5.5.1 Send EHLO first"),
        ({}, HELLO, "STARTTLS now", "501 5.5.4"),
    ],
)
def test_starttls_refused(settings: dict[str, Any], hello: str, line: str, reply: str) -> None:
    """The session goes on in clear text."""
    client = DrivenSession(**settings)
    client.open(hello)
    assert client.ask(line).startswith(reply)
    assert client.code("NOOP") == 250


def test_starttls_offered_and_refused() -> None:
    """454 4.7.0: the session goes on in clear text."""
    host = FakeHost()
    host.rules.add("STARTTLS").reply(454, "4.7.0 TLS not available")
    client = DrivenSession(host)
    assert "STARTTLS" in client.open()
    assert client.ask("STARTTLS") == "454 4.7.0 TLS not available"
    assert client.code("NOOP") == 250
    assert client.session.tls is None


@pytest.mark.parametrize("cut", range(len(EARLY) + 1))
def test_octets_behind_starttls_are_never_executed(cut: int) -> None:
    """In one piece with STARTTLS they are thrown away; later ones are the handshake's (RFC 3207 4.2)."""
    host = FakeHost()
    client = DrivenSession(host)
    client.open()
    host.flights = [Flight(b"", TLS)]
    client.send(b"STARTTLS\r\n" + EARLY[:cut])
    assert client.reply().startswith("220")
    assert client.is_silent
    client.send(EARLY[cut:] or CLIENT_HELLO)
    given = [step.octets for step in client.log if isinstance(step, Handshake)]
    assert given == [EARLY[cut:] or CLIENT_HELLO]
    assert host.transactions == []
    assert [command.verb for command in client.session.commands] == ["EHLO", "STARTTLS"]
    names = [(violation.name, violation.rfc) for violation in client.session.violations]
    assert names == ([("out-of-order", "RFC 3207 4.2")] if cut else [])


@pytest.mark.parametrize("cut", range(1, len(b"STARTTLS\r\n" + EARLY)))
def test_octets_behind_starttls_split_anywhere(cut: int) -> None:
    """Wherever a segment ends, what came before the handshake is no command."""
    host = FakeHost()
    client = DrivenSession(host)
    client.open()
    octets = b"STARTTLS\r\n" + EARLY
    host.flights = [Flight(b"")] * 2
    client.send(octets[:cut])
    client.send(octets[cut:])
    assert client.reply().startswith("220")
    assert client.is_silent
    assert host.transactions == []


# -- a TLS handshake where clear text is due ------------------------------------------------------------


@pytest.mark.parametrize("mode", ["none", "starttls"])
@pytest.mark.parametrize("cut", range(1, 6))
def test_a_tls_handshake_where_clear_text_is_due(mode: str, cut: int) -> None:
    """A client that takes the port for one of implicit TLS is known by its first two octets, split or not."""
    client = DrivenSession(tls=mode)
    client.send(CLIENT_HELLO[:cut])
    client.send(CLIENT_HELLO[cut:])
    assert client.session.ended == "TLS handshake where clear text was due: use STARTTLS"
    assert client.closed is not None
    assert client.session.commands == ()


def test_a_line_that_begins_like_a_handshake() -> None:
    """It is a command that nobody knows, as is a handshake behind the first command."""
    client = DrivenSession()
    client.reply()
    client.send(b"\x16")
    assert client.ask(b"\x04").startswith("500")
    assert client.ask(CLIENT_HELLO).startswith("500")


# -- faults at TLS --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "abort"), list(itertools.product(MODES, [False, True])))
def test_tls_disconnect(mode: str, abort: bool) -> None:
    """Instead of a handshake, by FIN or RST."""
    host = FakeHost(tls=mode)
    host.rules.add("TLS").disconnect(abort=abort)
    client = begin(host)
    client.send(CLIENT_HELLO)
    assert steps(client) == []
    assert client.closed == Close(abort=abort, notify=False)
    assert client.session.ended == "disconnected at TLS"


@pytest.mark.parametrize("mode", MODES)
def test_tls_stall(mode: str) -> None:
    """The server says nothing to the client's hello, or whatever comes, and stays."""
    host = FakeHost(tls=mode)
    host.rules.add("TLS").silence()
    client = begin(host)
    client.send(CLIENT_HELLO)
    client.send(EARLY)
    assert steps(client) == []
    assert client.is_silent
    assert client.session.ended is None


@pytest.mark.parametrize("mode", MODES)
def test_tls_plaintext(mode: str) -> None:
    """Octets instead of a handshake, and then nothing."""
    host = FakeHost(tls=mode)
    host.rules.add("TLS").send(b"220 I speak no TLS\r\n")
    client = begin(host)
    client.send(CLIENT_HELLO)
    client.send(EARLY)
    assert steps(client) == [b"220 I speak no TLS\r\n"]
    assert client.closed is None


@pytest.mark.parametrize("mode", MODES)
def test_tls_slow(mode: str) -> None:
    """A handshake that is late and trickles: the wait comes first, each flight in pieces, SMTP at once."""
    host = FakeHost(tls=mode)
    host.rules.add("TLS").delay(3).trickle(500)
    client = begin(host)
    client.start_tls()
    hello, ticket = list(paced(SERVER_HELLO, 500)), list(paced(SERVER_TICKET, 500))
    expected = [Sleep(3), Handshake(CLIENT_HELLO), *hello, Handshake(CLIENT_FINISHED), *ticket]
    assert steps(client)[: len(expected) - 1] == expected[:-1]
    assert client.session.tls is TLS
    assert client.session._broken


@pytest.mark.parametrize("mode", MODES)
def test_tls_passed_through(mode: str) -> None:
    """It counts as hit, and nothing is different."""
    host = FakeHost(tls=mode)
    fault = host.rules.add("TLS").pass_through()
    client = begin(host)
    client.start_tls()
    assert fault.hits == 1
    assert client.session.tls is TLS
    assert client.code(HELLO if mode == "starttls" else "NOOP") in (220, 250)


@pytest.mark.parametrize("mode", MODES)
def test_tls_accepted_then_cut(mode: str) -> None:
    """The handshake completes, and then the connection is closed, before a word of SMTP."""
    host = FakeHost(tls=mode)
    host.rules.add("TLS").accept().disconnect()
    client = begin(host)
    client.start_tls()
    assert client.rest() == b""
    assert client.closed == Close(notify=False)
    assert client.session.tls is TLS


@pytest.mark.parametrize("mode", MODES)
def test_tls_accepted_then_silent(mode: str) -> None:
    """The handshake completes, and then nothing is answered."""
    host = FakeHost(tls=mode)
    host.rules.add("TLS").accept().silence()
    client = begin(host)
    client.start_tls()
    client.send(EARLY)
    assert client.is_silent
    assert client.session.tls is TLS
    assert host.transactions == []


@pytest.mark.parametrize("mode", MODES)
def test_tls_accepted_then_octets(mode: str) -> None:
    """The handshake completes, and then octets come that no client asked for; the session goes on."""
    host = FakeHost(tls=mode)
    host.rules.add("TLS").accept().send(b"999 what\r\n")
    client = begin(host)
    client.start_tls()
    assert client.rest().startswith(b"999 what\r\n")
    assert client.code(HELLO) == 250


def test_plaintext_injected_before_the_handshake() -> None:
    """`send` after a reply writes octets that no client may take for TLS (the STARTTLS injection class)."""
    host = FakeHost()
    host.rules.add("STARTTLS").reply(220, "2.0.0 Ready").send(b"250 injected\r\n")
    client = DrivenSession(host)
    client.open()
    assert client.ask("STARTTLS") == "220 2.0.0 Ready"
    assert client.reply() == "250 injected"
    client.start_tls()
    assert client.code(HELLO) == 250


@pytest.mark.parametrize("failure", ["", "TLS alert: unknown ca"])
def test_implicit_tls_that_never_comes_to_smtp(failure: str) -> None:
    """No greeting is said, and CONNECT is asked of nobody, before the handshake is complete."""
    host = FakeHost(tls="implicit")
    host.flights = [Flight(SERVER_HELLO, failure=failure)]
    fault = host.rules.add("CONNECT").reply(554)
    client = DrivenSession(host)
    client.send(CLIENT_HELLO)
    assert client.rest() == SERVER_HELLO
    assert fault.hits == 0
    assert (client.closed is not None) is bool(failure)
