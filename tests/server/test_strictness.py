"""Each violation of the closed list, provoked on the wire, and what is none though it looks like one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_smtp4d import MakeSMTPServer
    from tests.server.conftest import Connect, RawClient


def bare_lf_in_content(client: RawClient) -> None:
    """A line that ends in LF alone."""
    client.open()
    client.envelope()
    client.content(b"one\ntwo\r\n")


def bare_lf_after_a_command(client: RawClient) -> None:
    """A command that ends in LF alone."""
    client.open()
    client.send(b"NOOP\n")
    client.reply()


def long_content_line(client: RawClient) -> None:
    """A content line of 1001 octets."""
    client.open()
    client.envelope()
    client.content(b"x" * 999 + b"\r\n")


def long_command(client: RawClient) -> None:
    """A command line over 512 octets."""
    client.open()
    client.ask("NOOP " + "x" * 600)


def rcpt_before_mail(client: RawClient) -> None:
    """RCPT without a transaction."""
    client.open()
    client.ask("RCPT TO:<bob@example.org>")


def mail_before_ehlo(client: RawClient) -> None:
    """MAIL without a greeting."""
    client.reply()
    client.ask("MAIL FROM:<ada@example.com>")


def pipelining_unasked(client: RawClient) -> None:
    """Two commands at once at a server that does not offer PIPELINING."""
    client.open()
    client.send(b"MAIL FROM:<ada@example.com>\r\nRCPT TO:<bob@example.org>\r\n")
    client.reply()
    client.reply()


def size_unasked(client: RawClient) -> None:
    """SIZE at a server that does not offer it."""
    client.open()
    client.ask("MAIL FROM:<ada@example.com> SIZE=10")


def eight_bits_unasked(client: RawClient) -> None:
    """Octets above 127 at a server without 8BITMIME."""
    client.open()
    client.envelope()
    client.content("grün\r\n".encode())


def no_ehlo_after_starttls(client: RawClient) -> None:
    """MAIL by what was offered before TLS."""
    client.open()
    client.ask("STARTTLS")
    client.start_tls()
    client.ask("MAIL FROM:<ada@example.com>")


def credentials_in_the_clear(client: RawClient) -> None:
    """AUTH before TLS, which was on offer."""
    client.open()
    client.ask("AUTH PLAIN AG1lAHB3")


def no_body_parameter(client: RawClient) -> None:
    """8bit content that MAIL did not announce."""
    client.open()
    client.envelope()
    client.content("grün\r\n".encode())


def no_quit(client: RawClient) -> None:
    """A client that leaves without a word."""
    client.open()


NO_EXTENSIONS: dict[str, Any] = {"tls": "none", "extensions": ()}
PLAIN: dict[str, Any] = {"tls": "none"}


@pytest.mark.parametrize(
    ("provoke", "settings", "name", "fatal"),
    [
        (bare_lf_in_content, PLAIN, "bare-lf", True),
        (bare_lf_after_a_command, PLAIN, "bare-lf", True),
        (long_content_line, PLAIN, "line-too-long", True),
        (long_command, PLAIN, "line-too-long", True),
        (rcpt_before_mail, PLAIN, "out-of-order", True),
        (mail_before_ehlo, PLAIN, "out-of-order", True),
        (pipelining_unasked, NO_EXTENSIONS, "pipelining-not-offered", True),
        (size_unasked, NO_EXTENSIONS, "parameter-not-offered", True),
        (eight_bits_unasked, NO_EXTENSIONS, "8bit-not-offered", True),
        (no_ehlo_after_starttls, {}, "no-ehlo-after-starttls", True),
        (credentials_in_the_clear, {"users": {"me": "pw"}}, "cleartext-credentials", True),
        (no_body_parameter, PLAIN, "body-parameter-missing", False),
        (no_quit, PLAIN, "no-quit", False),
    ],
)
def test_each_violation_on_the_wire(
    make_smtp_server: MakeSMTPServer,
    connect: Connect,
    provoke: Callable[[RawClient], None],
    settings: dict[str, Any],
    name: str,
    fatal: bool,
) -> None:
    """It is recorded with its RFC section, fails `check()` when it is fatal, and can be ignored by name."""
    server = make_smtp_server(**settings, ignore_violations=(name,) if fatal else ())
    client = connect(server)
    provoke(client)
    client.close()
    server.check()
    violations = [v for session in server.sessions for v in session.violations if v.name == name]
    assert violations
    assert {v.fatal for v in violations} == {fatal}
    assert all(v.rfc.startswith("RFC ") and v.line for v in violations)


@pytest.mark.parametrize("provoke", [bare_lf_in_content, rcpt_before_mail, long_content_line])
def test_a_fatal_violation_fails_the_check(
    make_smtp_server: MakeSMTPServer, connect: Connect, provoke: Callable[[RawClient], None]
) -> None:
    """The words name the violation, the section and the line; with `strict=False` nothing is said."""
    server = make_smtp_server(tls="none")
    client = connect(server)
    provoke(client)
    assert client.code("QUIT") == 221
    with pytest.raises(AssertionError, match=r"client violated SMTP: [a-z-]+ \(RFC 5321 ") as caught:
        server.check()
    assert server.sessions[0].violations[0].name in str(caught.value)
    server.configure(strict=False)
    server.check()


def test_what_is_legal_is_no_violation(make_smtp_server: MakeSMTPServer, connect: Connect) -> None:
    """DATA pipelined behind refused RCPTs, QUIT at any time, RSET before MAIL, the longest lines."""
    server = make_smtp_server(tls="none")
    server.on("RCPT").reply(550, "5.1.1 No such user")
    client = connect(server)
    client.open()
    client.send(b"RSET\r\nMAIL FROM:<ada@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
    assert [client.reply()[:3] for _ in range(4)] == ["250", "250", "550", "554"]
    assert client.code("NOOP " + "x" * (512 - 7)) == 250
    assert client.code("RSET") == 250
    server.configure()
    assert client.code("QUIT") == 221
    server.check()
    assert not server.sessions[0].violations


def test_what_follows_a_fault_that_broke_the_protocol_is_never_fatal(
    make_smtp_server: MakeSMTPServer, connect: Connect
) -> None:
    """Nobody can keep to a protocol that the server left."""
    server = make_smtp_server(tls="none")
    server.on("MAIL").send(b"250 OK\r\n")
    client = connect(server)
    client.open()
    client.ask("MAIL FROM:<ada@example.com>")
    client.ask("RCPT TO:<bob@example.org>")
    client.ask("DATA")
    client.ask("QUIT")
    server.check()
    assert not any(violation.fatal for violation in server.sessions[0].violations)
