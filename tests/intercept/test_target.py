from __future__ import annotations

import socket

import pytest

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.intercept.target import (
    Allowed,
    HostPattern,
    Target,
    checked_ports,
    host_of,
    is_local,
    port_of,
)


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("smtp.example.com", "smtp.example.com"),
        ("SMTP.Example.COM.", "smtp.example.com"),
        (b"smtp.example.com", "smtp.example.com"),
        (bytearray(b"smtp.example.com."), "smtp.example.com"),
        ("smtp.bücher.example", "smtp.xn--bcher-kva.example"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("3221226053", "192.0.2.69"),
        ("0x7f.1", "127.0.0.1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("my_mail", "my_mail"),
        (None, None),
        (25, None),
        ("ü" * 70, None),
    ],
)
def test_a_host_has_one_spelling(given: object, host: str | None) -> None:
    """However a client spells a host, it is one text; what is none is None."""
    assert host_of(given) == host


@pytest.mark.parametrize(
    ("given", "port"),
    [
        (587, 587),
        ("587", 587),
        (b"465", 465),
        ("smtp", 25),
        (b"smtps", 465),
        ("submission", 587),
        ("submissions", 465),
        (None, 0),
        ("", 0),
        (0, 0),
        ("no-such-service", None),
        ("-1", None),
        (2.5, None),
    ],
)
def test_a_port_is_a_number_or_the_name_of_a_service(given: object, port: int | None) -> None:
    """The services of mail are known without /etc/services."""
    assert port_of(given) == port


def test_other_services_are_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """A marker may redirect any port, and a client may ask for it by its name."""
    monkeypatch.setattr(socket, "getservbyname", lambda name, protocol: {("lmtp", "tcp"): 24}[name, protocol])
    assert port_of("lmtp") == 24


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "mail.localhost",
        "127.0.0.1",
        "127.8.9.10",
        "::1",
        "0.0.0.0",
        "::",
        "::ffff:127.0.0.1",
        "",
    ],
)
def test_loopback_is_local(host: str) -> None:
    """What goes to this machine itself, in any way to say so."""
    assert is_local(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "192.0.2.1", "10.0.0.1", "::ffff:10.0.0.1", "x"])
def test_everything_else_is_not(host: str) -> None:
    """A private network is not this machine."""
    assert not is_local(host)


@pytest.mark.parametrize(
    ("pattern", "host", "matches"),
    [
        ("smtp.*", "smtp.example.com", True),
        ("SMTP.*.", "smtp.example.com", True),
        ("*.bücher.example", "smtp.xn--bcher-kva.example", True),
        ("*.example.com", "example.com", False),
        ("192.0.2.*", "192.0.2.7", True),
        ("2001:db8::*", "2001:db8::1", True),
    ],
)
def test_a_pattern(pattern: str, host: str, matches: bool) -> None:
    """A shell pattern, in any spelling, is compared with the one spelling of a host."""
    assert HostPattern("hosts", pattern).matches(host) is matches


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (None, "hosts is a text such as 'smtp.*', not None"),
        ("[::2]", "hosts '[::2]' can match no host: write an IPv6 address without brackets"),
        ("", "hosts '' can match no host: write a name such as 'smtp.example.com', with * for anything"),
        ("smtp://x", "hosts 'smtp://x' can match no host: a host has no scheme, path, user or blank"),
        ("ada@x", "hosts 'ada@x' can match no host: a host has no scheme, path, user or blank"),
        ("x:465", "hosts 'x:465' can match no host: write 'x' here, and the port as ports=(465,)"),
        (
            "localhost",
            "hosts 'localhost' can match no host: what goes to this machine itself is never touched",
        ),
        (
            "127.0.0.1",
            "hosts '127.0.0.1' can match no host: what goes to this machine itself is never touched",
        ),
        ("ü" * 70 + ".x", "can match no host: it is no internationalised name"),
    ],
)
def test_a_pattern_that_cannot_match_is_refused(pattern: object, words: str) -> None:
    """The error names the pattern and says what to write."""
    with pytest.raises(SettingsError) as caught:
        HostPattern("hosts", pattern)
    assert str(caught.value).endswith(words)


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ((), "ports is a tuple of numbers such as (25, 587), not ()"),
        ("25", "ports is a tuple of numbers such as (25, 587), not '25'"),
        ((0,), "ports holds 0, which is no port: give numbers from 1 to 65535"),
        ((25, 70000), "ports holds 70000, which is no port: give numbers from 1 to 65535"),
        ((True,), "ports holds True, which is no port: give numbers from 1 to 65535"),
        (("smtp",), "ports holds 'smtp', which is no port: give numbers from 1 to 65535"),
    ],
)
def test_a_port_that_is_none_is_refused(ports: object, words: str) -> None:
    """The error names the value."""
    with pytest.raises(SettingsError) as caught:
        checked_ports("ports", ports)
    assert str(caught.value) == words


def test_ports_are_one_or_several() -> None:
    """A single number will do."""
    assert checked_ports("ports", 2465) == {2465}
    assert checked_ports("ports", [25, 26, 25]) == {25, 26}


@pytest.mark.parametrize(
    ("word", "target", "allows"),
    [
        ("mail.internal", Target("mail.internal", 25), True),
        ("mail.internal", Target("mail.internal", 587), True),
        ("mail.internal:25", Target("mail.internal", 587), False),
        ("mail.internal:smtp", Target("mail.internal", 25), True),
        ("*.internal", Target("mail.internal", 25), True),
        ("10.0.0.0/8", Target("10.1.2.3", 25), True),
        ("10.0.0.5", Target("10.0.0.6", 25), False),
        ("[2001:db8::1]:25", Target("2001:db8::1", 25), True),
        ("2001:db8::1", Target("2001:db8::1", 587), True),
        ("10.0.0.0/8", Target("ten.example.com", 25), False),
    ],
)
def test_the_allow_list(word: str, target: Target, allows: bool) -> None:
    """A word is a host, a pattern, an address or a network, with a port or without."""
    assert Allowed([word]).allows(target) is allows


def test_an_allowed_name_allows_its_addresses() -> None:
    """A client resolves first and connects to an address, which is allowed with the name's ports alone."""
    allowed = Allowed(["mail.internal:25"])
    allowed.remember("mail.internal", ["10.0.0.5"])
    assert allowed.allows(Target("10.0.0.5", 25))
    assert not allowed.allows(Target("10.0.0.5", 587))


@pytest.mark.parametrize(
    "word", ["mail:", "mail:x", "mail:70000", "http://mail", "[::1", "mail internal", ""]
)
def test_a_word_of_the_allow_list_that_cannot_be_read_is_named(word: str) -> None:
    """The error names the ini and the word."""
    with pytest.raises(SettingsError, match="smtp4d_block_allow: ") as caught:
        Allowed([word])
    assert repr(word) in str(caught.value)
