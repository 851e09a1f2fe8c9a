from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d import mail_convert_from_mime, mail_convert_to_mime
from pytest_smtp4d.mail.tree import read_tree
from pytest_smtp4d.records.mime import DEEPEST, _built, flat_below, mime_of


def nested(depth: int) -> bytes:
    """Return a message of multiparts, each inside the one before, around one text."""
    opened = "".join(f"Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n" for i in range(depth))
    closed = "".join(f"\r\n--b{i}--" for i in reversed(range(depth)))
    return f"Subject: deep\r\n{opened}\r\nHello{closed}\r\n".encode()


def test_two_thousand_nested_parts_are_parsed() -> None:
    """Where the standard library's parser ends with a RecursionError, the parts are there all the same."""
    content = nested(2000)
    with pytest.raises(RecursionError):
        message_from_bytes(content, policy=policy.default)
    whole = mime_of(content)
    assert whole["Subject"] == "deep"
    part: Any = whole
    depth = 0
    while part.is_multipart():
        (part,) = part.get_payload()
        depth += 1
    assert depth == 2000
    assert part.get_payload() == "Hello"


SIMPLE = (
    b"From: a@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9F?=\r\nSubject: twice\r\nTo: ,,<\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=latin-1\r\n\r\nGr\xfc\xdfe\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAH/\r\n--b--\r\n"
)


def test_what_is_built_is_what_is_parsed() -> None:
    """Fields, texts and octets of each part are those that the standard library reads."""
    built, parsed = _built(read_tree(SIMPLE), SIMPLE), mime_of(SIMPLE)
    for mine, theirs in zip(built.walk(), parsed.walk(), strict=True):
        assert list(mine.raw_items()) == list(theirs.raw_items())
        assert mine.get_payload(decode=True) == theirs.get_payload(decode=True)
    assert [part.get_content() for part in built.iter_parts()] == ["Grüße", b"\0\1\xff"]


@given(st.binary(max_size=300))
def test_any_octets_are_built(octets: bytes) -> None:
    """No octets are an error, though a message of them is never too deep for the standard library."""
    content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + octets
    assert _built(read_tree(content), content).get_content_type() == "multipart/mixed"


def test_the_structure_of_a_deep_mail_can_be_shown_and_compared() -> None:
    """`repr` and `==` of a mail object nested 2,000 times work once it is flat; its text is still there."""
    mails = [mail_convert_from_mime(nested(2000)) for _ in range(2)]
    for mail in mails:
        mail["bodyStructure"] = flat_below(mail["bodyStructure"])
    assert mails[0] == mails[1]
    assert repr(mails[0]).count("subParts") == DEEPEST
    assert "Hello" in mail_convert_to_mime(mails[0])


def test_no_part_is_lost_when_a_structure_is_made_flat() -> None:
    """The last level has the leaves below it, in order; what is not deeper is the very same object."""
    leaves: list[Any] = [{"type": "text/plain", "partId": f"p{number}"} for number in range(5)]
    inner = {"type": "multipart/b", "subParts": [leaves[1], {"type": "multipart/c", "subParts": leaves[2:4]}]}
    structure: Any = {"type": "multipart/a", "subParts": [leaves[0], inner, leaves[4]]}
    assert flat_below(structure, 3) is structure
    flat = {"type": "multipart/b", "subParts": leaves[1:4]}
    assert flat_below(structure, 2) == {"type": "multipart/a", "subParts": [leaves[0], flat, leaves[4]]}
    assert flat_below(structure, 1) == {"type": "multipart/a", "subParts": leaves}
    assert inner["subParts"][1]["subParts"] == leaves[2:4]
