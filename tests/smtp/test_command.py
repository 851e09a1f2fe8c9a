"""Command lines (RFC 5321 4.1, 4.5.3.1)."""

from __future__ import annotations

import pytest

from pytest_smtp4d.errors import LocalProtocolError
from pytest_smtp4d.smtp import command


def test_command_lines() -> None:
    """Verb, one blank, argument, CRLF; no blank without an argument."""
    assert command.command("RSET") == b"RSET\r\n"
    assert command.command("EHLO", "client.example.com") == b"EHLO client.example.com\r\n"
    assert command.mail("") == b"MAIL FROM:<>\r\n"
    assert command.mail("a@example.com", ("SIZE=12", "BODY=8BITMIME")) == (
        b"MAIL FROM:<a@example.com> SIZE=12 BODY=8BITMIME\r\n"
    )
    assert command.rcpt("ü@example.com") == "RCPT TO:<ü@example.com>\r\n".encode()
    assert command.auth("PLAIN", b"\0me\0pw") == b"AUTH PLAIN AG1lAHB3\r\n"
    assert command.auth("PLAIN", b"") == b"AUTH PLAIN =\r\n"
    assert command.auth("LOGIN") == b"AUTH LOGIN\r\n"
    assert command.auth_response(b"\x01") == b"AQ==\r\n"
    assert command.bdat(b"abc\r\n") == b"BDAT 5 LAST\r\nabc\r\n"


@pytest.mark.parametrize("bad", ["a\r\nDATA", "a\nb", "a\rb", "a\0b"])
def test_nothing_can_be_smuggled_into_a_command(bad: str) -> None:
    """CR, LF and NUL are refused, and the value is named."""
    with pytest.raises(LocalProtocolError) as caught:
        command.rcpt(bad)
    assert repr(f"TO:<{bad}>") in str(caught.value)


def test_command_lines_have_a_limit() -> None:
    """512 octets, more where an extension allows it; the message gives both figures."""
    assert len(command.command("EHLO", "x" * 505)) == 512
    with pytest.raises(LocalProtocolError, match="513 octets; 512 are allowed"):
        command.command("EHLO", "x" * 506)
    with pytest.raises(LocalProtocolError, match="are allowed"):
        command.auth("XOAUTH2", b"x" * 12288)
    with pytest.raises(LocalProtocolError, match="12288 are allowed"):
        command.auth_response(b"x" * 12288)
    assert len(command.auth("XOAUTH2", b"x" * 9000)) > 512
