from __future__ import annotations

import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.mail.charset import base64_lines, quoted_printable
from pytest_smtp4d.mail.transfer_encoding import decode_transfer_encoding, is_damaged


@pytest.mark.parametrize(
    ("encoded", "octets", "damaged"),
    [
        (b"aGVsbG8=", b"hello", False),
        (b"aGVsbG8", b"hello", False),
        (b"aGVs\r\n bG8=\t\r\n\r\n", b"hello", False),
        (b"aGVsbG8===", b"hello", False),
        (b"aGVsbG8=\r\n-- \r\nlist footer\r\n", b"hello", True),
        (b"aGVsbA==\r\naGVsbG8=\r\n", b"hell", True),
        (b"=aGVsbG8=", b"hello", True),
        (b"aGVs=bG8=", b"hel", True),
        (b"aG*Vs\xffbG8=", b"hello", True),
        (b"aGVsb", b"hel", True),
        (b"", b"", False),
        (b"====", b"", False),
    ],
)
def test_base64_ends_at_the_equals_sign(encoded: bytes, octets: bytes, damaged: bool) -> None:
    """What follows never shifts what stood before; all that had to be left out is damage (RFC 2045 6.8)."""
    assert decode_transfer_encoding(encoded, "base64") == octets
    assert is_damaged(encoded, "base64") is damaged


@pytest.mark.parametrize(
    ("encoded", "octets", "damaged"),
    [
        (b"begin 644 x.txt\r\n%:&5L;&\\\r\n`\r\nend\r\n", b"hello", False),
        (b"\nbegin 644 x.txt\n%:&5L;&\\\n \nend", b"hello", False),
        (b"begin 644 x.txt\n%:&5L;&\\and more\nend", b"hello", True),
        (b"begin 644 x.txt\n%:&5L;&\\", b"hello", True),
        (b"%:&5L;&\\", b"hello", True),
        (b"begin 644 x.txt\n%:&5L\nend", b"hel\0\0", False),
        (b"begin 644 x.txt\n\xff\x80\nend", b"", True),
    ],
)
def test_uuencode(encoded: bytes, octets: bytes, damaged: bool) -> None:
    """The older encoding is undone under each of its names, framed or not."""
    for name in ("x-uuencode", "uuencode", "x-uue", "uue"):
        assert decode_transfer_encoding(encoded, name) == octets
        assert is_damaged(encoded, name) is damaged


@given(st.binary(max_size=300))
def test_what_is_written_is_read(octets: bytes) -> None:
    """Base64, quoted-printable and no encoding come back undamaged."""
    lines = octets.replace(b"\r", b"").replace(b"\n", b"\r\n")
    for name, encoded, expected in (
        ("base64", base64_lines(octets), octets),
        ("quoted-printable", quoted_printable(lines), lines),
        ("x-uuencode", b"begin 644 x\n" + b"".join(uu_lines(octets)) + b"end\n", octets),
        ("8bit", octets, octets),
    ):
        assert decode_transfer_encoding(encoded, name) == expected
        assert not is_damaged(encoded, name)


def uu_lines(octets: bytes) -> list[bytes]:
    """Return octets in lines of uuencode."""
    return [binascii.b2a_uu(octets[start : start + 45], backtick=True) for start in range(0, len(octets), 45)]


@given(st.binary(max_size=300), st.sampled_from(["base64", "quoted-printable", "uuencode", "x-odd", ""]))
def test_any_octets_are_read(octets: bytes, encoding: str) -> None:
    """Nothing raises."""
    assert isinstance(decode_transfer_encoding(octets, encoding), bytes)
    assert is_damaged(octets, encoding) in (True, False)
