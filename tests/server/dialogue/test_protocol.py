from __future__ import annotations

import pytest

from tests.server.dialogue.driving import DrivenSession


@pytest.mark.parametrize("octets", [12_288, 12_289, 12_290, 20_000])
@pytest.mark.parametrize("in_pieces", [False, True])
def test_an_overlong_line_is_not_pipelined_by_its_length(octets: int, in_pieces: bool) -> None:
    """One command at a time is one command at a time, whatever its length (RFC 2920 3.1)."""
    client = DrivenSession(extensions=())
    client.open()
    line = b"x" * (octets - 2) + b"\r\n"
    size = 4_000 if in_pieces else octets
    client.send_pieces(line[start : start + size] for start in range(0, octets, size))
    assert [violation.name for violation in client.session.violations] == ["line-too-long"]


@pytest.mark.parametrize("octets", [12_289, 20_000])
def test_an_overlong_line_that_was_pipelined(octets: int) -> None:
    """It began before the reply to the command before it: that counts, not where it ends."""
    client = DrivenSession(extensions=())
    client.open()
    client.send(b"NOOP\r\n" + b"x" * 2000)
    client.send(b"x" * (octets - 2002) + b"\r\n")
    names = [violation.name for violation in client.session.violations]
    assert names == ["line-too-long", "pipelining-not-offered"]
