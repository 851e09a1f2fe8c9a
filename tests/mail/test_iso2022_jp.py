from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.mail.charset import decode_octets
from pytest_smtp4d.mail.iso2022_jp import decode_iso2022_jp


@pytest.mark.parametrize(
    ("octets", "text", "fine"),
    [
        (b"\x1b$B-!-j\x1b(B", "①㈱", True),
        (b"a\x1b$@F|K\\\x1b(Jb", "a日本b", True),
        (b"\x1b(J\\~\x1b(B\\~", "¥‾\\~", True),
        (b"\x1b(I12\x1b(B!", "ｱｲ!", True),
        (b"\x1b$(D0!\x1b(B", "丂", True),
        (b"\x1b$B|!\x1b(B", "\u91d7", True),
        (b"\x1b$BF", "F", True),
        (b"\x1b$B\x22\x7f\x1b(B", '"\x7f', True),
        (b"\x1b$ZF", "\x1b$ZF", False),
        (b"a\x81", "a\ufffd", False),
    ],
)
def test_escapes(octets: bytes, text: str, fine: bool) -> None:
    """Each escape of WHATWG's decoder is followed; what is no character is said to be none."""
    assert decode_iso2022_jp(octets) == (text, fine)


@given(st.text(st.characters(codec="iso2022_jp", exclude_characters="\x1b\\~¥‾"), max_size=50))
def test_what_python_writes_is_read(text: str) -> None:
    """Both decoders agree on RFC 1468, whichever of them is used."""
    octets = text.encode("iso2022_jp")
    assert decode_iso2022_jp(octets) == (text, True)
    assert decode_octets(octets, "iso-2022-jp") == (text, True)


@given(st.binary(max_size=200))
def test_any_octets_give_text(octets: bytes) -> None:
    """Nothing raises."""
    assert isinstance(decode_iso2022_jp(octets)[0], str)
