from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.action import (
    ACTIONS,
    Accept,
    Delay,
    Disconnect,
    PassThrough,
    ReplyWith,
    Send,
    Silence,
    Trickle,
)
from pytest_smtp4d.faults.fault import Fault, actions_of
from pytest_smtp4d.faults.match import Event
from pytest_smtp4d.faults.rules import Rules
from pytest_smtp4d.faults.stage import STAGES
from pytest_smtp4d.records.record import Session, Transaction
from pytest_smtp4d.smtp.command import VERBS
from pytest_smtp4d.smtp.reply import Reply

NO_SUCH_USER = Reply(550, "5.1.1 No such user")
AGAIN = b"250 again\r\n"
TRY_LATER = Reply(451, "4.3.0 Try later")


def decided(rules: Rules, stage: str, argument: str = "") -> list[Any] | None:
    """Ask the rules and return the actions of the fault that acts."""
    decision = rules.decide(Event(stage, argument))
    return None if decision is None else list(decision[1])


# What a rule is about.


def test_a_reply_for_some_recipients() -> None:
    """A fault acts on its stage and its match, and on nothing else."""
    rules = Rules()
    fault = rules.add("RCPT", "nobody@*").reply(550, "5.1.1 No such user")
    assert decided(rules, "RCPT", "nobody@example.com") == [ReplyWith(NO_SUCH_USER)]
    assert decided(rules, "RCPT", "bob@example.com") is None
    assert decided(rules, "MAIL", "nobody@example.com") is None
    assert fault.hits == 1


@pytest.mark.parametrize(
    ("match", "argument", "matches"),
    [
        ("nobody@*", "nobody@example.com", True),
        ("nobody@*", "somebody@example.com", False),
        ("*@example.com", "bob@EXAMPLE.com", True),
        ("Bob@example.com", "bob@example.com", True),
        ("bob@example.com", "xbob@example.com", False),
        ("bob@[127.0.0.1]", "bob@[127.0.0.1]", True),
        ("[ab]ob@*", "bob@example.com", True),
        ("?ob@*", "bob@example.com", True),
        ("", "", True),
        ("*", "", True),
        (re.compile("example"), "bob@example.com", True),
        (re.compile("^example"), "bob@example.com", False),
        (re.compile("EXAMPLE"), "bob@example.com", False),
        (lambda event: event.argument.startswith("bob"), "bob@example.com", True),
        (lambda _: 0, "bob@example.com", False),
        (None, "bob@example.com", True),
    ],
)
def test_a_match_is_a_pattern_or_a_predicate(match: Any, argument: str, matches: bool) -> None:
    """A shell pattern ignores case and matches all of it, a compiled one is searched, a predicate called."""
    rules = Rules()
    rules.add("RCPT", match).reply(550)
    assert (rules.decide(Event("RCPT", argument)) is not None) is matches


def test_a_predicate_sees_the_event() -> None:
    """A predicate gets stage, argument, session, transaction and content."""
    session, transaction = Session(("127.0.0.1", 5)), Transaction("a@example.com")
    event = Event("CONTENT", "", session, transaction, b"Subject: x\r\n\r\n")
    rules = Rules()
    rules.add("CONTENT", lambda other: other is event and other.content == b"Subject: x\r\n\r\n").reply(554)
    assert rules.decide(event) is not None


def test_what_a_predicate_raises_leaves_the_decision() -> None:
    """The error of a predicate is not swallowed, and counts no hit."""
    rules = Rules()
    fault = rules.add("RCPT", lambda event: event.argument[99]).reply(550)
    with pytest.raises(IndexError):
        rules.decide(Event("RCPT", "bob@example.com"))
    assert fault.hits == 0


def test_rules_name_the_stages_that_run_users_code() -> None:
    """The server learns which stages it must not decide in its loop."""
    rules = Rules()
    rules.add("RCPT", "a@*").reply(550)
    rules.add("MAIL", lambda _: True).reply(550)
    assert not rules.run_users_code("RCPT")
    assert rules.run_users_code("MAIL")
    rules.add("*", lambda _: True).delay(1)
    assert rules.run_users_code("RCPT")


def test_may_match_is_the_fast_path() -> None:
    """A stage without a rule is known without asking any; "*" is every stage."""
    rules = Rules()
    assert not rules.may_match("RCPT")
    rules.add("RCPT").reply(550)
    assert rules.may_match("RCPT")
    assert not rules.may_match("MAIL")
    rules.add("*").reply(421)
    assert all(rules.may_match(stage) for stage in STAGES)


# How often.


def test_times_then_steps_aside() -> None:
    """After `times` hits a fault steps aside, and the next rule acts."""
    rules = Rules()
    first = rules.add("DATA", times=2).reply(451, "4.3.0 Try later")
    second = rules.add("DATA").reply(554)
    answers = [decided(rules, "DATA") for _ in range(4)]
    assert answers[:2] == [[ReplyWith(TRY_LATER)]] * 2
    assert answers[2:] == [[ReplyWith(Reply(554, "5.0.0 Transaction failed"))]] * 2
    assert (first.hits, second.hits) == (2, 2)


def test_after_lets_the_first_through() -> None:
    """`after` lets that many matching events through, and they are no hits."""
    rules = Rules()
    fault = rules.add("CONTENT", after=1).delay(0.2).reply(250, "2.0.0 Queued")
    assert decided(rules, "CONTENT") is None
    assert fault.hits == 0
    assert decided(rules, "CONTENT") == [Delay(0.2), ReplyWith(Reply(250, "2.0.0 Queued"))]


def test_after_counts_what_matches_only() -> None:
    """An event that does not match is not among those let through."""
    rules = Rules()
    rules.add("RCPT", "bob@*", after=1, times=1).reply(550)
    rcpts = [
        "alice@example.com",
        "bob@example.com",
        "alice@example.com",
        "bob@example.com",
        "bob@example.com",
    ]
    assert [decided(rules, "RCPT", rcpt) is not None for rcpt in rcpts] == [False, False, False, True, False]


def test_an_event_let_through_is_the_next_rules() -> None:
    """While a fault lets events through, the rules behind it are asked."""
    rules = Rules()
    rules.add("DATA", after=1).reply(451, "4.3.0 Try later")
    rules.add("DATA").reply(550, "5.1.1 No such user")
    assert decided(rules, "DATA") == [ReplyWith(NO_SUCH_USER)]
    assert decided(rules, "DATA") == [ReplyWith(TRY_LATER)]


def test_replies_go_over_successive_hits() -> None:
    """`replies` answers in turn, "ok" passes through, and at the end the fault steps aside."""
    rules = Rules()
    fault = rules.add("RCPT").delay(0.1).replies([450, (451, "4.3.0 Try later"), "ok", NO_SUCH_USER])
    assert [decided(rules, "RCPT") for _ in range(5)] == [
        [Delay(0.1), ReplyWith(Reply(450, "4.2.0 Mailbox unavailable"))],
        [Delay(0.1), ReplyWith(TRY_LATER)],
        [Delay(0.1), PassThrough()],
        [Delay(0.1), ReplyWith(NO_SUCH_USER)],
        None,
    ]
    assert fault.hits == 4


def test_times_can_cut_replies_short() -> None:
    """With fewer `times` than replies, the rest is not said."""
    rules = Rules()
    rules.add("RCPT", times=1).replies([450, 451])
    assert decided(rules, "RCPT") is not None
    assert decided(rules, "RCPT") is None


@given(times=st.integers(1, 5) | st.none(), after=st.integers(0, 5), events=st.integers(0, 15))
def test_counters_add_up(times: int | None, after: int, events: int) -> None:
    """Of any number of events, the first `after` pass, the next `times` are hit, the rest pass."""
    rules = Rules()
    fault = rules.add("MAIL", times=times, after=after).reply(451)
    acted = [rules.decide(Event("MAIL")) is not None for _ in range(events)]
    last = events if times is None else after + times
    assert acted == [after <= number < last for number in range(events)]
    assert fault.hits == sum(acted)


def test_counters_hold_under_threads() -> None:
    """Sessions that arrive together never get more hits than `times`."""
    rules = Rules()
    fault = rules.add("MAIL", times=50, after=25).reply(451)
    acted: list[bool] = []
    ready = threading.Barrier(8)

    def ask() -> None:
        ready.wait()
        acted.extend([rules.decide(Event("MAIL")) is not None for _ in range(100)])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(acted) == fault.hits == 50


# What it does.


def test_the_first_match_acts() -> None:
    """Rules are asked in the order they were added."""
    rules = Rules()
    rules.add("RCPT", "bob@*").reply(451, "4.3.0 Try later")
    rules.add("RCPT").reply(550, "5.1.1 No such user")
    assert decided(rules, "RCPT", "bob@example.com") == [ReplyWith(TRY_LATER)]
    assert decided(rules, "RCPT", "alice@example.com") == [ReplyWith(NO_SUCH_USER)]


CHAINS: list[tuple[str, Callable[[Fault], Fault], list[Any]]] = [
    ("MAIL", lambda f: f.disconnect(), [Disconnect()]),
    ("MAIL", lambda f: f.disconnect(abort=True), [Disconnect(abort=True)]),
    ("CONTENT", lambda f: f.accept().disconnect(), [Accept(), Disconnect()]),
    ("CONTENT", lambda f: f.accept().reply(451, "4.3.0 Try later"), [Accept(), ReplyWith(TRY_LATER)]),
    ("EHLO", lambda f: f.send(b"garbage\xff\r\n"), [Send(b"garbage\xff\r\n")]),
    ("EHLO", lambda f: f.send(b"25").delay(1).send(b"0 ok\r\n"), [Send(b"25"), Delay(1), Send(b"0 ok\r\n")]),
    ("RCPT", lambda f: f.silence(), [Silence()]),
    ("RCPT", lambda f: f.delay(1).silence(), [Delay(1), Silence()]),
    ("EHLO", lambda f: f.reply(250, "a\nb").trickle(10), [Trickle(10), ReplyWith(Reply(250, "a\nb"))]),
    ("EHLO", lambda f: f.delay(1).trickle(10), [Delay(1), Trickle(10)]),
    ("MAIL", lambda f: f.reply(250).disconnect(), [ReplyWith(Reply(250, "2.0.0 OK")), Disconnect()]),
    ("MAIL", lambda f: f.reply(250).send(AGAIN), [ReplyWith(Reply(250, "2.0.0 OK")), Send(AGAIN)]),
    ("TLS", lambda f: f.accept().disconnect(), [Accept(), Disconnect()]),
    ("TLS", lambda f: f.trickle(100).accept().disconnect(), [Trickle(100), Accept(), Disconnect()]),
    ("TLS", lambda f: f.silence(), [Silence()]),
    ("NOOP", lambda f: f.accept(), [Accept()]),
    ("CONNECT", lambda f: f.reply(554, "5.3.2 Closed"), [ReplyWith(Reply(554, "5.3.2 Closed"))]),
    ("AUTH", lambda f: f.reply(299), [ReplyWith(Reply(299, ""))]),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "chain", "actions"), CHAINS)
def test_actions_chain_in_order(stage: str, chain: Callable[[Fault], Fault], actions: list[Any]) -> None:
    """What is chained is carried out in that order; a trickle's speed holds for the whole answer."""
    rules = Rules()
    fault = rules.add(stage)
    assert chain(fault) is fault
    assert decided(rules, stage) == actions


def test_a_fault_without_action_does_nothing() -> None:
    """Until an action is chained, a fault lets everything pass, and says so when it is reported as unhit."""
    rules = Rules()
    fault = rules.add("RCPT", "bob@*", origin="tests/test_x.py:7")
    assert decided(rules, "RCPT", "bob@example.com") is None
    assert rules.unhit() == [fault]
    assert str(fault) == "on('RCPT', 'bob@*') at tests/test_x.py:7, which has no action"


def test_a_star_acts_where_it_can() -> None:
    """A reply on every stage skips the handshake, which has none; a disconnect does not."""
    rules = Rules()
    rules.add("*", after=2).reply(421)
    assert [decided(rules, stage) for stage in ("CONNECT", "TLS", "EHLO", "TLS")] == [None] * 4
    assert decided(rules, "QUIT") is not None
    rules.clear()
    rules.add("*").disconnect()
    assert decided(rules, "TLS") == [Disconnect()]


def test_after_octets_is_asked_in_mid_content() -> None:
    """A rule with `after_octets` acts when that many octets have arrived, and never at the end of content."""
    rules = Rules()
    early = rules.add("CONTENT").disconnect(after_octets=100)
    rules.add("CONTENT").delay(1).disconnect(abort=True, after_octets=10)
    rules.add("CONTENT").reply(554, "5.0.0 no")
    assert rules.thresholds("CONTENT") == (10, 100)
    assert rules.thresholds("BDAT") == ()
    assert decided(rules, "CONTENT") == [ReplyWith(Reply(554, "5.0.0 no"))]
    decision = rules.decide(Event("CONTENT", content=b"0123456789"), after_octets=10)
    assert decision is not None
    assert decision[1] == (Delay(1), Disconnect(abort=True, after_octets=10))
    assert rules.unhit() == [early]


def test_unhit_faults_are_known() -> None:
    """Faults never hit are reported in order; an optional one is not."""
    rules = Rules()
    hit, unhit, optional = (
        rules.add("MAIL").reply(550),
        rules.add("RCPT").reply(550),
        rules.add("DATA").reply(554),
    )
    assert optional.optional() is optional
    rules.decide(Event("MAIL"))
    assert rules.unhit() == [unhit]
    assert not hit._is_unhit
    assert rules.faults == (hit, unhit, optional)


def test_rules_can_go_again() -> None:
    """`clear` forgets all rules, `remove` one; one that is not there is no error."""
    rules = Rules()
    first, second = rules.add("MAIL").reply(550), rules.add("*").reply(451, "4.3.0 Try later")
    rules.remove(first)
    assert decided(rules, "MAIL") == [ReplyWith(TRY_LATER)]
    rules.remove(first)
    rules.remove(second)
    assert not any(rules.may_match(stage) for stage in STAGES)
    rules.add("MAIL").reply(550)
    rules.clear()
    assert (rules.faults, rules.may_match("MAIL")) == ((), False)


def test_a_fault_says_where_it_was_declared() -> None:
    """The text of a fault reads as it was written and names the file and line."""
    fault = Rules().add("RCPT", re.compile("bob"), times=2, after=1)
    fault.delay(1).reply(550, "no").disconnect(abort=True)
    file, _, line = fault.origin.rpartition(":")
    assert file.replace("\\", "/").endswith("test_fault.py")
    assert int(line) == test_a_fault_says_where_it_was_declared.__code__.co_firstlineno + 2
    chain = "delay(1).reply(550, 'no').disconnect(abort=True)"
    assert str(fault) == f"on('RCPT', re.compile('bob'), times=2, after=1).{chain} at {fault.origin}"
    silent = Fault("CONTENT", is_bob, origin="x.py:1").trickle(5).send(b"x" * 50)
    assert str(silent) == f"on('CONTENT', is_bob).trickle(5).send({b'x' * 40!r}…) at x.py:1"
    assert str(Fault("CONTENT").replies([450, "ok"])) == "on('CONTENT').replies([450, 'ok'])"
    assert str(Fault("BDAT").disconnect(after_octets=7)) == "on('BDAT').disconnect(after_octets=7)"
    assert repr(Fault("TLS").accept().silence()) == "<Fault on('TLS').accept().silence(), 0 hits>"


def is_bob(event: Event) -> bool:
    """Stand for a user's predicate."""
    return event.argument == "bob@example.com"


# What cannot be.

TLS_HAS_NO = (
    "TLS has no reply, so it cannot have {}(); "
    "it can have delay, accept, trickle, pass_through, send, silence, disconnect"
)
OUTSIDE = "reply code {} is outside 200-599; send(b'...') writes what is no reply"


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda r: r.add("RCTP"), "unknown stage 'RCTP' (did you mean 'RCPT'?)"),
        (
            lambda r: r.add(["RCPT"]),
            f"a stage is one of {', '.join(STAGES)} or '*', not ['RCPT']",
        ),
        (lambda r: r.add("rcpt"), "unknown stage 'rcpt' (did you mean 'RCPT'?)"),
        (
            lambda r: r.add("RCPT", times=0),
            "times is how often the fault acts, or None for always: a whole number, 1 or more, not 0",
        ),
        (
            lambda r: r.add("RCPT", times=True),
            "times is how often the fault acts, or None for always: a whole number, 1 or more, not True",
        ),
        (
            lambda r: r.add("RCPT", after=-1),
            "after is how many matching events are let through first: a whole number, 0 or more, not -1",
        ),
        (
            lambda r: r.add("RCPT", 5),
            "match is a shell pattern, a compiled pattern of text or a predicate of Event, not 5",
        ),
        (
            lambda r: r.add("RCPT", b"bob@*"),
            "match is a shell pattern, a compiled pattern of text or a predicate of Event, not b'bob@*'",
        ),
        (
            lambda r: r.add("CONTENT", "bob@*"),
            (
                "CONTENT has no argument, so 'bob@*' would never match; "
                "a predicate of Event sees the session, the transaction and the content"
            ),
        ),
        (
            lambda r: r.add("RCPT").reply(600),
            OUTSIDE.format(600),
        ),
        (
            lambda r: r.add("RCPT").reply(199, "x"),
            OUTSIDE.format(199),
        ),
        (lambda r: r.add("RCPT").reply("550"), "a reply is a code, (code, text), a Reply or 'ok', not '550'"),
        (lambda r: r.add("RCPT").reply("550", "x"), "a reply code is a number from 200 to 599, not '550'"),
        (lambda r: r.add("RCPT").reply(550, 5), "the text of a reply is a str, not 5"),
        (
            lambda r: r.add("RCPT").reply(550, "a\r\nb"),
            (
                "the text of a reply cannot hold CR or NUL: 'a\\r\\nb'; newlines make a multi-line reply, "
                "and send(b'...') writes any octets"
            ),
        ),
        (
            lambda r: r.add("RCPT").reply(550, "a\0"),
            (
                "the text of a reply cannot hold CR or NUL: 'a\\x00'; newlines make a multi-line reply, "
                "and send(b'...') writes any octets"
            ),
        ),
        (
            lambda r: r.add("RCPT").reply(550).reply(551),
            (
                "reply() after a reply: one command has one reply; replies([...]) answers in turn, "
                "send(b'...') writes any octets"
            ),
        ),
        (
            lambda r: r.add("RCPT").send(b"x").reply(551),
            "reply() after send(): put all the octets into send()",
        ),
        (lambda r: r.add("RCPT").replies([]), "replies() takes a list of at least one reply, not []"),
        (lambda r: r.add("RCPT").replies("ok"), "replies() takes a list of at least one reply, not 'ok'"),
        (
            lambda r: r.add("RCPT").replies(["no"]),
            "a reply is a code, (code, text), a Reply or 'ok', not 'no'",
        ),
        (
            lambda r: r.add("RCPT", times=3).replies([450]),
            "times=3, but replies() has 1: leave times out or add replies",
        ),
        (lambda r: r.add("RCPT").delay(0), "delay() takes seconds, a number above 0, not 0"),
        (lambda r: r.add("RCPT").delay(float("nan")), "delay() takes seconds, a number above 0, not nan"),
        (lambda r: r.add("RCPT").delay(float("inf")), "delay() takes seconds, a number above 0, not inf"),
        (lambda r: r.add("RCPT").trickle(-1), "trickle() takes octets per second, a number above 0, not -1"),
        (
            lambda r: r.add("RCPT").trickle(1).trickle(1),
            "trickle() comes once: it is the speed of the whole answer",
        ),
        (
            lambda r: r.add("RCPT").trickle(1).disconnect(),
            "trickle() then disconnect() writes nothing: chain reply() or send() between",
        ),
        (
            lambda r: r.add("RCPT").reply(250).accept(),
            "accept() comes once, and before reply, send, silence and disconnect",
        ),
        (
            lambda r: r.add("RCPT").accept().accept(),
            "accept() comes once, and before reply, send, silence and disconnect",
        ),
        (
            lambda r: r.add("RCPT").disconnect().reply(550),
            "reply() after disconnect() would never happen; disconnect() comes last",
        ),
        (
            lambda r: r.add("RCPT").silence().delay(1),
            "delay() after silence() would never happen; silence() comes last",
        ),
        (
            lambda r: r.add("RCPT").reply(250).silence(),
            "silence() answers nothing, so it cannot follow reply, send or trickle",
        ),
        (
            lambda r: r.add("QUIT").accept().silence(),
            "QUIT takes effect by closing, so accept() contradicts silence()",
        ),
        (lambda r: r.add("RCPT").disconnect(abort=1), "disconnect(abort=…) is True or False, not 1"),
        (
            lambda r: r.add("RCPT").disconnect(after_octets=1),
            "after_octets counts content: CONTENT and BDAT have it, 'RCPT' has not",
        ),
        (
            lambda r: r.add("*").disconnect(after_octets=1),
            "after_octets counts content: CONTENT and BDAT have it, '*' has not",
        ),
        (
            lambda r: r.add("CONTENT").disconnect(after_octets=-1),
            (
                "after_octets is how many octets of content arrive before the close: "
                "a whole number, 0 or more, not -1"
            ),
        ),
        (
            lambda r: r.add("CONTENT").accept().disconnect(after_octets=1),
            "disconnect(after_octets=…) acts in mid-content: "
            "only delay() and a refusing reply() can precede it",
        ),
        (lambda r: r.add("RCPT").send("text"), "send() takes octets (bytes, at least one), not 'text'"),
        (lambda r: r.add("RCPT").send(b""), "send() takes octets (bytes, at least one), not b''"),
        (
            lambda r: r.add("TLS").reply(454),
            TLS_HAS_NO.format("reply"),
        ),
        (
            lambda r: r.add("TLS").replies([454]),
            TLS_HAS_NO.format("replies"),
        ),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_declared(
    declare: Callable[[Rules], object], message: str
) -> None:
    """A stage, code, text, count or chain that makes no sense is a `SettingsError` that says why."""
    with pytest.raises(SettingsError) as error:
        declare(Rules())
    assert str(error.value) == message


def test_a_refused_action_leaves_the_fault_as_it_was() -> None:
    """After an error, the chain is what it was before."""
    fault = Rules().add("RCPT").reply(550, "no")
    with pytest.raises(SettingsError):
        fault.reply(551)
    assert fault._actions == (ReplyWith(Reply(550, "no")),)


CHAINED: dict[str, Callable[[Fault], Fault]] = {
    "reply": lambda fault: fault.reply(451),
    "replies": lambda fault: fault.replies(["ok", 450]),
    "delay": lambda fault: fault.delay(1),
    "accept": lambda fault: fault.accept(),
    "disconnect": lambda fault: fault.disconnect(),
    "after_octets": lambda fault: fault.disconnect(after_octets=1),
    "silence": lambda fault: fault.silence(),
    "send": lambda fault: fault.send(b"x"),
    "trickle": lambda fault: fault.trickle(1),
}


@given(stage=st.sampled_from([*STAGES, "*"]), names=st.lists(st.sampled_from(sorted(CHAINED)), max_size=6))
def test_any_chain_is_refused_or_makes_sense(stage: str, names: list[str]) -> None:
    """Whatever is chained: an error where it cannot be, else at most one reply, and the end at the end."""
    fault = Fault(stage)
    for name in names:
        before = fault._actions
        try:
            CHAINED[name](fault)
        except SettingsError:
            assert fault._actions == before
    kinds = [type(action) for action in fault._actions]
    assert sum(kind in (ReplyWith, PassThrough) for kind in kinds) <= 1
    assert kinds.count(Accept) <= 1
    assert not any(kind in (Disconnect, Silence) for kind in kinds[:-1])
    assert Trickle not in kinds or Silence not in kinds
    if Accept in kinds:
        assert not any(kind in (ReplyWith, PassThrough, Send) for kind in kinds[: kinds.index(Accept)])


# The marker's form.


def test_a_declaration_is_the_chain_in_one_call() -> None:
    """`declare` chains its actions in the one order that makes sense, whatever order they are written in."""
    rules = Rules()
    fault = rules.declare(
        "RCPT", "bob@*", reply=(550, "5.1.1 No such user"), delay=0.5, times=2, optional=True
    )
    assert fault._actions == (Delay(0.5), ReplyWith(NO_SUCH_USER))
    assert (fault.times, fault._is_optional, rules.faults) == (2, True, (fault,))


@pytest.mark.parametrize(
    ("options", "actions"),
    [
        ({"reply": 451}, (ReplyWith(Reply(451, "4.3.0 Local error in processing")),)),
        ({"reply": [550, "5.1.1 No such user"]}, (ReplyWith(NO_SUCH_USER),)),
        ({"reply": NO_SUCH_USER}, (ReplyWith(NO_SUCH_USER),)),
        ({"replies": ["ok", 450]}, (PassThrough(),)),
        ({"disconnect": True, "accept": True}, (Accept(), Disconnect())),
        ({"disconnect": {"abort": True}}, (Disconnect(abort=True),)),
        ({"disconnect": {"after_octets": 5}}, (Disconnect(after_octets=5),)),
        ({"silence": True, "accept": False}, (Silence(),)),
        ({"send": b"x\r\n", "trickle": 3}, (Trickle(3), Send(b"x\r\n"))),
    ],
)
def test_every_action_has_a_marker_form(options: dict[str, Any], actions: tuple[Any, ...]) -> None:
    """What can be chained can be written as a keyword."""
    assert Rules().declare("CONTENT", **options)._actions == actions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {},
            (
                "the fault on 'CONTENT' has no action; give it one of "
                "delay, accept, trickle, reply, replies, reply_with, pass_through, send, silence, disconnect"
            ),
        ),
        (
            {"accept": False},
            (
                "the fault on 'CONTENT' has no action; give it one of "
                "delay, accept, trickle, reply, replies, reply_with, pass_through, send, silence, disconnect"
            ),
        ),
        ({"repyl": 550}, "unknown option 'repyl' of a fault (did you mean 'reply'?)"),
        ({"reply": "ok"}, "reply is a code, (code, text) or a Reply; replies=['ok', …] passes through"),
        ({"silence": 1}, "silence is True or False, not 1"),
        ({"disconnect": {"abrot": True}}, "unknown argument 'abrot' of disconnect (did you mean 'abort'?)"),
        ({"disconnect": "abort"}, "disconnect is True or False, not 'abort'"),
        ({"delay": "1"}, "delay() takes seconds, a number above 0, not '1'"),
        ({"optional": 1, "delay": 1}, "optional is True or False, not 1"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    """A wrong declaration is a `SettingsError`, and leaves no rule behind."""
    rules = Rules()
    with pytest.raises(SettingsError) as error:
        rules.declare("CONTENT", **options)
    assert str(error.value) == message
    assert rules.faults == ()


# The tables.


def test_every_stage_has_a_row() -> None:
    """The tables that the documentation is made from know every stage."""
    assert set(STAGES) == VERBS | {"CONNECT", "TLS", "CONTENT", "UNKNOWN"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_can_do_what_its_row_says(stage: str) -> None:
    """What the table allows can be declared, and nothing else."""
    samples: dict[str, Callable[[Fault], Fault]] = {
        "reply": lambda f: f.reply(250),
        "replies": lambda f: f.replies([250]),
        "reply_with": lambda f: f.reply_with(lambda event: None),
        "pass_through": lambda f: f.pass_through(),
        "delay": lambda f: f.delay(1),
        "accept": lambda f: f.accept(),
        "disconnect": lambda f: f.disconnect(),
        "silence": lambda f: f.silence(),
        "send": lambda f: f.send(b"x"),
        "trickle": lambda f: f.trickle(1),
        "after_octets": lambda f: f.disconnect(after_octets=1),
    }
    assert set(ACTIONS) | {"after_octets"} == set(samples)
    possible = set()
    for name, chain in samples.items():
        try:
            chain(Fault(stage))
        except SettingsError:
            continue
        possible.add(name)
    assert possible == {*actions_of(stage), *({"after_octets"} if STAGES[stage].has_content else ())}
