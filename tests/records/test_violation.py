from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.records import violation
from pytest_smtp4d.records.lint import FLAWS, Finding
from pytest_smtp4d.records.record import Session
from pytest_smtp4d.records.recorder import Recorder
from pytest_smtp4d.records.violation import VIOLATIONS, Judge, Violation
from pytest_smtp4d.smtp.reply import Reply

OFFERED = ("PIPELINING", "8BITMIME", "SIZE", "DSN", "STARTTLS", "AUTH", "CHUNKING", "SMTPUTF8")


def names(found: tuple[Violation, ...]) -> list[str]:
    """Return the names of violations."""
    return [violation.name for violation in found]


class Client:
    """A client whose dialogue is written down: each command with the reply it gets."""

    def __init__(self, *, offered: tuple[str, ...] = OFFERED, tls: bool = False) -> None:
        self.judge = Judge(tls=tls)
        self.offered = offered

    def says(self, line: str, code: int = 250, *, pipelined: bool = False) -> list[str]:
        """Send a command, receive a reply, and return the names of the violations."""
        verb, _, argument = line.partition(" ")
        found = self.judge.command(verb, argument, line.encode() + b"\r\n", pipelined=pipelined)
        self.judge.replied(verb, Reply(code), self.offered if verb == "EHLO" else ())
        return names(found)

    def greeted(self) -> Client:
        """Say EHLO."""
        assert self.says("EHLO client.example.org") == []
        return self

    def in_transaction(self) -> Client:
        """Say EHLO, MAIL and RCPT."""
        self.greeted()
        assert self.says("MAIL FROM:<a@example.com>") == []
        assert self.says("RCPT TO:<b@example.com>") == []
        return self


def test_the_list_is_closed() -> None:
    """The names, and which of them are fatal, are those of the documentation."""
    assert {name: row.fatal for name, row in VIOLATIONS.items()} == {
        "bare-lf": True,
        "line-too-long": True,
        "out-of-order": True,
        "pipelining-not-offered": True,
        "parameter-not-offered": True,
        "8bit-not-offered": True,
        "no-ehlo-after-starttls": True,
        "cleartext-credentials": True,
        "certificate-not-verified": True,
        "injection": True,
        "body-parameter-missing": False,
        "no-quit": False,
        "duplicate-message": False,
        "bare-cr": False,
        "nul": False,
        "missing-field": False,
        "duplicate-field": False,
        "invalid-date": False,
        "invalid-message-id": False,
        "invalid-address": False,
        "8bit-header": False,
        "bcc-disclosed": False,
        "invalid-mime": False,
        "invalid-list-unsubscribe": False,
        "calendar-method-mismatch": False,
    }
    assert all(row.rfc.startswith("RFC ") and row.meaning for row in VIOLATIONS.values())


def literals(annotation: object) -> list[object]:
    """Return the values of a union of literals, in order."""
    parts = get_args(annotation)
    return [one for part in parts for one in (literals(part) or [part])]


def test_every_name_that_has_a_type_has_a_row() -> None:
    """What a type checker takes for a name is in the tables, in their order; the flaws are in one table."""
    assert literals(get_type_hints(Finding)["name"]) == list(FLAWS)
    assert literals(get_type_hints(Violation)["name"]) == list(VIOLATIONS)
    source = Path(violation.__file__).read_text(encoding="utf-8")
    assert [name for name in FLAWS if f'"{name}"' in source] == []


def test_a_violation_reads_well() -> None:
    """Its text names what, by which section, and the line."""
    (violation,) = Judge().command(
        "MAIL", "FROM:<a@example.com>", b"MAIL FROM:<a@example.com>\r\n", pipelined=False
    )
    assert violation == Violation("out-of-order", "MAIL FROM:<a@example.com>", "RFC 5321 4.1.4", fatal=True)
    assert str(violation) == "out-of-order (RFC 5321 4.1.4): MAIL FROM:<a@example.com>"


def test_a_proper_session_is_clean() -> None:
    """STARTTLS, a login, two messages and QUIT commit nothing."""
    client = Client()
    for line, code in (
        ("EHLO client.example.org", 250),
        ("STARTTLS", 220),
    ):
        assert client.says(line, code) == []
    client.judge.tls_started()
    for line, code in (
        ("EHLO client.example.org", 250),
        ("AUTH PLAIN xxx", 235),
        ("MAIL FROM:<a@example.com>", 250),
        ("RCPT TO:<b@example.com>", 250),
        ("DATA", 354),
        ("CONTENT", 250),
        ("NOOP", 250),
        ("VRFY bob", 252),
        ("MAIL FROM:<a@example.com>", 250),
        ("RCPT TO:<b@example.com>", 550),
        ("RCPT TO:<c@example.com>", 250),
        ("BDAT 10", 250),
        ("BDAT 10 LAST", 250),
    ):
        assert client.says(line, code) == [], line
    client.judge.replied("CONTENT", Reply(250))
    assert client.says("QUIT", 221) == []
    assert client.judge.closed(quit_sent=True) == ()


class Row(NamedTuple):
    """A dialogue whose last command is judged."""

    dialogue: tuple[tuple[str, int], ...]
    name: Literal["out-of-order", "no-ehlo-after-starttls"] | None


EHLO, MAIL, RCPT = (
    ("EHLO x.example.org", 250),
    ("MAIL FROM:<a@example.com>", 250),
    ("RCPT TO:<b@example.com>", 250),
)


@pytest.mark.parametrize(
    "row",
    [
        Row((MAIL,), "out-of-order"),
        Row((("AUTH PLAIN x", 503),), "out-of-order"),
        Row((("STARTTLS", 503),), "out-of-order"),
        Row((("EHLO x", 502), MAIL), "out-of-order"),
        Row((("EHLO x", 502), ("HELO x", 250), MAIL), None),
        Row((("NOOP", 250),), None),
        Row((("RSET", 250),), None),
        Row((("VRFY bob", 252),), None),
        Row((("QUIT", 221),), None),
        Row((EHLO, RCPT), "out-of-order"),
        Row((EHLO, ("DATA", 503)), "out-of-order"),
        Row((EHLO, MAIL, ("DATA", 503)), "out-of-order"),
        Row((EHLO, MAIL, MAIL), "out-of-order"),
        Row((EHLO, MAIL, ("RSET", 250), MAIL), None),
        Row((EHLO, MAIL, EHLO, MAIL), None),
        Row((EHLO, MAIL, RCPT, ("DATA", 354), ("CONTENT", 451), MAIL), None),
        Row((EHLO, MAIL, RCPT, ("DATA", 354), ("CONTENT", 250), ("DATA", 503)), "out-of-order"),
        Row((EHLO, MAIL, RCPT, ("DATA", 451), ("DATA", 354)), None),
        Row((EHLO, ("MAIL FROM:<a@example.com>", 550), RCPT), "out-of-order"),
        Row((EHLO, ("MAIL FROM:<a@example.com>", 550), MAIL), None),
        Row((EHLO, MAIL, ("RCPT TO:<b@example.com>", 550), ("DATA", 503)), "out-of-order"),
        Row((EHLO, MAIL, ("BDAT 5 LAST", 503)), "out-of-order"),
        Row((EHLO, MAIL, ("AUTH PLAIN x", 503)), "out-of-order"),
        Row((EHLO, ("AUTH PLAIN x", 535), ("AUTH PLAIN x", 235)), None),
        Row((EHLO, ("AUTH PLAIN x", 235), ("AUTH PLAIN x", 503)), "out-of-order"),
        Row((EHLO, ("STARTTLS", 454), MAIL), None),
    ],
)
def test_order(row: Row) -> None:
    """Which command may come where, judged by the replies that the client had received (RFC 5321 4.1.4)."""
    client = Client()
    found = [client.says(line, code) for line, code in row.dialogue]
    assert found == [[]] * (len(found) - 1) + [[row.name] if row.name else []]


def test_starttls_under_tls_is_out_of_order() -> None:
    """A second STARTTLS is a violation (RFC 3207 4.2)."""
    assert Client(tls=True).greeted().says("STARTTLS", 503) == ["out-of-order"]


@pytest.mark.parametrize(
    "line", ["MAIL FROM:<a@example.com>", "AUTH PLAIN x", "RCPT TO:<b@example.com>", "DATA"]
)
def test_no_ehlo_after_starttls(line: str) -> None:
    """After the handshake nothing is known of the server, so what needs an EHLO is a violation of its own."""
    client = Client().greeted()
    client.says("STARTTLS", 220)
    client.judge.tls_started()
    assert client.says(line, 503) == ["no-ehlo-after-starttls"]
    client.greeted()


def test_pipelining() -> None:
    """A command sent before the reply to the one before needs PIPELINING on offer; QUIT is never blamed."""
    client = Client(offered=("SIZE",)).greeted()
    assert client.says("MAIL FROM:<a@example.com>") == []
    assert client.says("RCPT TO:<b@example.com>", pipelined=True) == ["pipelining-not-offered"]
    assert client.says("QUIT", 221, pipelined=True) == []
    assert Client().greeted().says("MAIL FROM:<a@example.com>", pipelined=True) == []


def test_a_pipelined_group_is_judged_as_of_when_it_was_sent() -> None:
    """RCPT and DATA pipelined behind a refusal are legal (RFC 2920 3.1); sent after it they are not."""
    client = Client().greeted()
    assert client.says("MAIL FROM:<a@example.com>", 550) == []
    assert client.says("RCPT TO:<b@example.com>", 503, pipelined=True) == []
    assert client.says("DATA", 503, pipelined=True) == []
    assert client.says("DATA", 503) == ["out-of-order"]


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        (("SIZE=100", "BODY=8BITMIME", "SMTPUTF8", "RET=HDRS", "ENVID=x", "AUTH=<>"), 0),
        (("NOTIFY=NEVER", "ORCPT=rfc822;a@example.com"), 0),
        (("size=100", "body=8bitmime"), 0),
        (("BODY=BINARYMIME",), 1),
        (("REQUIRETLS", "MT-PRIORITY=3", "BY=120;R", "X-OWN=1"), 4),
        ((), 0),
    ],
)
def test_parameters(parameters: tuple[str, ...], count: int) -> None:
    """A parameter needs its extension on offer (RFC 5321 4.1.1.11)."""
    client = Client().greeted()
    found = client.judge.parameters(parameters, b"MAIL FROM:<a@example.com> X\r\n")
    assert names(found) == ["parameter-not-offered"] * count
    assert all(violation.line == "MAIL FROM:<a@example.com> X" for violation in found)


def test_nothing_is_on_offer_after_helo() -> None:
    """HELO offers no extension, so every parameter is a violation."""
    client = Client()
    client.says("HELO x.example.org")
    assert names(client.judge.parameters(("SIZE=1",), b"MAIL\r\n")) == ["parameter-not-offered"]


@pytest.mark.parametrize(
    ("line", "verb", "expected"),
    [
        (b"NOOP\r\n", "NOOP", []),
        (b"NOOP\n", "NOOP", ["bare-lf"]),
        (b"NOOP " + b"x" * 505 + b"\r\n", "NOOP", []),
        (b"NOOP " + b"x" * 506 + b"\r\n", "NOOP", ["line-too-long"]),
        (b"AUTH X " + b"x" * 12279 + b"\r\n", "AUTH", []),
        (b"AUTH X " + b"x" * 12280 + b"\r\n", "AUTH", ["line-too-long"]),
        (b"RCPT TO:<" + b"x" * 1036 + b">\r\n", "RCPT", []),
        (b"RCPT TO:<" + b"x" * 1037 + b">\r\n", "RCPT", ["line-too-long"]),
    ],
)
def test_command_lines(line: bytes, verb: str, expected: list[str]) -> None:
    """A command line ends with CRLF and has a limit that extensions raise (RFC 5321 2.3.8, 4.5.3.1.4)."""
    client = Client().in_transaction() if verb == "RCPT" else Client().greeted()
    assert names(client.judge.command(verb, "", line, pipelined=False)) == expected


@pytest.mark.parametrize(
    ("content", "parameters", "expected"),
    [
        (b"Subject: x\r\n\r\nHi\r\n", (), []),
        (b"", (), []),
        (b"Subject: x\r\n\r\nHi\nthere\r\n", (), ["bare-lf"]),
        (b"a\rb\r\n", (), []),
        (b"x" * 998 + b"\r\n", (), []),
        (b"x" * 999 + b"\r\n", (), ["line-too-long"]),
        (b"ok\r\n" * 400 + b"x" * 999 + b"\r\n" + b"ok\r\n" * 400, (), ["line-too-long"]),
        (b"ok\r\n" + b"x" * 1000, (), []),
        (b"ok\r\n" + b"x" * 1001, (), ["line-too-long"]),
        ("Grüße\r\n".encode(), ("BODY=8BITMIME",), []),
        ("Grüße\r\n".encode(), ("body=8bitmime", "SIZE=9"), []),
        ("Grüße\r\n".encode(), (), ["body-parameter-missing"]),
        ("Grüße\n".encode() + b"x" * 1001, (), ["bare-lf", "line-too-long", "body-parameter-missing"]),
    ],
)
def test_content(content: bytes, parameters: tuple[str, ...], expected: list[str]) -> None:
    """Lines of content end with CRLF, have 1000 octets at most, and 8-bit is declared."""
    assert names(Client().in_transaction().judge.content(content, parameters)) == expected


def test_8bit_needs_8bitmime() -> None:
    """Octets above 127 where 8BITMIME is not on offer are fatal, declared or not."""
    client = Client(offered=("SIZE",)).in_transaction()
    (violation,) = client.judge.content("ok\r\nGrüße\r\n".encode(), ("BODY=8BITMIME",))
    assert violation == Violation("8bit-not-offered", "Grüße", "RFC 6152 3", fatal=True)


def test_binary_content_has_no_lines() -> None:
    """BODY=BINARYMIME through BDAT is free of line ends and limits (RFC 3030 3)."""
    client = Client(offered=("BINARYMIME", "CHUNKING", "8BITMIME")).in_transaction()
    assert client.judge.content(b"\n" + b"\xff" * 2000, ("BODY=BINARYMIME",), binary=True) == ()


def test_the_line_of_a_flaw_is_shown() -> None:
    """A violation of content shows the line at fault, escaped and cut."""
    judge = Client().in_transaction().judge
    long = b"start" + b"x" * 1200
    found = judge.content(b"fine\r\nnot\x00fine\n" + long + b"\r\n\r\n", ())
    assert [violation.line for violation in found] == ["not\\x00fine\\n", "start" + "x" * 92 + "..."]
    assert [violation.rfc for violation in found] == ["RFC 5321 2.3.8", "RFC 5321 4.5.3.1.6"]


@given(lines=st.lists(st.tuples(st.integers(0, 2100), st.sampled_from([b"\r\n", b"\n", b"\r"])), max_size=6))
def test_the_fast_scans_agree_with_the_plain_definition(lines: list[tuple[int, bytes]]) -> None:
    """The scans that run in C find what reading line by line finds."""
    content = b"".join(b"x" * length + end for length, end in lines)
    pieces = content.split(b"\n")
    bare_lf = any(not piece.endswith(b"\r") for piece in pieces[:-1])
    too_long = any(len(piece) + 1 > 1000 for piece in pieces[:-1]) or len(pieces[-1]) > 1000
    expected = ["bare-lf"] * bare_lf + ["line-too-long"] * too_long
    assert names(Client().in_transaction().judge.content(content)) == expected


@pytest.mark.parametrize(
    ("mechanism", "tls", "offered", "fatal"),
    [
        ("PLAIN", False, ("STARTTLS", "AUTH"), True),
        ("login", False, ("STARTTLS", "AUTH"), True),
        ("XOAUTH2", False, ("STARTTLS", "AUTH"), True),
        ("OAUTHBEARER", False, ("STARTTLS", "AUTH"), True),
        ("CRAM-MD5", False, ("STARTTLS", "AUTH"), False),
        ("SCRAM-SHA-256", False, ("STARTTLS", "AUTH"), False),
        ("PLAIN", False, ("AUTH",), False),
        ("PLAIN", True, ("AUTH",), False),
    ],
)
def test_credentials_in_the_clear(mechanism: str, tls: bool, offered: tuple[str, ...], fatal: bool) -> None:
    """A password or token outside TLS is fatal where TLS was on offer; other mechanisms do not show it."""
    client = Client(offered=offered, tls=tls).greeted()
    found = client.judge.credentials(mechanism)
    assert names(found) == ["cleartext-credentials"] * fatal
    assert all(violation.line == f"AUTH {mechanism.upper()} ********" for violation in found)


def test_a_stray_answer_is_masked() -> None:
    """What may be a password, sent where no challenge was given, is no violation's line."""
    client = Client(offered=("SIZE",)).greeted()
    (before,) = client.judge.command("AM9L", "", b"am9l\n", pipelined=False)
    client.says("AUTH LOGIN", 504)
    (after,) = client.judge.command("AM9L", "", b"am9l\n", pipelined=False)
    assert (before.line, after.line) == ("am9l\\n", "********")


@pytest.mark.parametrize(("verb", "argument"), [("AUTHLOGIN", ""), ("", "AUTH LOGIN"), ("\tAUTH", "LOGIN")])
def test_a_stray_answer_after_a_slip_of_auth_is_masked(verb: str, argument: str) -> None:
    """A client that misspells AUTH may go on to answer challenges that never came."""
    client = Client(offered=("SIZE",)).greeted()
    client.judge.command(verb, argument, f"{verb} {argument}\r\n".encode(), pipelined=False)
    (violation,) = client.judge.command("AM9L", "", b"am9l\n", pipelined=False)
    assert violation.line == "********"


def test_what_comes_too_early_is_shown_by_its_first_line() -> None:
    """Octets behind a command that had to be the last are one violation; none are none."""
    judge = Client().greeted().judge
    assert judge.early(b"", "RFC 2920 3.1") == ()
    assert judge.early(b"Subject: \xff\r\nmore\r\n", "RFC 2920 3.1") == (
        Violation("out-of-order", "Subject: \\xff", "RFC 2920 3.1", fatal=True),
    )


def test_leaving_without_quit() -> None:
    """Closing without QUIT is recorded, not failed; a client that never said EHLO has no session to end."""
    (violation,) = Client().greeted().judge.closed(quit_sent=False)
    assert violation == Violation("no-quit", "(connection closed)", "RFC 5321 4.1.1.10", fatal=False)
    assert Client().judge.closed(quit_sent=False) == ()


def test_after_a_broken_protocol_nothing_is_fatal() -> None:
    """What follows a fault that broke the protocol is recorded and never fatal; a login's line is masked."""
    recorder = Recorder()
    session = Session(("127.0.0.1", 5), recorder)
    recorder.command(b"AUTH PLAIN AGpvZQBodW50ZXIy\r\n", "AUTH", "PLAIN AGpvZQBodW50ZXIy", pipelined=False)
    recorder.broken()
    recorder.command(b"NOOP\n", "NOOP", "", pipelined=False)
    assert session._broken
    assert session.violations == (
        Violation("out-of-order", "AUTH PLAIN ********", "RFC 5321 4.1.4", fatal=True),
        Violation("bare-lf", "NOOP\\n", "RFC 5321 2.3.8", fatal=False),
    )
