from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.address import (
    parse_addresses,
    parse_entries,
    read_addresses,
)
from pytest_smtp4d.mail.compose import Composer
from pytest_smtp4d.mail.mailbox import Group, Mailbox, ascii_domain


def pairs(value: object) -> list[tuple[str, str]]:
    """Return what a value is read as, strictly."""
    return [(box.name, box.addr_spec) for box in parse_addresses(value, "to")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@example.com", [("", "a@example.com")]),
        ("Ann <a@example.com>", [("Ann", "a@example.com")]),
        ("Ann Lee <a@example.com>,b@example.org", [("Ann Lee", "a@example.com"), ("", "b@example.org")]),
        ("a@example.com;b@example.org", [("", "a@example.com"), ("", "b@example.org")]),
        (" a@example.com , b@example.org ;", [("", "a@example.com"), ("", "b@example.org")]),
        ("a@example.com,,;;b@example.org", [("", "a@example.com"), ("", "b@example.org")]),
        ('"Doe, John; Jr." <j@example.com>', [("Doe, John; Jr.", "j@example.com")]),
        (r'"A \"quoted\" \\ name" <j@example.com>', [('A "quoted" \\ name', "j@example.com")]),
        ('John "Jack" Doe <j@example.com>', [("John Jack Doe", "j@example.com")]),
        ("John Q. Public <j@example.com>", [("John Q. Public", "j@example.com")]),
        ("<a@example.com>", [("", "a@example.com")]),
        ('"" <a@example.com>', [("", "a@example.com")]),
        ("a@example.com (Ann Lee)", [("Ann Lee", "a@example.com")]),
        ("a@example.com (one (two (three)) \\) four)", [("one (two (three)) ) four", "a@example.com")]),
        ("Ann (the boss, really) <a@example.com>", [("Ann", "a@example.com")]),
        ("(c1)a(c2)@(c3)example.com(c4)", [("c1 c2 c3 c4", "a@example.com")]),
        ("Team: a@example.com, Bob <b@example.com>;", [("", "a@example.com"), ("Bob", "b@example.com")]),
        ("Team: a@example.com; c@example.com", [("", "a@example.com"), ("", "c@example.com")]),
        ("A:a@example.com;,B:b@example.com;", [("", "a@example.com"), ("", "b@example.com")]),
        ("Team: a@example.com", [("", "a@example.com")]),
        ("undisclosed-recipients:;", []),
        ("", []),
        ("  ", []),
        (",;,", []),
        ('"a b"@example.com', [("", '"a b"@example.com')]),
        ('"a@b"@example.com', [("", '"a@b"@example.com')]),
        ('"plain"@example.com', [("", "plain@example.com")]),
        ("a+tag=x@example.com", [("", "a+tag=x@example.com")]),
        ("a@[127.0.0.1]", [("", "a@[127.0.0.1]")]),
        ("a@[IPv6:::1]", [("", "a@[IPv6:::1]")]),
        ("a@[ipv6:2001:db8::192.0.2.1]", [("", "a@[ipv6:2001:db8::192.0.2.1]")]),
        ("a@[x-tag:anything/at#all]", [("", "a@[x-tag:anything/at#all]")]),
        ("a@localhost", [("", "a@localhost")]),
        ("a@under_score.example.com", [("", "a@under_score.example.com")]),
        ("<@relay.example.net,@b.example.net:a@example.com>", [("", "a@example.com")]),
        ("A @ example.com", [("", "A@example.com")]),
        ("Jörg Müller <j@example.com>", [("Jörg Müller", "j@example.com")]),
        ("日本語 <j@example.com>", [("日本語", "j@example.com")]),
        ("用户@example.com", [("", "用户@example.com")]),
        ("a@exämple.com", [("", "a@exämple.com")]),
        ("a@例え.テスト", [("", "a@例え.テスト")]),
        ("Ann\t\tLee <a@example.com>", [("Ann Lee", "a@example.com")]),
    ],
)
def test_text_is_read(text: str, expected: list[tuple[str, str]]) -> None:
    """Every shape that 4D documents or RFC 5322 allows is read, and leniently read the same."""
    assert pairs(text) == expected
    assert [(box.name, box.addr_spec) for box in read_addresses(text)] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ([], []),
        ({"email": "a@example.com"}, [("", "a@example.com")]),
        ({"name": None, "email": "a@example.com"}, [("", "a@example.com")]),
        ({"name": "Doe, J", "email": "a@example.com"}, [("Doe, J", "a@example.com")]),
        ({"name": "Ann", "email": "<a@example.com>"}, [("Ann", "a@example.com")]),
        ({"name": None, "email": None}, []),
        ({"name": "", "email": ""}, []),
        (
            [{"email": "a@example.com"}, "B <b@example.com>; c@example.com", None],
            [
                ("", "a@example.com"),
                ("B", "b@example.com"),
                ("", "c@example.com"),
            ],
        ),
        (("a@example.com",), [("", "a@example.com")]),
    ],
)
def test_objects_and_lists_are_read(value: Any, expected: list[tuple[str, str]]) -> None:
    """Objects, lists of them and lists of texts are read; None and empty ones are absent."""
    assert pairs(value) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("not-an-address", "to: 'not-an-address' is not an address: '@' is missing in 'not-an-address'"),
        ("a@", "'' is not a domain"),
        ("@example.com", "nothing stands before '@'"),
        ("a@b@c", "is not an address"),
        ("a b@example.com", "a blank stands before '@'"),
        ("a@exa mple.com", "is not a domain"),
        ("a@-example.com", "'-example.com' is not a domain"),
        ("a@example..com", "'example..com' is not a domain"),
        ("a@example.com.", "'example.com.' is not a domain"),
        ("a..b@example.com", "quote the local part"),
        (".a@example.com", "quote the local part"),
        ("a.@example.com", "quote the local part"),
        (
            "a@[999.1.1.1]",
            "'[999.1.1.1]' is not an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]",
        ),
        ("a@[1.2.3]", "is not an address literal"),
        ("a@[1.2.3.4.5]", "is not an address literal"),
        ("a@[0001.2.3.4]", "is not an address literal"),
        ("a@[1.2.3.-4]", "is not an address literal"),
        ("a@[IPv6:20010db8::zz]", "is not an address literal"),
        ("a@[IPv6:fe80::1%eth0]", "is not an address literal"),
        ("a@[IPv6:]", "is not an address literal"),
        ("a@[2001:db8::1]", "is not an address literal"),
        ("a@[::1]", "is not an address literal"),
        ("a@[localhost]", "is not an address literal"),
        ("a@[]", "is not an address literal"),
        ("Ann <a@example.com", "a '<' without '>'"),
        ("Ann <>", "an empty address '<>'"),
        ("Ann <a@example.com> Lee", "'Lee' after '>'"),
        ("a@example.com (never closed", "a comment without ')'"),
        ('"never closed <a@example.com>', "must be quoted"),
        ("joe@home <a@example.com>", "the display name 'joe@home' must be quoted"),
        ("A: B: b@example.com;;", "a group inside a group"),
        (": a@example.com;", "a ':' without the name of a group"),
        ("a@example.com\r\nBcc: x@example.com", "CR, LF and NUL"),
        ("a@example.com\0", "CR, LF and NUL"),
        ("Doe, John <j@example.com>", "'Doe' is not an address"),
        ("a\x01@example.com", "is not an address"),
        ('"a\x01"@example.com', "a control character stands before '@'"),
        ("a" * 900 + "@example.com", "over 900 octets"),
        (b"a@example.com", "not bytes"),
        (5, "not int"),
        ([5], "not int"),
        ([["a@example.com"]], "not list"),
        ({"name": "Ann"}, "the address of 'Ann' has no email"),
        ({"name": 5, "email": "a@example.com"}, "the name of an address must be text, not int"),
        ({"mail": "a@example.com"}, "no property 'mail' (did you mean 'email'?)"),
        ({"email": "a@example.com, b@example.com"}, "must be one address"),
        ({"name": "x\ny", "email": "a@example.com"}, "CR, LF and NUL"),
    ],
)
def test_malformed_is_refused(value: object, words: str | None) -> None:
    """What is no address is a MailError that names the property, the value and what is wrong."""
    with pytest.raises(MailError) as caught:
        parse_addresses(value, "to")
    assert str(caught.value).startswith("to")
    assert words is None or words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("undisclosed, a@example.com, <broken, b@example.com", ["a@example.com"]),
        ("a..b@docomo.example, .c@example.com", ['"a..b"@docomo.example', '".c"@example.com']),
        ("a@example.com (never closed, b@example.com", ["a@example.com"]),
        ('"never closed, a@example.com', ["a@example.com"]),
        ("=?utf-8?q?J=C3=B6rg?= <j@example.com>", ["j@example.com"]),
        ("=?utf-8?q?Doe,_John_(Jr.)?= <j@example.com>, k@example.com", ["j@example.com", "k@example.com"]),
        ("a b c <j@example.com> trailing, k@example.com", ["j@example.com", "k@example.com"]),
        ("\x00\x01\\\\<<<>>>:::", []),
    ],
)
def test_a_received_field_is_read_as_far_as_it_goes(text: str, expected: list[str]) -> None:
    """Read leniently, what is no address is left out and what once was assigned is quoted."""
    assert [box.addr_spec for box in read_addresses(text)] == expected


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("Ann <ann@example.com> (by way of list) list", [("Ann", "ann@example.com")]),
        ("<ann@example.com> (Ann)", [("Ann", "ann@example.com")]),
        ("<ann@example.com> Ann", [("Ann", "ann@example.com")]),
        (
            "Ann <ann@example.com> Bob <bob@example.com>",
            [("Ann", "ann@example.com"), ("Bob", "bob@example.com")],
        ),
        (
            "Ann <ann@example.com, Bob <bob@example.com>",
            [("Ann", "ann@example.com"), ("Bob", "bob@example.com")],
        ),
        ("Ann <ann@example.com", [("Ann", "ann@example.com")]),
        ("Ann <<ann@example.com>>", [("Ann", "ann@example.com")]),
        ("<@relay.example,@b.example:ann@example.com>", [("", "ann@example.com")]),
        ("Ann Lee ann@example.com", [("Ann Lee", "ann@example.com")]),
        ("ann@example.com bob@example.com", [("", "ann@example.com")]),
        ("ann@example.com>", [("", "ann@example.com")]),
        ("ann@example.com., bob@example.com.", [("", "ann@example.com"), ("", "bob@example.com")]),
        ("ann (so (they) say) @ (hm) example . com", [("so (they) say hm", "ann@example.com")]),
        ("J\udcfcrg <j\udcfcrg@example.com>", [("J\udcfcrg", "jürg@example.com")]),
    ],
)
def test_what_stands_beside_a_fault_is_kept(text: str, boxes: list[tuple[str, str]]) -> None:
    """A missing comma, bracket or quote costs no address, and words around one are its name."""
    assert read_addresses(text) == [Mailbox(*box) for box in boxes]


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("root (Cron Daemon)", [("Cron Daemon", "root")]),
        ("Cron Daemon <root>", [("Cron Daemon", "root")]),
        ("MAILER-DAEMON (Mail Delivery System)", [("Mail Delivery System", "MAILER-DAEMON")]),
        ("nobody", []),
        ("<root>", []),
        ("two words (comment)", []),
        ("root (Cron Daemon), a@example.com", [("Cron Daemon", "root"), ("", "a@example.com")]),
    ],
)
def test_a_local_sender_is_kept_with_its_name(text: str, boxes: list[tuple[str, str]]) -> None:
    """A local part alone is an address where asked for and where a name shows that it is one."""
    assert read_addresses(text, local=True) == [Mailbox(*box) for box in boxes]
    assert [box for box in read_addresses(text) if "@" not in box.addr_spec] == []


def test_groups_keep_their_names() -> None:
    """A group stays a group for whoever writes the header."""
    assert parse_entries("Team: a@example.com;, b@example.org", "to") == [
        Group("Team", (Mailbox("", "a@example.com"),)),
        Mailbox("", "b@example.org"),
    ]


def test_a_comment_behind_an_address_is_its_name() -> None:
    """With and without brackets, and in a list that is written as in one that is read."""
    for text in ("<b@example.org> (Bob)", "b@example.org (Bob)"):
        assert parse_addresses(text, "to") == read_addresses(text) == [Mailbox("Bob", "b@example.org")]


@pytest.mark.parametrize("text", ["Bob <bob@example.org> T: a@b.example;", "bob@example.org T: a@b.example;"])
def test_no_mailbox_is_taken_for_the_name_of_a_group(text: str) -> None:
    """Where the comma before a group is missing, the mailbox before it is refused or found."""
    with pytest.raises(MailError, match=r"^to: '.*bob@example.org.*' before the ':' of a group in "):
        parse_addresses(text, "to")
    assert [box.addr_spec for box in read_addresses(text)] == ["bob@example.org", "a@b.example"]


def test_a_route_holds_no_address() -> None:
    """What stands before the colon is left out where it is relays, and refused where it is an address."""
    assert parse_addresses("<@a.example,@b.example:c@d.example>", "to") == [Mailbox("", "c@d.example")]
    with pytest.raises(MailError, match=r"^to: "):
        parse_addresses("<@a.example, lost@b.example:c@d.example>", "to")


@pytest.mark.parametrize("key", ["from", "to", "bcc"])
def test_half_a_surrogate_pair_is_no_character(key: str) -> None:
    """It is refused wherever it stands, in the envelope too, and not when a command is written."""
    with pytest.raises(MailError, match=rf"^{key}: '\\udc98' \(U\+DC98\) cannot be written in UTF-8"):
        Composer({"from": "a@example.com", "to": "b@example.org", key: "c@ex\udc98ample.com"}).envelope()


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Strict reading gives mailboxes or a MailError, lenient reading always returns, and both agree."""
    lenient = read_addresses(text)
    try:
        strict = parse_addresses(text, "to")
    except MailError:
        return
    assert strict == lenient


@pytest.mark.parametrize("piece", ["(", '"', "<", "\\", "[", "a@b,", "a:", '"a\\', "=?", "a.", "@"])
def test_reading_takes_linear_time(piece: str) -> None:
    """Long runs of what opens something and never closes it end too, and invent no address."""
    assert {box.addr_spec for box in read_addresses(piece * (100_000 // len(piece)))} <= {"a@b"}


def test_parts_of_an_address() -> None:
    """The local part ends at the last "@", which a quoted one may hold too."""
    box = Mailbox("", '"a@b"@exämple.com')
    assert (box.local_part, box.domain) == ('"a@b"', "exämple.com")
    assert box.ascii_addr_spec == '"a@b"@xn--exmple-cua.com'


@pytest.mark.parametrize(
    ("domain", "ascii_form"),
    [
        ("example.com", "example.com"),
        ("Exämple.COM", "xn--exmple-cua.com"),
        ("straße.example", "xn--strae-oqa.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("mañana.example", "xn--maana-pta.example"),
    ],
)
def test_domains_in_ascii(domain: str, ascii_form: str) -> None:
    """Internationalised domains become A-labels as IDNA 2008 says."""
    assert ascii_domain(domain) == ascii_form


def test_a_domain_that_cannot_be() -> None:
    """A domain outside IDNA is a MailError that names it."""
    with pytest.raises(MailError, match=r"the domain 'a☃\.example' cannot be written in ASCII"):
        ascii_domain("a☃.example")
    assert Mailbox("", "x@a☃.example").ascii_addr_spec == "x@a☃.example"  # SMTPUTF8 can carry it
