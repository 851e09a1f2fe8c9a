"""What a server makes of violations; each of the closed list is provoked in `dialogue/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def long_content_line(client: RawClient) -> None:
    """A content line of 1001 octets."""
    client.open()
    client.envelope()
    client.content(b"x" * 999 + b"\r\n")


def rcpt_before_mail(client: RawClient) -> None:
    """RCPT without a transaction."""
    client.open()
    client.ask("RCPT TO:<bob@example.org>")


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
