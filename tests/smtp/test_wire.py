"""Octets to replies and back, line ends, transparency (RFC 5321 4.2, 4.5.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.errors import RemoteProtocolError
from pytest_smtp4d.smtp.reply import Reply
from pytest_smtp4d.smtp.wire import (
    MAX_REPLY,
    MAX_REPLY_LINE,
    ReplyReader,
    add_transparency,
)


def read(octets: bytes) -> list[Reply]:
    """Return all replies in the octets."""
    reader = ReplyReader()
    reader.feed(octets)
    replies = []
    while (reply := reader.next()) is not None:
        replies.append(reply)
    return replies


@pytest.mark.parametrize(
    ("octets", "replies"),
    [
        (b"250 OK\r\n", [Reply(250, "OK")]),
        (b"250\r\n", [Reply(250)]),
        (b"250-a\r\n250-\r\n250 b\r\n", [Reply(250, "a\n\nb")]),
        (b"354 go\r\n250 done\r\n", [Reply(354, "go"), Reply(250, "done")]),
        (b"250 lone LF\n", [Reply(250, "lone LF")]),
        (b"550 5.1.1 gr\xc3\xbc\xc3\x9fe\r\n", [Reply(550, "5.1.1 grüße")]),
        (b"550 gr\xfc\xdfe\r\n", [Reply(550, "grüße")]),
        (b"250 half", []),
        (b"250-more to come\r\n", []),
    ],
)
def test_replies_are_read(octets: bytes, replies: list[Reply]) -> None:
    """Single, multi-line, empty, 8-bit and unfinished replies."""
    assert read(octets) == replies


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"hello\r\n", "'hello' where a reply of three digits was due"),
        (b"HTTP/1.1 400 Bad Request\r\n", "'HTTP/1.1 400 Bad Request' where"),
        (b"25 OK\r\n", "'25 OK' where"),
        (b"199 OK\r\n", "'199 OK' where"),
        (b"650 OK\r\n", "'650 OK' where"),
        (b"250_OK\r\n", "'250_OK' where"),
        (b"\r\n", "'' where"),
        (b"250-a\r\n550 b\r\n", "began a reply with 250 and went on with 550"),
        (b"250 a\x00b\r\n", "a NUL in its reply"),
        (b"2" * (MAX_REPLY_LINE + 1), "octets without a line end"),
        (b"250 " + b"x" * MAX_REPLY_LINE + b"\r\n", "a reply line of more than 12288"),
        (b"250-x\r\n" * (MAX_REPLY // 4), "a reply of more than 65536 octets"),
    ],
    ids=lambda value: value[:20] if isinstance(value, (bytes, str)) else None,
)
def test_what_is_no_reply_is_refused(octets: bytes, words: str) -> None:
    """Each malformed reply is an error that shows it; nothing grows without bound."""
    with pytest.raises(RemoteProtocolError) as caught:
        read(octets)
    assert words in str(caught.value)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=80)
REPLIES = st.lists(
    st.builds(Reply, st.integers(200, 599), st.lists(TEXT, min_size=1, max_size=4).map("\n".join)),
    max_size=5,
)


@given(REPLIES, st.data())
def test_replies_survive_any_split(replies: list[Reply], data: st.DataObject) -> None:
    """What a server encodes, a client reads, wherever the octets were cut."""
    octets = b"".join(reply.octets for reply in replies)
    reader = ReplyReader()
    got = []
    while octets:
        cut = data.draw(st.integers(1, len(octets)))
        reader.feed(octets[:cut])
        octets = octets[cut:]
        while (reply := reader.next()) is not None:
            got.append(reply)
    assert got == replies
    assert reader.is_empty


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_any_octets_end_in_replies_or_an_error(pieces: list[bytes]) -> None:
    """Nothing else is ever raised, and what is unread is bounded."""
    reader = ReplyReader()
    try:
        for piece in pieces:
            reader.feed(piece)
            while reader.next() is not None:
                pass
    except RemoteProtocolError:
        return
    assert len(reader.rest()) <= MAX_REPLY_LINE


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"", b".\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n.\r\n", b"..\r\n..\r\n.\r\n"),
        (b"a\r\n.b\r\nc.d\r\n", b"a\r\n..b\r\nc.d\r\n.\r\n"),
    ],
)
def test_leading_dots_are_doubled(content: bytes, sent: bytes) -> None:
    """The only dot line on the wire is the final one."""
    assert add_transparency(content) == sent


@given(st.lists(st.binary(max_size=30).map(lambda line: line.translate(None, b"\r\n"))))
def test_transparency_round_trip(lines: list[bytes]) -> None:
    """What goes through DATA comes out as it went in."""
    content = b"".join(line + b"\r\n" for line in lines)
    sent = add_transparency(content)
    assert sent.endswith(b".\r\n")
    assert b"\r\n.\r\n" not in (b"\r\n" + sent)[:-2]
    undone = (b"\r\n" + sent[:-3]).replace(b"\r\n..", b"\r\n.")[2:]  # as RFC 5321 4.5.2 has the receiver do
    assert undone == content
