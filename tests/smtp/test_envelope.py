"""Envelopes, paths and their parameters (RFC 5321 4.1.2, RFC 6531, RFC 3461)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.errors import LocalProtocolError, RemoteProtocolError
from pytest_smtp4d.smtp.envelope import Envelope, MalformedPath, is_mailbox, parse_path, xtext_decode


@pytest.mark.parametrize(
    ("argument", "mailbox", "parameters"),
    [
        ("FROM:<a@example.com>", "a@example.com", ()),
        ("from:<A@Example.COM>", "A@Example.COM", ()),
        ("FROM:<>", "", ()),
        ("FROM: <a@example.com>", "a@example.com", ()),
        ("FROM:<a@example.com> SIZE=10  BODY=8BITMIME", "a@example.com", ("SIZE=10", "BODY=8BITMIME")),
        ("FROM:<@relay.example,@other.example:a@example.com>", "a@example.com", ()),
        ('FROM:<"a > b\\"@"@example.com>', '"a > b\\"@"@example.com', ()),
        ("FROM:<a@[127.0.0.1]>", "a@[127.0.0.1]", ()),
        ("FROM:<a@[IPv6:::1]>", "a@[IPv6:::1]", ()),
        ("FROM:<grüße@bücher.example> SMTPUTF8", "grüße@bücher.example", ("SMTPUTF8",)),
        ("FROM:<a@example.com> AUTH=<> ENVID=a+2Bb", "a@example.com", ("AUTH=<>", "ENVID=a+2Bb")),
        ("FROM:<a+b=c/d@localhost>", "a+b=c/d@localhost", ()),
        ("FROM:<a@mail_1.internal>", "a@mail_1.internal", ()),
    ],
)
def test_paths_are_read(argument: str, mailbox: str, parameters: tuple[str, ...]) -> None:
    """What MAIL may carry: brackets and source routes go, case and parameters stay as sent."""
    path = parse_path(argument, "FROM")
    assert (path.mailbox, path.parameters) == (mailbox, parameters)


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "FROM:",
        "TO:<a@example.com>",
        "FROM:a@example.com",
        "FROM:<a@example.com",
        "FROM:<a b@example.com>",
        "FROM:<a@b@example.com>",
        "FROM:<a..b@example.com>",
        "FROM:<.a@example.com>",
        "FROM:<a>",
        "FROM:<a@>",
        "FROM:<a@-example.com>",
        "FROM:<a@example..com>",
        "FROM:<a@example.com>SIZE=1",
        "FROM:<a@example.com> =1",
        "FROM:<a@example.com> SIZE=",
        "FROM:<a@example.com> A\x7f",
    ],
)
def test_what_is_no_path_is_refused(argument: str) -> None:
    """Each is a sentence for a 501."""
    with pytest.raises(RemoteProtocolError):
        parse_path(argument, "FROM")


def test_recipients_are_never_null() -> None:
    """The null path is for MAIL; the lone postmaster is for RCPT (RFC 5321 4.1.1.3)."""
    assert parse_path("TO:<Postmaster>", "TO").mailbox == "Postmaster"
    with pytest.raises(RemoteProtocolError, match="null path"):
        parse_path("TO:<>", "TO")


@pytest.mark.parametrize(
    ("mail_from", "rcpt_to"),
    [("a@example.com", ()), ("a b", ("c@example.com",)), ("", ("c",)), ("", ("a@x>\r\nRCPT TO:<b@x",))],
)
def test_an_envelope_holds_mailboxes_only(mail_from: str, rcpt_to: tuple[str, ...]) -> None:
    """Nobody to send to, or something that is no mailbox, never becomes a command."""
    with pytest.raises(LocalProtocolError):
        Envelope(mail_from, rcpt_to)


def test_an_envelope_says_whether_it_is_ascii() -> None:
    """SMTPUTF8 is needed when it is not."""
    assert Envelope("", ("a@example.com",)).is_ascii
    assert not Envelope("ü@example.com", ("a@example.com",)).is_ascii
    assert is_mailbox("ü@example.com")


@given(st.text(st.characters(codec="utf-8")))
def test_xtext_is_read(text: str) -> None:
    """RFC 3461 4: printable ASCII but + and = as it is, all else as +HH."""
    plain = {chr(octet) for octet in range(0x21, 0x7F)} - {"+", "="}
    encoded = "".join(chr(o) if chr(o) in plain else f"+{o:02X}" for o in text.encode())
    assert xtext_decode(encoded) == text


@pytest.mark.parametrize("bad", ["a b", "+2", "+zz", "a=b", "ü"])
def test_what_is_no_xtext_is_refused(bad: str) -> None:
    """Blanks, "=", a "+" without two hex digits."""
    with pytest.raises(RemoteProtocolError):
        xtext_decode(bad)


@pytest.mark.parametrize(
    "literal",
    [
        "[127.0.0.1]",
        "[0.0.0.0]",
        "[255.255.255.255]",
        "[IPv6:::1]",
        "[ipv6:2001:db8::1]",
        "[IPv6:::ffff:1.2.3.4]",
    ],
)
def test_possible_address_literals(literal: str) -> None:
    """RFC 5321 4.1.3: four numbers, or an IPv6 address behind its tag."""
    assert is_mailbox(f"a@{literal}")
    assert parse_path(f"FROM:<a@{literal}>", "FROM").mailbox == f"a@{literal}"


@pytest.mark.parametrize(
    "literal",
    [
        "[999.1.1.1]",
        "[1.2.3]",
        "[1.2.3.4.5]",
        "[1.2.3.]",
        "[1.2.3.0004]",
        "[IPv6:20010db8::zz]",
        "[IPv6:1:2:3]",
        "[IPv6:]",
        "[IPv6:fe80::1%eth0]",
        "[2001:db8::1]",
        "[x400:foo]",
        "[a@b]",
    ],
)
def test_impossible_address_literals(literal: str) -> None:
    """Refused on both sides, with the literal in the words."""
    assert not is_mailbox(f"a@{literal}")
    with pytest.raises(LocalProtocolError, match="is no mailbox"):
        Envelope("a@example.com", (f"a@{literal}",))
    with pytest.raises(RemoteProtocolError, match=r"address literal|Syntax"):
        parse_path(f"TO:<a@{literal}>", "TO")


@pytest.mark.parametrize(
    ("argument", "keyword", "code", "words"),
    [
        ("FROM:<user>", "FROM", "5.1.7", "There is no '@' in the mailbox user"),
        ("to: <user> NOTIFY=NEVER", "TO", "5.1.3", "There is no '@' in the mailbox user"),
        ("TO:<a@[999.1.1.1]>", "TO", "5.1.3", "impossible address literal"),
        ("FROM:<a@[2001:db8::1]>", "FROM", "5.1.7", "impossible address literal"),
        ("TO:<user>", "FROM", "5.5.4", "Syntax: FROM"),
        ("FROM:<a@b", "FROM", "5.5.4", "Syntax: FROM"),
        ("TO:<>", "TO", "5.5.4", "null path"),
        ("FROM:<a@b> =", "FROM", "5.5.4", "Malformed parameter"),
    ],
)
def test_what_is_wrong_with_a_path_has_a_code(argument: str, keyword: str, code: str, words: str) -> None:
    """RFC 3463: 5.1.7 and 5.1.3 for the mailbox, 5.5.4 for all else."""
    with pytest.raises(MalformedPath, match=words) as caught:
        parse_path(argument, keyword)
    assert caught.value.enhanced_code == code
