from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from pytest_smtp4d.faults.action import ACTIONS
from pytest_smtp4d.faults.match import Event
from pytest_smtp4d.faults.stage import STAGES
from pytest_smtp4d.server.dialogue.answer import paced
from pytest_smtp4d.server.dialogue.protocol import Close
from pytest_smtp4d.server.dialogue.step import Ask, Sleep
from tests.server.dialogue.driving import HELLO, MAIL, PEER, RCPT, DrivenSession, FakeHost

# Stage -> what comes before it, and what reaches it.
REACHED: dict[str, tuple[tuple[str, ...], str]] = {
    "CONNECT": ((), ""),
    "HELO": ((), "HELO client.example.com"),
    "EHLO": ((), HELLO),
    "STARTTLS": ((HELLO,), "STARTTLS"),
    "AUTH": ((HELLO,), "AUTH PLAIN AGFkYQBwYXNz"),
    "MAIL": ((HELLO,), MAIL),
    "RCPT": ((HELLO, MAIL), RCPT),
    "DATA": ((HELLO, MAIL, RCPT), "DATA"),
    "CONTENT": ((HELLO, MAIL, RCPT, "DATA"), "Subject: x\r\n\r\nx\r\n."),
    "BDAT": ((HELLO, MAIL, RCPT), "BDAT 3\r\nx"),
    "RSET": ((HELLO, MAIL), "RSET"),
    "NOOP": ((HELLO,), "NOOP"),
    "VRFY": ((HELLO,), "VRFY ada"),
    "EXPN": ((HELLO,), "EXPN list"),
    "HELP": ((HELLO,), "HELP"),
    "QUIT": ((HELLO,), "QUIT"),
    "UNKNOWN": ((HELLO,), "XYZZY"),
}


def test_every_stage_with_a_reply_is_reached() -> None:
    """The tests below go through all of them; a handshake has tests of its own."""
    assert list(REACHED) == [name for name, stage in STAGES.items() if stage.has_reply]


def server() -> FakeHost:
    """Return a server that knows a user, with AUTH in clear text, and requires no login."""
    return FakeHost(users={"ada": "pass"}, auth_without_tls=True, require_auth=False)


def reach(host: FakeHost, stage: str) -> DrivenSession:
    """Go to a stage and send what reaches it; the log begins there."""
    before, line = REACHED[stage]
    client = DrivenSession(host)
    if stage == "CONNECT":
        return client
    client.reply()
    for command in before:
        assert client.ask(command)[0] in "23"
    client.log.clear()
    client.send(line + "\r\n")
    return client


def written(client: DrivenSession) -> list[bytes | Sleep]:
    """Return what was written since the log began, and the waits between."""
    return [step for step in client.log if isinstance(step, (bytes, Sleep))]


def own_reply(stage: str) -> bytes:
    """Return what the server says of itself at a stage."""
    (octets,) = written(reach(server(), stage))
    assert isinstance(octets, bytes)
    return octets


# -- each action at each stage --------------------------------------------------------------------------

GARBAGE = b"garbage\xff\n250-no end\r\n"

# Action -> its value as a keyword, and what is written, given what the server itself would say.
WRITTEN: dict[str, tuple[Any, Callable[[bytes], list[bytes | Sleep]]]] = {
    "delay": (0.5, lambda own: [Sleep(0.5), own]),
    "accept": (True, lambda own: [own]),
    "trickle": (200, lambda own: list(paced(own, 200))),
    "reply": ((450, "4.2.1 Not now\nor later"), lambda own: [b"450-4.2.1 Not now\r\n450 or later\r\n"]),
    "replies": ([(451, "4.3.0 First"), 452, "ok"], lambda own: [b"451 4.3.0 First\r\n"]),
    "reply_with": (lambda event: (450, f"At {event.stage}"), lambda own: []),
    "pass_through": (True, lambda own: [own]),
    "send": (GARBAGE, lambda own: [GARBAGE]),
    "silence": (True, lambda own: []),
    "disconnect": (True, lambda own: []),
}


def test_every_action_is_in_the_table() -> None:
    """The test below goes through all of them."""
    assert WRITTEN.keys() == ACTIONS.keys()


@pytest.mark.parametrize(("stage", "action"), list(itertools.product(REACHED, WRITTEN)))
def test_each_action_at_each_stage(stage: str, action: str) -> None:
    """What is written, whether the session goes on, and how it says so in its record."""
    value, expected = WRITTEN[action]
    host = server()
    fault = host.rules.declare(stage, origin="a test", times=1, **{action: value})
    client = reach(host, stage)
    wanted = [f"450 At {stage}\r\n".encode()] if action == "reply_with" else expected(own_reply(stage))
    assert written(client) == wanted
    assert fault.hits == 1
    leaves = stage == "QUIT" and action in ("delay", "accept", "trickle", "pass_through")
    assert (client.closed is not None) is (leaves or action == "disconnect")
    assert client.protocol.mute is (action == "silence")
    assert client.session._broken is (action in ("trickle", "send", "silence"))
    spoken = [line for line in client.session.transcript.lines if line.fault]
    assert (spoken != []) is (action not in ("silence", "disconnect"))
    assert {line.fault for line in spoken} <= {str(fault)}
    assert host.errors == []


@pytest.mark.parametrize("abort", [False, True])
@pytest.mark.parametrize("stage", REACHED)
def test_disconnect(stage: str, abort: bool) -> None:
    """By FIN or RST, without close_notify; the reason is recorded."""
    host = server()
    host.rules.add(stage).disconnect(abort=abort)
    client = reach(host, stage)
    assert client.closed == Close(abort=abort, notify=False)
    assert client.session.ended == f"disconnected at {stage}"


@pytest.mark.parametrize("stage", REACHED)
def test_silence(stage: str) -> None:
    """Nothing comes any more, and the session goes on; what follows is recorded and has no effect."""
    host = server()
    host.rules.add(stage, times=1).silence()
    client = reach(host, stage)
    assert client.rest() == b""
    assert client.session._broken
    client.send(f"{HELLO}\r\n{MAIL}\r\nQUIT\r\n")
    assert client.is_silent
    assert client.session.ended is None
    last = client.session.commands[-1]
    assert (last.verb, last.reply) == ("QUIT", None)
    assert len(client.session.transactions) == (stage in ("RCPT", "DATA", "CONTENT", "BDAT", "RSET", "MAIL"))
    assert not host.messages


@pytest.mark.parametrize("stage", REACHED)
def test_421_closes_after_the_reply(stage: str) -> None:
    """RFC 5321 3.8: whatever stage it is said at."""
    host = server()
    host.rules.add(stage).reply(421, "4.3.2 Closing")
    client = reach(host, stage)
    assert client.rest() == b"421 4.3.2 Closing\r\n"
    assert client.closed == Close()
    assert client.session.ended == "421"


@pytest.mark.parametrize("stage", REACHED)
def test_421_and_a_reset(stage: str) -> None:
    """The reset that was asked for behind the reply is how it closes."""
    host = server()
    host.rules.add(stage).reply(421, "4.3.2 Closing").disconnect(abort=True)
    client = reach(host, stage)
    assert client.rest() == b"421 4.3.2 Closing\r\n"
    assert client.closed == Close(abort=True)
    assert client.session.ended == "421"


@pytest.mark.parametrize("stage", REACHED)
def test_a_reply_and_octets_behind_it(stage: str) -> None:
    """`send` after `reply` writes what a client may take for the next reply."""
    host = server()
    host.rules.add(stage, times=1).reply(451, "4.3.0 Later").send(b"250 injected\r\n")
    client = reach(host, stage)
    assert client.rest() == b"451 4.3.0 Later\r\n250 injected\r\n"


@pytest.mark.parametrize("stage", REACHED)
def test_a_reply_in_pieces(stage: str) -> None:
    """The transcript has it octet by octet as it was written, the command has the whole."""
    host = server()
    host.rules.add(stage, times=1).reply(450, "12345").trickle(10)
    client = reach(host, stage)
    assert written(client) == list(paced(b"450 12345\r\n", 10))
    assert client.rest() == b"450 12345\r\n"
    if stage not in ("CONNECT", "CONTENT"):
        reply = client.session.commands[-1].reply
        assert str(reply) == "450 12345"


@pytest.mark.parametrize(
    ("octets", "speed", "steps"),
    [
        (b"ab", None, [b"ab"]),
        (b"", None, [b""]),
        (b"", 5, []),
        (b"abc", 10, [b"a", Sleep(0.1), b"b", Sleep(0.1), b"c"]),
        (b"abc", 0.5, [b"a", Sleep(2), b"b", Sleep(2), b"c"]),
        (b"abcde", 200, [b"ab", Sleep(0.01), b"cd", Sleep(0.01), b"e"]),
        (b"abcde", 20_000, [b"abcde"]),
    ],
)
def test_paced(octets: bytes, speed: float | None, steps: list[bytes | Sleep]) -> None:
    """At most a hundred writes a second, with the waits between them and none at either end."""
    assert list(paced(octets, speed)) == steps


# -- which command takes effect -------------------------------------------------------------------------

# Stage -> whether the command has taken effect.
EFFECTS: dict[str, Callable[[DrivenSession], object]] = {
    "HELO": lambda client: client.session.client_name,
    "EHLO": lambda client: client.session.client_name and client.protocol.extended,
    "STARTTLS": lambda client: client.protocol.record.stage == "TLS",
    "AUTH": lambda client: client.session.user,
    "MAIL": lambda client: client.protocol.transaction,
    "RCPT": lambda client: client.session.transactions[0].rcpt_to,
    "DATA": lambda client: client.protocol.record.stage == "CONTENT",
    "CONTENT": lambda client: client.host.messages and client.session.transactions[0].message,
    "BDAT": lambda client: client.protocol.chunks,
    "RSET": lambda client: client.protocol.transaction is None,
    "QUIT": lambda client: client.session.ended == "QUIT",
}

# A chain of actions, and whether the command takes effect by it.
CHAINS: list[tuple[dict[str, Any], bool]] = [
    ({"pass_through": True}, True),
    ({"reply": 250}, True),
    ({"reply": 299}, True),
    ({"reply": 400}, False),
    ({"reply": 550}, False),
    ({"reply_with": lambda event: None}, True),
    ({"reply_with": lambda event: 450}, False),
    ({"send": b"250 2.0.0 OK\r\n"}, False),
    ({"silence": True}, False),
    ({"accept": True, "reply": 451}, True),
    ({"accept": True, "send": b"?\r\n"}, True),
]


@pytest.mark.parametrize(("actions", "effective"), CHAINS, ids=[" ".join(chain[0]) for chain in CHAINS])
@pytest.mark.parametrize("stage", EFFECTS)
def test_a_command_takes_effect_by_a_positive_reply(
    stage: str, actions: dict[str, Any], effective: bool
) -> None:
    """2yz and 3yz: yes; another reply or none: no, unless `accept()` comes first."""
    host = server()
    host.rules.declare(stage, times=1, **actions)
    client = reach(host, stage)
    assert bool(EFFECTS[stage](client)) is effective


@pytest.mark.parametrize("stage", ["NOOP", "VRFY", "EXPN", "HELP", "UNKNOWN"])
def test_what_has_no_effect_gets_none_by_a_fault(stage: str) -> None:
    """A positive reply to it changes nothing, neither does `accept()`."""
    for actions in ({"reply": 250}, {"accept": True, "send": b"?\r\n"}):
        host = server()
        host.rules.declare(stage, times=1, **actions)
        client = reach(host, stage)
        client.rest()
        client.envelope()
        assert client.content(b"x\r\n").startswith("250")


@pytest.mark.parametrize("action", ["disconnect", "silence", "send"])
@pytest.mark.parametrize("accepted", [False, True])
def test_no_reply_no_effect_unless_accepted(action: str, accepted: bool) -> None:
    """What leaves the client without a reply leaves nothing stored; `accept()` before it stores."""
    host = server()
    fault = host.rules.add("CONTENT")
    fault = fault.accept() if accepted else fault
    fault.send(b"??\r\n") if action == "send" else getattr(fault, action)()
    client = reach(host, "CONTENT")
    assert client.rest() == (b"??\r\n" if action == "send" else b"")
    assert len(host.messages) == accepted
    (transaction,) = client.session.transactions
    assert (transaction.message is not None) is accepted
    assert transaction.reply is None


def test_a_command_refused_by_a_fault_has_no_effect() -> None:
    """MAIL refused begins no transaction, RCPT refused adds nobody, DATA refused takes no content."""
    host = server()
    client = DrivenSession(host)
    client.open()
    host.rules.add("MAIL", times=1).reply(451)
    assert client.code(MAIL) == 451
    assert client.code(RCPT) == 503
    client.envelope()
    host.rules.add("RCPT", "eve@*").reply(550)
    assert client.code("RCPT TO:<EVE@example.net>") == 550
    host.rules.add("DATA", times=1).reply(451)
    assert client.code("DATA") == 451
    client.content(b"x\r\n")
    assert [message.rcpt_to for message in host.messages] == [("bob@example.org",)]
    refused, accepted = client.session.transactions
    assert refused.reply is not None
    assert (refused.reply.code, refused.message) == (451, None)
    assert accepted.refused["EVE@example.net"].code == 550


def test_a_command_that_policy_refuses_takes_effect_by_a_positive_reply() -> None:
    """A fault overrules the server's policy, as long as the dialogue allows the command at all."""
    host = FakeHost(users={"ada": "pass"}, auth_without_tls=True, recipient_limit=0)
    host.rules.add("MAIL").reply(250)
    host.rules.add("RCPT").reply(251, "2.1.5 Forwarded")
    client = DrivenSession(host)
    client.open()
    assert client.code(MAIL) == 250
    assert client.code(RCPT) == 251
    client.content(b"x\r\n")
    assert len(host.messages) == 1


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ((), MAIL),
        ((HELLO, MAIL), MAIL),
        ((HELLO,), RCPT),
        ((HELLO, MAIL), "RCPT bob"),
        ((HELLO,), "MAIL ada"),
    ],
)
def test_a_command_that_the_dialogue_does_not_allow_has_no_effect(before: tuple[str, ...], line: str) -> None:
    """A positive reply by a fault cannot make a transaction out of a command that has no place or sense."""
    host = server()
    client = DrivenSession(host)
    client.reply()
    for command in before:
        client.ask(command)
    transaction = client.protocol.transaction
    host.rules.add(line[:4]).reply(250)
    assert client.code(line) == 250
    assert client.protocol.transaction is transaction
    assert transaction is None or transaction.rcpt_to == ()


def test_content_refused_is_not_stored_and_ends_the_transaction() -> None:
    """A 4yz or 5yz to content: nothing is in the inbox, the next MAIL is in order."""
    host = server()
    host.rules.add("CONTENT", times=1).reply(554, "5.6.0 Spam")
    client = DrivenSession(host)
    client.open()
    client.envelope()
    assert client.content(b"x\r\n") == "554 5.6.0 Spam"
    client.envelope()
    assert client.content(b"y\r\n").startswith("250")
    assert [message.content for message in host.messages] == [b"y\r\n"]
    assert client.session.transactions[0].message is None


def test_accepted_and_told_otherwise() -> None:
    """The message is stored, the client hears 451 and will send it again."""
    host = server()
    host.rules.add("CONTENT", times=1).accept().reply(451, "4.3.0 Lost the reply")
    client = DrivenSession(host)
    client.open()
    for _ in range(2):
        client.envelope()
        client.content(b"x\r\n")
    assert len(host.messages) == 2
    replies = [transaction.reply and transaction.reply.code for transaction in client.session.transactions]
    assert replies == [451, 250]


def test_content_too_big_is_not_stored_by_a_positive_reply() -> None:
    """It was not kept, so there is nothing to store."""
    host = FakeHost(size_limit=2)
    host.rules.add("CONTENT").reply(250)
    client = DrivenSession(host)
    client.open()
    client.envelope()
    assert client.content(b"xxx\r\n").startswith("250")
    assert not host.messages


def test_quit_refused_does_not_close() -> None:
    """QUIT takes effect by a positive reply, like any other command."""
    host = server()
    host.rules.add("QUIT", times=1).reply(500)
    client = DrivenSession(host)
    client.open()
    assert client.code("QUIT") == 500
    assert client.code("NOOP") == 250
    assert client.code("QUIT") == 221
    assert client.closed == Close()


def test_rset_and_ehlo_refused_keep_the_transaction() -> None:
    """What did not take effect changed nothing."""
    host = server()
    client = DrivenSession(host)
    client.open()
    client.envelope()
    host.rules.add("RSET").reply(451)
    host.rules.add("EHLO").reply(451)
    assert client.code("RSET") == 451
    assert client.code(HELLO) == 451
    client.content(b"x\r\n")
    assert len(host.messages) == 1


# -- counting -------------------------------------------------------------------------------------------


def test_replies_in_turn() -> None:
    """Each hit has the next reply, "ok" passes through, and then the fault steps aside."""
    host = server()
    fault = host.rules.add("NOOP").replies([451, (550, "5.0.0 Never"), "ok", 451])
    client = DrivenSession(host)
    client.open()
    assert [client.code("NOOP") for _ in range(6)] == [451, 550, 250, 451, 250, 250]
    assert fault.hits == 4


def test_times_and_after() -> None:
    """`after` lets events pass first, `times` lets it act that often; the oldest rule is asked first."""
    host = server()
    host.rules.add("NOOP", after=1, times=2).reply(451)
    host.rules.add("NOOP", times=2).reply(452)
    client = DrivenSession(host)
    client.open()
    assert [client.code("NOOP") for _ in range(6)] == [452, 451, 451, 452, 250, 250]


# -- what rules are asked -------------------------------------------------------------------------------


def test_what_a_rule_is_asked() -> None:
    """Stage, argument, session, transaction, content, verb, line and parameters, as far as there are any."""
    seen: list[Event] = []

    def remember(event: Event) -> bool:
        seen.append(event)
        return False

    host = server()
    host.rules.add("*", remember).optional().reply(451)
    client = DrivenSession(host)
    client.open()
    client.ask("AUTH PLAIN AGFkYQBwYXNz")
    client.ask(f"{MAIL} BODY=8BITMIME")
    client.ask(RCPT)
    client.content(b"x\r\n")
    client.ask("QUIT")
    asked = [(event.stage, event.argument, event.verb, event.line, event.parameters) for event in seen]
    assert asked == [
        ("CONNECT", PEER[0], "", "", ()),
        ("EHLO", "client.example.com", "EHLO", HELLO, ()),
        ("AUTH", "PLAIN", "AUTH", "AUTH PLAIN ********", ()),
        ("MAIL", "ada@example.com", "MAIL", f"{MAIL} BODY=8BITMIME", ("BODY=8BITMIME",)),
        ("RCPT", "bob@example.org", "RCPT", RCPT, ()),
        ("DATA", "", "DATA", "DATA", ()),
        ("CONTENT", "", "DATA", "DATA", ()),
        ("QUIT", "", "QUIT", "QUIT", ()),
    ]
    content = seen[6]
    assert content.content == b"x\r\n"
    assert content.session is client.session
    assert content.transaction is host.transactions[0]


@pytest.mark.parametrize("stage", REACHED)
def test_rules_are_asked_only_where_one_is_about_the_stage(stage: str) -> None:
    """A session that no fault concerns takes no step but for octets: the fast path."""
    host = server()
    host.rules.add(stage).pass_through()
    asked = [step.event.stage for step in reach(host, stage).log if isinstance(step, Ask)]
    assert asked == [stage]
    other = server()
    other.rules.add("HELO" if stage != "HELO" else "NOOP").reply(450)
    assert [step for step in reach(other, stage).log if isinstance(step, Ask)] == []


def test_a_predicate_that_raises() -> None:
    """The command goes on as if nothing had matched."""
    host = server()
    host.rules.add("NOOP", lambda event: 1 / 0).optional().reply(451)
    client = DrivenSession(host)
    client.open()
    assert client.code("NOOP") == 250
    assert host.errors == ["predicate of a fault at NOOP: ZeroDivisionError: division by zero"]


def test_a_function_that_raises() -> None:
    """451, and the error is kept for the verdict."""
    host = server()
    host.rules.add("NOOP").reply_with(lambda event: int(1 / 0))
    client = DrivenSession(host)
    client.open()
    assert client.ask("NOOP") == "451 4.3.0 The test's own function failed"
    assert host.errors == ["reply_with of a fault at NOOP: ZeroDivisionError: division by zero"]


def test_own_replies_passed_through_are_worded_as_ever() -> None:
    """Without ENHANCEDSTATUSCODES the server's own reply has no code, by a fault or not."""
    host = FakeHost(extensions=())
    host.rules.add("NOOP", times=1).delay(1)
    client = DrivenSession(host)
    client.open()
    assert client.ask("NOOP") == client.ask("NOOP") == "250 OK"
