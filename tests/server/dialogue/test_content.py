from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.server.dialogue.content import ChunkReader, DotReader
from pytest_smtp4d.smtp.wire import add_transparency

LINES = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"a", b"\r", b"\n", b"a\rb", b"\x00", b"\xff"]))


def pieces(octets: bytes, cuts: list[int]) -> list[bytes]:
    """Cut octets at the places given."""
    places = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts)})
    return [octets[one:other] for one, other in itertools.pairwise(places)]


@given(lines=LINES, cuts=st.lists(st.integers(0, 1000)), behind=st.binary(max_size=9))
def test_content_comes_out_as_it_went_in_however_it_is_cut(
    lines: list[bytes], cuts: list[int], behind: bytes
) -> None:
    """Transparency is undone and nothing else; what stands behind the final dot line is handed back."""
    content = b"".join(line + b"\r\n" for line in lines)
    reader = DotReader()
    rest = None
    handed = b""
    for piece in pieces(add_transparency(content) + behind, cuts):
        if rest is not None:
            handed += piece
            continue
        rest = reader.feed(piece)
        if rest is not None:
            handed = rest
    assert (reader.content, handed) == (content, behind)
    assert reader.size == len(content)


@pytest.mark.parametrize(
    "octets",
    [b"a\n.\n", b"a\n.\r\n", b"a\r\n.\n", b"a\r.\r", b"a\r\n.\r", b"a\r.\r\n", b"\n.\r\n", b"a\r\n.\r\r\n"],
)
def test_nothing_but_crlf_dot_crlf_ends_content(octets: bytes) -> None:
    """The sequences that smuggle a second message past other servers are content here."""
    reader = DotReader()
    assert reader.feed(octets) is None
    assert reader.feed(b"\r\nb\r\n.\r\n") == b""
    assert reader.content.endswith(b"b\r\n")


def test_an_empty_message_is_a_lone_dot_line() -> None:
    """The final dot may stand at the very beginning."""
    reader = DotReader()
    assert reader.feed(b".\r\nQUIT\r\n") == b"QUIT\r\n"
    assert reader.content == b""


def test_content_over_the_limit_is_counted_and_not_kept() -> None:
    """Memory stays bounded however long a client goes on."""
    reader = DotReader(limit=10)
    assert reader.feed(b"12345678\r\n") is None
    assert reader.feed(b"x") is None
    for _ in range(100):
        assert reader.feed(b"x" * 1000) is None
    assert reader.is_too_big
    assert reader.feed(b"\r\n.\r\n") == b""
    assert reader.content == b""
    assert reader.size == 10 + 1 + 100_000 + 2


def test_content_of_just_the_limit_is_kept() -> None:
    """The limit itself is allowed (RFC 1870)."""
    reader = DotReader(limit=10)
    assert reader.feed(b"12345678\r\n.\r\n") == b""
    assert (reader.content, reader.is_too_big) == (b"12345678\r\n", False)


def test_a_chunk_is_its_length_in_octets() -> None:
    """BDAT counts; it knows no lines and no dots."""
    reader = ChunkReader(7)
    assert reader.feed(b"a\r\n.") is None
    assert reader.left == 3
    assert reader.feed(b"\r\nbNOOP\r\n") == b"NOOP\r\n"
    assert reader.content == b"a\r\n.\r\nb"
