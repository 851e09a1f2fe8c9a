from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_smtp4d.faults.match import Event
from pytest_smtp4d.faults.stage import STAGES
from pytest_smtp4d.records.record import Session, Transaction
from pytest_smtp4d.server.dialogue.dialogue import COMMANDS
from pytest_smtp4d.server.dialogue.protocol import Close
from pytest_smtp4d.smtp.command import SYNTAX
from tests.server.dialogue.driving import ENVELOPE, HELLO, MAIL, RCPT, DrivenSession, FakeHost

# What a client sends in one go, and the replies to it: each group ends where the client has to wait.
GROUPS: list[tuple[bytes, list[int]]] = [
    (f"{HELLO}\r\n".encode(), [250]),
    (ENVELOPE + b"DATA\r\n", [250, 250, 354]),
    (
        b"Subject: x\r\n\r\n..\r\nQUIT\r\n.\r\n" + ENVELOPE + b"BDAT 6\r\nQUIT\r\nBDAT 0 LAST\r\nNOOP\r\n"
        b"XYZZY\r\nMAIL FROM:<eve@example.net>\r\nRSET\r\n" + ENVELOPE + b"DATA\r\n",
        [250, 250, 250, 250, 250, 250, 500, 250, 250, 250, 250, 354],
    ),
    (b".\r\nQUIT\r\n", [250, 221]),
]
CONTENTS = [b"Subject: x\r\n\r\n.\r\nQUIT\r\n", b"QUIT\r\n", b""]


def told(client: DrivenSession) -> tuple[object, ...]:
    """Return what a test can read of a session, and of its messages."""
    session = client.session
    lines = [(line.direction, line.octets, line.stage, line.fault) for line in session.transcript.lines]
    contents = [message.content for message in client.host.messages]
    return session.commands, lines, session.violations, contents


def talk(host: FakeHost, group: int, cut: int) -> DrivenSession:
    """Hold the whole session, with one group in two pieces."""
    client = DrivenSession(host)
    client.reply()
    for number, (octets, codes) in enumerate(GROUPS):
        client.send_pieces((octets[:cut], octets[cut:]) if number == group and cut else (octets,))
        assert client.replies() == codes
    return client


CUTS = [(group, cut) for group, (octets, _) in enumerate(GROUPS) for cut in range(len(octets))]


@pytest.mark.parametrize("asks", [False, True])
def test_pipelined_groups_split_at_every_octet(asks: bool) -> None:
    """Wherever the segments end, with rules that are asked and without, all that can be read is the same."""
    expected = None
    for group, cut in CUTS:
        host = FakeHost()
        if asks:
            host.rules.add("*", lambda event: False).reply(450)
        client = talk(host, group, cut)
        expected = expected or told(client)
        assert told(client) == expected
        assert client.closed == Close()
    assert expected is not None
    assert expected[2:] == ((), CONTENTS)


def test_octet_by_octet() -> None:
    """A session sent one octet at a time is the same session, without a pipeline."""
    client = DrivenSession()
    client.reply()
    for octets, codes in GROUPS:
        client.send_pieces(bytes([octet]) for octet in octets)
        assert client.replies() == codes
    assert told(client) == told(talk(FakeHost(), 0, 0))


def test_all_at_once() -> None:
    """Even what should have waited is answered in order; content behind DATA is content (and a violation)."""
    client = DrivenSession()
    client.reply()
    client.send(b"".join(octets for octets, _ in GROUPS))
    assert client.replies() == [code for _, codes in GROUPS for code in codes]
    assert [message.content for message in client.host.messages] == CONTENTS
    rfcs = [(violation.name, violation.rfc) for violation in client.session.violations]
    assert rfcs == [("out-of-order", "RFC 2920 3.1")] * 2


def test_pipelining() -> None:
    """Commands of one segment are answered in order; behind the final dot there are commands again."""
    client = DrivenSession()
    client.open()
    for number in range(3):
        client.send(ENVELOPE + b"DATA\r\n")
        assert client.replies() == [250, 250, 354]
        client.send(b"%d\r\n.\r\n" % number + (b"QUIT\r\n" if number == 2 else b"RSET\r\n"))
        assert client.replies() == [250, 221 if number == 2 else 250]
    assert client.closed == Close()
    assert [message.content for message in client.host.messages] == [b"0\r\n", b"1\r\n", b"2\r\n"]
    assert client.session.violations == ()


def test_data_behind_refused_recipients() -> None:
    """Legal when pipelined: 554, no content, no violation (RFC 2920 3.1)."""
    host = FakeHost()
    host.rules.add("RCPT").reply(550)
    client = DrivenSession(host)
    client.open()
    client.send(ENVELOPE + b"DATA\r\n")
    assert client.replies() == [250, 550, 554]
    assert client.session.violations == ()


def test_what_is_pipelined_behind_quit() -> None:
    """It is not looked at: the session is over."""
    client = DrivenSession()
    client.open()
    client.send(b"QUIT\r\nNOOP\r\n")
    assert client.rest() == b"221 2.0.0 Bye\r\n"
    assert [command.verb for command in client.session.commands] == ["EHLO", "QUIT"]
    assert client.session.ended == "QUIT"


def test_commands_wait_for_the_answer_to_a_step() -> None:
    """While a rule is asked, nothing behind it is done: each command sees what the one before came to."""
    seen: list[tuple[str, int]] = []
    host = FakeHost()

    def remember(event: Event) -> bool:
        seen.append((event.verb, len(host.transactions)))
        return False

    host.rules.add("*", remember).reply(450)
    client = DrivenSession(host)
    client.open()
    client.send(ENVELOPE + b"NOOP\r\n")
    assert seen == [("", 0), ("EHLO", 0), ("MAIL", 0), ("RCPT", 1), ("NOOP", 1)]


SMUGGLED = b"MAIL FROM:<eve@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nevil\r\n.\r\n"


@pytest.mark.parametrize(
    "end",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r\n.\r",
        b"\r.\r\n",
        b"\r\r\n.\r\r\n",
        b"\n\r.\r\n",
        b"\0\n.\r\n",
    ],
)
@pytest.mark.parametrize("in_pieces", [False, True])
def test_smuggling(end: bytes, in_pieces: bool) -> None:
    """No sequence but CRLF.CRLF ends content: what stands behind it arrives as content (CVE-2023-51764)."""
    client = DrivenSession()
    client.open()
    client.envelope()
    client.ask("DATA")
    octets = b"one" + end + SMUGGLED
    client.send_pieces([bytes([octet]) for octet in octets] if in_pieces else [octets])
    assert client.replies() == [250]
    (message,) = client.host.messages
    assert message.mail_from == "ada@example.com"
    assert b"eve@example.net" in message.content


# -- what goes wrong ------------------------------------------------------------------------------------


class BrokenHost(FakeHost):
    """A host that fails whenever a transaction begins."""

    def begin(self, session: Session, transaction: Transaction) -> None:
        """Fail."""
        raise RuntimeError("out of order")


@pytest.mark.parametrize("with_fault", [False, True])
def test_an_internal_error(with_fault: bool) -> None:
    """451 instead of a reply, the error is kept for the verdict, and the session goes on."""
    host = BrokenHost()
    if with_fault:
        host.rules.add("MAIL").pass_through()
    client = DrivenSession(host)
    client.open()
    assert client.ask(MAIL) == "451 4.3.0 Internal error"
    assert host.errors == ["the server at MAIL: RuntimeError: out of order"]
    assert client.code("NOOP") == 250
    assert client.ask(RCPT).startswith("503")


# -- a new record ---------------------------------------------------------------------------------------


def test_a_session_that_goes_on_in_a_new_record() -> None:
    """What was before is in the old one, with the greeting; an open transaction goes along, state and all."""
    client = DrivenSession()
    client.open()
    client.envelope()
    before = client.session
    client.protocol.continue_in_new_record()
    assert client.content(b"x\r\n").startswith("250")
    assert [command.verb for command in before.commands] == ["EHLO", "MAIL", "RCPT"]
    assert [command.verb for command in client.session.commands] == ["DATA"]
    assert client.session.transactions == before.transactions
    assert client.host.messages[0].session is client.session
    assert client.session.violations == ()


def test_an_idle_session_that_goes_on_in_a_new_record() -> None:
    """Without a transaction nothing goes along but what the server knows of the client."""
    client = DrivenSession()
    client.open()
    client.protocol.continue_in_new_record()
    assert (client.session.client_name, client.session.transactions) == ("client.example.com", ())
    client.envelope()
    assert client.session.violations == ()


# -- the table, and what the room is made of ------------------------------------------------------------


def test_each_verb_has_its_function_and_its_stage() -> None:
    """A verb is described once in `smtp.command`; the dialogue does it, and a fault can be put there."""
    assert COMMANDS.keys() == SYNTAX.keys()
    assert SYNTAX.keys() <= STAGES.keys()
    assert STAGES.keys() - SYNTAX.keys() == {"CONNECT", "TLS", "CONTENT", "UNKNOWN"}


def test_the_dialogue_needs_no_io() -> None:
    """Importing it, and holding a session with it, loads neither asyncio, ssl nor socket."""
    code = (
        "import sys\n"
        "import pytest_smtp4d.server.dialogue.dialogue\n"
        "print(*sorted({'asyncio', 'ssl', 'socket', '_socket', '_ssl', 'selectors'} & sys.modules.keys()))"
    )
    # Coverage, which measures child processes too, imports sockets itself.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == ""
