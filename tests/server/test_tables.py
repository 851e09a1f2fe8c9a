"""One fact, one table: what stands in a table works everywhere that it is needed.

Each test walks a table, so a row that somebody adds and forgets to serve is found here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.action import (
    ACTIONS,
    Accept,
    Action,
    Delay,
    Disconnect,
    PassThrough,
    ReplyFrom,
    ReplyWith,
    Send,
    Silence,
    Trickle,
)
from pytest_smtp4d.faults.fault import Fault
from pytest_smtp4d.faults.rules import Rules
from pytest_smtp4d.server.fault_words import parse_fault
from pytest_smtp4d.server.server import SMTPServer
from pytest_smtp4d.smtp.command import LIMITS, MAX_LINE
from pytest_smtp4d.smtp.extension import EXTENSIONS, Extension, Parameter
from pytest_smtp4d.smtp.reply import Reply
from tests.server.dialogue.driving import HELLO, MAIL, RCPT, DrivenSession

# -- extensions -----------------------------------------------------------------------------------------

# (extension, parameter) -> a value that it can have, the longest of those with a limit; None: it takes none.
SAMPLES: dict[tuple[str, str], str | None] = {
    ("SIZE", "SIZE"): "00000000000000001000",
    ("8BITMIME", "BODY"): "8BITMIME",
    ("SMTPUTF8", "SMTPUTF8"): None,
    ("DSN", "RET"): "FULL",
    ("DSN", "ENVID"): "x" * 100,
    ("DSN", "NOTIFY"): "SUCCESS,FAILURE,DELAY",
    ("DSN", "ORCPT"): f"rfc822;{'x' * 493}",
    ("BINARYMIME", "BODY"): "BINARYMIME",
    ("REQUIRETLS", "REQUIRETLS"): None,
    ("DELIVERBY", "BY"): "+999999999;RT",
    ("MT-PRIORITY", "MT-PRIORITY"): "-9",
    ("AUTH", "AUTH"): "x" * 494,
}
PARAMETERS = [(extension, row) for extension in EXTENSIONS.values() for row in extension.parameters]
SETTINGS: dict[str, dict[str, Any]] = {
    "": {"extensions": ()},
    "tls": {"extensions": (), "tls": "starttls"},
    "auth": {"extensions": (), "users": {"ada": "pass"}, "auth_without_tls": True, "require_auth": False},
}
"""The setting that puts an extension on offer -> settings under which that one does."""


def named(row: tuple[Extension, Parameter]) -> str:
    """Return the id of a row."""
    return f"{row[0].keyword}-{row[1].keyword}"


def session_with(extension: Extension | None, *, tls: bool = True) -> DrivenSession:
    """Return a session after EHLO, and TLS, with a server that offers one extension at most."""
    if extension is None:
        settings = {**SETTINGS[""]}
    elif extension.follows:
        settings = SETTINGS[extension.follows]
    else:
        settings = {"extensions": (extension.keyword,)}
    client = DrivenSession(**settings)
    client.open()
    if tls:
        client.ask("STARTTLS")
        client.start_tls()
        client.ask(HELLO)
    return client


def offered(reply: str) -> dict[str, str]:
    """Return the keywords of a reply to EHLO, each with its argument."""
    words = (line[4:].partition(" ") for line in reply.splitlines()[1:])
    return {keyword: argument for keyword, _, argument in words}


def written(extension: Extension, row: Parameter) -> str:
    """Return a parameter as a client writes it."""
    value = SAMPLES[extension.keyword, row.keyword]
    return row.keyword if value is None else f"{row.keyword}={value}"


def ask(client: DrivenSession, row: Parameter, parameter: str, octets: int = 0) -> str:
    """Give MAIL or RCPT a parameter, the command being so many octets without it; return the reply."""
    line = MAIL if row.verb == "MAIL" else RCPT
    if row.verb == "RCPT":
        client.ask(MAIL)
    if octets:
        line = line.replace("<", f"<{'x' * (octets - len(line) - 2)}")
    return client.ask(f"{line} {parameter}")


def test_every_parameter_has_a_sample() -> None:
    """The tests below go through all of them."""
    assert {(extension.keyword, row.keyword) for extension, row in PARAMETERS} == SAMPLES.keys()
    assert {extension.follows for extension in EXTENSIONS.values()} == SETTINGS.keys()


@pytest.mark.parametrize("extension", EXTENSIONS.values(), ids=lambda extension: extension.keyword)
def test_an_extension_on_offer_is_named_by_ehlo(extension: Extension) -> None:
    """With its argument where it has one; those that need TLS only under TLS, STARTTLS only before it."""
    client = session_with(extension, tls=False)
    before = offered(client.ask(HELLO))
    client.ask("STARTTLS")
    client.start_tls()
    under_tls = offered(client.ask(HELLO))
    assert (extension.keyword in before) is not extension.under_tls_only
    assert (extension.keyword in under_tls) is (extension.keyword != "STARTTLS")
    assert bool({**before, **under_tls}[extension.keyword]) is bool(extension.argument)
    assert {**before, **under_tls}.keys() == {extension.keyword, "STARTTLS"}


@pytest.mark.parametrize("row", PARAMETERS, ids=named)
def test_a_parameter_on_offer_is_accepted(row: tuple[Extension, Parameter]) -> None:
    """And recorded as it came, in whatever case."""
    extension, parameter = row
    sample = written(extension, parameter)
    for words in (sample, sample.swapcase()):
        client = session_with(extension)
        assert ask(client, parameter, words).startswith("250")
        (transaction,) = client.session.transactions
        by_verb = {"MAIL": transaction.mail_options, "RCPT": transaction.rcpt_options.get("bob@example.org")}
        assert by_verb[parameter.verb] == (words,)
        assert client.session.violations == ()


@pytest.mark.parametrize("row", PARAMETERS, ids=named)
def test_a_parameter_that_is_not_on_offer_is_refused(row: tuple[Extension, Parameter]) -> None:
    """555, and judged."""
    extension, parameter = row
    client = session_with(None)
    assert ask(client, parameter, written(extension, parameter)).startswith("555")
    assert [violation.name for violation in client.session.violations] == ["parameter-not-offered"]


@pytest.mark.parametrize("row", PARAMETERS, ids=named)
def test_a_parameter_with_a_wrong_value_is_refused(row: tuple[Extension, Parameter]) -> None:
    """501: none where one is due, one where none is, one that it cannot have, and twice."""
    extension, parameter = row
    keyword, words = parameter.keyword, written(extension, parameter)
    assert ask(session_with(extension), parameter, f"{words} {words}").startswith("501")
    # What no extension can make sense of belongs to the first one that has the keyword.
    first = next(other for other, candidate in PARAMETERS if candidate.keyword == keyword)
    for wrong in (f"{keyword}=+", *([] if parameter.accepts is None else [keyword])):
        assert ask(session_with(first), parameter, wrong).startswith("501")


@pytest.mark.parametrize("row", PARAMETERS, ids=named)
def test_a_parameter_lengthens_the_limit(row: tuple[Extension, Parameter]) -> None:
    """A command of 512 octets may have it on top (RFC 5321 4.1.1.11), with a value as long as they come."""
    extension, parameter = row
    words = written(extension, parameter)
    assert ask(session_with(extension), parameter, words, octets=MAX_LINE).startswith("250")
    rows = [other for _, other in PARAMETERS if other.keyword == parameter.keyword]
    assert len(f" {words}") <= max(other.octets for other in rows)
    total = sum(other.octets for _, other in PARAMETERS if other.verb == parameter.verb)
    assert LIMITS[parameter.verb] == MAX_LINE + total


# -- actions --------------------------------------------------------------------------------------------


def answer(event: object) -> int:
    """Return a reply, as a function of the user does."""
    return 450


# Action -> the call, the value of the marker's keyword, the word of a command line, and what comes of each.
SPELLINGS: dict[str, tuple[Callable[[Fault], Fault], Any, str | None, Action]] = {
    "delay": (lambda fault: fault.delay(0.5), 0.5, "delay=0.5", Delay(0.5)),
    "accept": (lambda fault: fault.accept(), True, "accept", Accept()),
    "trickle": (lambda fault: fault.trickle(5), 5, "trickle=5", Trickle(5)),
    "reply": (
        lambda fault: fault.reply(550, "5.1.1 No\nSuch user"),
        (550, "5.1.1 No\nSuch user"),
        r"reply='550 5.1.1 No\nSuch user'",
        ReplyWith(Reply(550, "5.1.1 No\nSuch user")),
    ),
    "replies": (
        lambda fault: fault.replies([(451, "Later"), "ok"]),
        [(451, "Later"), "ok"],
        "replies='451 Later|ok'",
        ReplyWith(Reply(451, "Later")),
    ),
    "reply_with": (lambda fault: fault.reply_with(answer), answer, None, ReplyFrom(answer)),
    "pass_through": (lambda fault: fault.pass_through(), True, "pass_through", PassThrough()),
    "send": (lambda fault: fault.send(b"\xff\r\n"), b"\xff\r\n", r"send='\xff\r\n'", Send(b"\xff\r\n")),
    "silence": (lambda fault: fault.silence(), True, "silence", Silence()),
    "disconnect": (
        lambda fault: fault.disconnect(abort=True),
        {"abort": True},
        "disconnect=abort",
        Disconnect(abort=True),
    ),
}


def test_every_action_is_spelled() -> None:
    """The tests below go through all of them."""
    assert SPELLINGS.keys() == ACTIONS.keys()


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_is_the_same_however_it_is_spelled(name: str) -> None:
    """As a call, as a keyword of the marker, and on the command line, unless it takes a function."""
    call, value, words, action = SPELLINGS[name]
    rules, server = Rules(), SMTPServer()
    faults = [call(rules.add("MAIL", origin="")), rules.declare("MAIL", origin="", **{name: value})]
    if words is None:
        assert ACTIONS[name].read is None
        with pytest.raises(SettingsError, match=f"there is no '{name}'"):
            parse_fault(server._rules, f"MAIL {name}=x")
    else:
        parse_fault(server._rules, f"MAIL {words}")
        faults += server._rules.faults
    assert [fault._actions for fault in faults] == [(action,)] * len(faults)
    assert all(f".{name}(" in str(fault) for fault in faults)
    assert len(faults) == (2 if words is None else 3)


@pytest.mark.parametrize("name", [name for name, kind in ACTIONS.items() if kind.is_flag])
def test_a_flag_says_all_on_a_command_line(name: str) -> None:
    """The word alone is the call without arguments; as a keyword, True is, and False is as if not given."""
    server, rules = SMTPServer(), Rules()
    parse_fault(server._rules, f"MAIL {name}")
    (fault,) = server._rules.faults
    given: dict[str, Any] = {name: True}
    assert fault._actions == rules.declare("MAIL", **given)._actions
    given[name] = False
    with pytest.raises(SettingsError, match="has no action"):
        rules.declare("MAIL", **given)


@pytest.mark.parametrize("name", [name for name, kind in ACTIONS.items() if not kind.is_flag and kind.read])
def test_an_action_with_a_value_needs_it_on_a_command_line(name: str) -> None:
    """The word alone says nothing."""
    with pytest.raises(SettingsError, match=f"'{name}' says nothing"):
        parse_fault(Rules(), f"MAIL delay=1 {name}")


def test_each_action_is_a_method_of_a_fault() -> None:
    """And no method that returns a fault is missing from the table, but for the one that is no action."""
    methods = {
        name
        for name, method in vars(Fault).items()
        if inspect.isfunction(method)
        and not name.startswith("_")
        and method.__annotations__.get("return") == "Fault"
    }
    assert methods - {"optional"} == ACTIONS.keys()


def test_each_action_says_what_it_does() -> None:
    """For the documentation: words, without a full stop."""
    for kind in ACTIONS.values():
        assert kind.meaning
        assert kind.meaning[-1] != "."
