from __future__ import annotations

import binascii
import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.charset import (
    MailMode,
    base64_lines,
    decode_octets,
    encode_text,
    mode_of,
    quoted_printable,
)


@pytest.mark.parametrize(
    ("mode", "text", "eightbit", "charset", "encoding"),
    [
        (MailMode.UTF8, "plain", True, "US-ASCII", "7bit"),
        (MailMode.UTF8, "Grüße", True, "UTF-8", "quoted-printable"),
        (MailMode.UTF8, "日本語", True, "UTF-8", "quoted-printable"),
        (MailMode.UTF8, "x" * 999, True, "US-ASCII", "quoted-printable"),
        (MailMode.UTF8, "nul\0", True, "US-ASCII", "quoted-printable"),
        (MailMode.UTF8_BASE64, "plain", True, "US-ASCII", "7bit"),
        (MailMode.UTF8_BASE64, "Grüße", True, "UTF-8", "base64"),
        (MailMode.UTF8_BASE64, "x" * 999, True, "US-ASCII", "base64"),
        (MailMode.ISO2022JP, "plain", True, "US-ASCII", "7bit"),
        (MailMode.ISO2022JP, "日本語", True, "ISO-2022-JP", "7bit"),
        (MailMode.ISO2022JP, "日本語", False, "ISO-2022-JP", "7bit"),
        (MailMode.ISO2022JP, "Grüße", True, "UTF-8", "quoted-printable"),
        (MailMode.ISO2022JP, "日本語👍", True, "UTF-8", "quoted-printable"),
        (MailMode.ISO2022JP, "日" * 600, True, "ISO-2022-JP", "quoted-printable"),
        (MailMode.ISO88591, "plain", True, "ISO-8859-1", "8bit"),
        (MailMode.ISO88591, "plain", False, "ISO-8859-1", "7bit"),
        (MailMode.ISO88591, "Grüße", True, "ISO-8859-1", "8bit"),
        (MailMode.ISO88591, "Grüße", False, "ISO-8859-1", "quoted-printable"),
        (MailMode.ISO88591, "ü" * 999, True, "ISO-8859-1", "quoted-printable"),
    ],
)
def test_body_modes(mode: MailMode, text: str, eightbit: bool, charset: str, encoding: str) -> None:
    """T4: each mode labels and encodes a body as 4D's table says, and no line is over-long."""
    encoded = encode_text(text, mode, key="textBody", eightbit=eightbit)
    assert (encoded.charset, encoded.transfer_encoding) == (charset, encoding)
    decoders: dict[str, Callable[[bytes], bytes]] = {
        "quoted-printable": binascii.a2b_qp,
        "base64": binascii.a2b_base64,
    }
    octets = decoders.get(encoding, bytes)(encoded.octets)
    assert octets.decode(charset) == text
    assert max(map(len, encoded.octets.split(b"\r\n"))) <= (76 if encoding in decoders else 998)


def test_any_line_end_becomes_crlf() -> None:
    """CRLF, LF and a bare CR are one line end each (RFC 2046 4.1.1)."""
    assert (
        encode_text("a\r\nb\nc\rd\n\r", MailMode.UTF8, key="", eightbit=True).octets
        == b"a\r\nb\r\nc\r\nd\r\n\r\n"
    )


def test_an_unencodable_character_is_named() -> None:
    """ISO-8859-1 refuses what it cannot hold, naming the first such character: nothing is lost."""
    with pytest.raises(MailError, match=r"textBody: '€' \(U\+20AC\) cannot be written in ISO-8859-1"):
        encode_text("12 € and 日本", MailMode.ISO88591, key="textBody", eightbit=True)


def test_half_a_character_is_refused() -> None:
    """A lone surrogate is no character and no charset holds it."""
    with pytest.raises(MailError, match=r"textBody: '\\ud83d' \(U\+D83D\) cannot be written in UTF-8"):
        encode_text("\ud83d", MailMode.UTF8, key="textBody", eightbit=True)


def test_a_signed_body_is_kept_from_relays() -> None:
    """What a relay may alter is encoded where the part will be signed, and only there."""
    for text in ("From here", "blank at the end ", "tab\t\nx"):
        assert encode_text(text, MailMode.UTF8, key="", eightbit=False).transfer_encoding == "7bit"
        sealed = encode_text(text, MailMode.UTF8, key="", eightbit=False, sealed=True)
        assert sealed.transfer_encoding == "quoted-printable"
        assert not re.search(rb"(?m)^From |[ \t]\r?$", sealed.octets)


@pytest.mark.parametrize(
    ("charset", "label"),
    [("windows-1252", "windows-1252"), ("utf-16", "UTF-8"), ("koi8-r", "UTF-8"), ("", "UTF-8")],
)
def test_a_preferred_charset_is_used_where_it_can_be(charset: str, label: str) -> None:
    """A parsed part keeps its charset unless it cannot hold the text, or cannot stand in MIME at all."""
    assert encode_text("12 €", MailMode.UTF8, key="", eightbit=True, charset=charset).charset == label


@pytest.mark.parametrize(
    ("octets", "encoded"),
    [
        (b"caf\xe9", b"caf=E9"),
        (b"a = b", b"a =3D b"),
        (b"blank \r\ntab\t\r\nend ", b"blank=20\r\ntab=09\r\nend=20"),
        (b"x" * 76, b"x" * 76),
        (b"x" * 77, b"x" * 75 + b"=\r\n" + b"xx"),
        (b"x" * 74 + b" \r\n", b"x" * 74 + b"=\r\n=20\r\n"),
        (b".\r\n..", b"=2E\r\n.."),
        (b"From me\r\n>From you\r\n From", b"=46rom me\r\n>From you\r\n From"),
        (b"From " + b"x" * 70, b"=46rom=\r\n " + b"x" * 70),
        (b"", b""),
        (b"nul\x00bell\x07", b"nul=00bell=07"),
    ],
)
def test_quoted_printable(octets: bytes, encoded: bytes) -> None:
    """Blanks at the end, lone dots, "From " and long lines are written so that no relay alters them."""
    assert quoted_printable(octets) == encoded


LINES = st.lists(st.binary(max_size=120).map(lambda line: line.translate(None, b"\r\n"))).map(b"\r\n".join)


@given(LINES)
@example(b"x" * 73 + b"\xff \r\n" + b"From " * 30)
@example(b"From " + b"\xff" * 30 + b" \r\n")
def test_quoted_printable_round_trip(octets: bytes) -> None:
    """Any lines come back, every encoded line is printable ASCII of at most 76 without a blank at its end."""
    encoded = quoted_printable(octets)
    assert binascii.a2b_qp(encoded) == octets
    for line in encoded.split(b"\r\n"):
        assert re.fullmatch(rb"[\t -~]{0,76}", line)
        assert not line.endswith((b" ", b"\t"))
        assert not line.startswith(b"From ")


@given(st.binary(max_size=500))
def test_base64_round_trip(octets: bytes) -> None:
    """Any octets come back from lines of at most 76."""
    encoded = base64_lines(octets)
    assert binascii.a2b_base64(encoded) == octets
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))


@pytest.mark.parametrize(
    ("octets", "charset", "text", "fine"),
    [
        (b"abc", "", "abc", True),
        (b"\xc3\xa4", "", "ä", False),
        (b"\xc3\xa4", "us-ascii", "ä", False),
        (b"\xe4", "us-ascii", "ä", False),
        (b"\xe4", "utf-8", "\ufffd", False),
        (b"\xe4", "nonsense", "ä", False),
        (b"\xc3\xa4", "nonsense", "ä", False),
        (b"\xa4", "iso-8859-15", "€", True),
        (b"\x81\x40", "gb2312", "丂", True),
        ("髙".encode("cp932"), "shift_jis", "髙", True),
        (b"a\x00b", "utf-8", "a\0b", True),
        (b"+2AA-", "utf-7", "\ufffd", False),
        (b"\\d", "unicode_escape", "\\d", False),
        (b"abc", "rot13", "abc", False),
        (b"abc", "hex", "abc", False),
        (b"abc", "x" * 500, "abc", False),
        (b"abc", "\0", "abc", False),
        (b"abc", "punycode", "abc", False),
    ],
)
def test_decoding_octets(octets: bytes, charset: str, text: str, fine: bool) -> None:
    """Known labels decode, wrong and unknown ones give the best reading and say that there was a problem."""
    assert decode_octets(octets, charset) == (text, fine)


@pytest.mark.parametrize("mode", list(MailMode))
def test_modes_by_value(mode: MailMode) -> None:
    """A mode is given as a member or as 4D's text, and prints as that."""
    assert mode_of(mode.value, "headerCharset") is mode_of(mode, "headerCharset") is mode
    assert f"{mode}" == str(mode) == mode.value


@pytest.mark.parametrize("value", ["utf-8", "", 5, ["US-ASCII_UTF8_QP"], "us-ascii_utf8_qp"])
def test_unknown_modes_are_refused(value: object) -> None:
    """A mode that does not exist is a MailError that names the option."""
    with pytest.raises(MailError, match=r"headerCharset .* does not exist"):
        mode_of(value, "headerCharset")
