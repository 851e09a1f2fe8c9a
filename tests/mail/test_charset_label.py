from __future__ import annotations

import pytest
import webencodings
from webencodings.labels import LABELS

from pytest_smtp4d.mail.charset import decode_octets
from pytest_smtp4d.mail.charset_label import text_codec

# "replacement" is WHATWG's way to refuse: two of these Python reads, and so do we.
REFUSED = {"replacement", "iso-2022-cn", "iso-2022-cn-ext"}
SAMPLES = "Aé ñ Ж я ש ا ก Ω 日本 가 啊 中文 ｱ € “”"


@pytest.mark.parametrize("label", sorted(set(LABELS) - REFUSED))
def test_every_label_of_the_encoding_standard(label: str) -> None:
    """What the standard's own encoder writes under a label is read as what was written, without a problem."""
    assert text_codec(label) is not None
    encoding = webencodings.lookup(label)
    if LABELS[label] == "replacement":
        return
    for character in SAMPLES:
        try:
            octets, _ = encoding.codec_info.encode(character)
        except UnicodeEncodeError:
            continue
        text, fine = decode_octets(octets, label)
        assert (text, fine) == (character, True) or text_codec(label) == "ascii"


@pytest.mark.parametrize("label", sorted(LABELS))
def test_a_label_in_any_spelling(label: str) -> None:
    """Case, blanks around it and quotes do not matter."""
    assert text_codec(f" '{label.upper()}' ") == text_codec(label)


# Of IANA's registry: names and aliases of charsets that Python has under another name.
IANA = {
    "csUTF8": "utf-8",
    "csUnicode": "utf-16-le",
    "UNICODE-1-1": "utf-16-be",
    "ISO-10646-UCS-4": "utf-32-be",
    "UNICODE-1-1-UTF-7": "utf-7",
    "csUTF7": "utf-7",
    "ISO_8859-6-E": "iso8859-6",
    "ISO-8859-8-I": "iso8859-8",
    "csISO885913": "iso8859-13",
    "Latin-9": "iso8859-15",
    "TIS-620": "cp874",
    "IBM00858": "cp858",
    "CCSID01140": "cp1140",
    "csKOI8U": "koi8-u",
    "KZ-1048": "kz1048",
    "hp-roman8": "hp-roman8",
    "csMacintosh": "mac-roman",
    "cswindows1251": "cp1251",
    "ISO-8859-9-Windows-Latin-5": "cp1254",
    "GB_2312-80": "gb2312",
    "csGB18030": "gb18030",
    "windows-936": "gbk",
    "csBig5HKSCS": "big5hkscs",
    "KS_C_5601-1987": "euc_kr",
    "KSC_5601": "euc_kr",
    "iso-ir-149": "euc_kr",
    "Windows-31J": "cp932",
    "csWindows31J": "cp932",
    "MS_Kanji": "cp932",
    "JIS_X0201": "shift_jis",
    "JIS_Encoding": "iso2022_jp",
    "CP50220": "iso2022_jp",
    "CP51932": "euc_jp",
    "Extended_UNIX_Code_Packed_Format_for_Japanese": "euc_jp",
    "csISO2022JP2": "iso2022_jp_2",
}


@pytest.mark.parametrize("label", IANA)
def test_names_of_the_iana_registry(label: str) -> None:
    """Names and aliases that Python itself does not know."""
    assert text_codec(label) == IANA[label]


@pytest.mark.parametrize("label", ["", "nonsense", "x" * 500, "\0", "idna", "rot13", "hex", "UNKNOWN-8BIT"])
def test_what_is_no_charset(label: str) -> None:
    """Codecs that make no octets of text, or that no mailer means, are none."""
    assert text_codec(label) is None


@pytest.mark.parametrize(
    ("label", "octets", "text"),
    [
        ("iso-8859-1", b"\x93x\x94 \xe4", "“x” ä"),
        ("iso-8859-1", b"\xe4\x81", "ä\x81"),
        ("iso-8859-9", b"\x80 \xfe", "€ ş"),
        ("us-ascii", b"\x93x\x94", "“x”"),
        ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
        ("euc-jp", b"\xad\xa1", "①"),
        ("gb2312", b"\x81\x40\xb0\xa1", "丂啊"),
        ("big5", b"\xc7\xfa", "Ж"),
    ],
)
def test_what_mailers_mean_by_a_label(label: str, octets: bytes, text: str) -> None:
    """Octets that are none in a charset, or control characters, are read as its superset has them."""
    assert decode_octets(octets, label)[0] == text
