from __future__ import annotations

import email.header
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.charset import MailMode
from pytest_smtp4d.mail.encoded_word import decode_words, encoded_words

TEXTS = {
    "latin": "Grüße aus Köln, déjà vu",
    "greek": "Καλημέρα κόσμε",
    "japanese": "日本語のメールです",
    "emoji": "👩‍👩‍👧‍👦 🇨🇭 👍🏽",
    "hebrew": "שלום עולם",
    "combining": "e\u0301a\u0308o\u0302",
}


@pytest.mark.parametrize(
    ("mode", "text", "words"),
    [
        (MailMode.UTF8, "Grüße", ["=?UTF-8?Q?Gr=C3=BC=C3=9Fe?="]),
        (MailMode.UTF8, "a_b=c?d e", ["=?UTF-8?Q?a=5Fb=3Dc=3Fd_e?="]),
        (MailMode.UTF8_BASE64, "Grüße", ["=?UTF-8?B?R3LDvMOfZQ==?="]),
        (MailMode.ISO2022JP, "日本", ["=?ISO-2022-JP?Q?=1B=24BF=7CK=5C=1B=28B?="]),
        (MailMode.ISO2022JP, "Grüße", ["=?UTF-8?Q?Gr=C3=BC=C3=9Fe?="]),
        (MailMode.ISO88591, "Grüße", ["=?ISO-8859-1?Q?Gr=FC=DFe?="]),
        (MailMode.UTF8, "", []),
    ],
)
def test_encoded_words(mode: MailMode, text: str, words: list[str]) -> None:
    """Each mode writes header text as 4D's table says: Q everywhere but in the base64 mode."""
    assert encoded_words(text, mode, "subject") == words


@pytest.mark.parametrize(
    ("mode", "script"),
    [
        (mode, script)
        for mode in MailMode
        for script in TEXTS
        if mode is not MailMode.ISO88591 or script == "latin"
    ],
)
def test_long_text_becomes_several_words(mode: MailMode, script: str) -> None:
    """Words are at most 75 octets and each can be decoded alone: none splits a character."""
    text = f"{TEXTS[script]} " * 20
    words = encoded_words(text, mode, "subject", room=40)
    assert len(words[0]) <= 40
    assert all(len(word) <= 75 for word in words)
    assert "".join(_decoded_alone(word) for word in words) == text
    assert decode_words("\r\n ".join(words).replace("\r\n", "")) == text


def _decoded_alone(word: str) -> str:
    """Decode one encoded word with the standard library."""
    [(octets, charset)] = email.header.decode_header(word)
    assert isinstance(octets, bytes)
    assert charset is not None
    return octets.decode(charset)


@pytest.mark.parametrize("text", ["e\u0301" * 60, "👍🏽" * 40, "❤\ufe0f" * 40])
def test_marks_stay_with_their_letters(text: str) -> None:
    """No word begins with a combining mark, a selector or a skin tone."""
    for word in encoded_words(text, MailMode.UTF8, "subject"):
        assert _decoded_alone(word)[0] in "e👍❤"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")), st.integers(0, 75))
def test_words_round_trip(text: str, room: int) -> None:
    """Any text comes back from its encoded words in any of the three modes that hold any text."""
    for mode in (MailMode.UTF8, MailMode.UTF8_BASE64, MailMode.ISO2022JP):
        words = encoded_words(text, mode, "subject", room)
        assert decode_words(" ".join(words)) == text
        assert all(
            re.fullmatch(r"=\?[A-Z0-9-]+\?[QB]\?[!->@-~]+\?=", word) and len(word) <= 75 for word in words
        )


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?a?= b", "a b"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a_?= \t =?iso-8859-1?q?=FC?=", "a ü"),
        ("=?UTF-8?Q?=C3?= =?utf-8?q?=A4?=", "ä"),
        ("=?utf-8?b?w6Q?=", "ä"),
        ("=?utf-8*de?q?a?=", "a"),
        ("=?iso-2022-jp?b?GyRCRnxLXBsoQg==?= =?iso-2022-jp?b?GyRCOGwbKEI=?=", "日本語"),
        ("x=?utf-8?q?a?=y", "xay"),
        ("=?nonsense?q?a?=", "a"),
        ("=?utf-8?q?=E4?=", "\ufffd"),
        ("=?utf-8?q?a=0D=0ABcc:_x?=", "a Bcc: x"),
        ("=?utf-8?q?a", "=?utf-8?q?a"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8?b?a?=", "=?utf-8?b?a?="),
        ("what?= =?x", "what?= =?x"),
        ("=??q?a?=", "=??q?a?="),
        ("=?utf-8?q?what??=", "what?"),
        ("=?utf-8?q?what?_now?= =?utf-8?q?then?=", "what? nowthen"),
        ("=?utf-8?q?a=?= b", "a= b"),
        ("=?utf-8?q?open =?utf-8?q?b?=", "=?utf-8?q?open b"),
        ("=?iso-8859-1?q?Fr\udcf6sche=2C?=", "Frösche,"),
        ("=?utf-8?q?\xe4=C3=A4?=", "ää"),
        ("\udcf6 =?utf-8?q?a?= \udcf6", "ö a ö"),
        ("=?x-sjis?b?k/o=?=", "日"),
    ],
)
def test_decoding_words(text: str, decoded: str) -> None:
    """Words are decoded as mailers write them, joined where they were split, and left where they are none."""
    assert decode_words(text) == decoded


def test_an_unencodable_character_is_named() -> None:
    """ISO-8859-1 refuses what it cannot hold, naming the first such character."""
    with pytest.raises(MailError, match=r"subject: '日' \(U\+65E5\) cannot be written in ISO-8859-1"):
        encoded_words("日本", MailMode.ISO88591, "subject")


@pytest.mark.parametrize(
    "text", ["Größe " * 20, "Καλημέρα κόσμε " * 9, "日本語のメールです。" * 9, "👍👎 " * 30]
)
def test_b_words_are_padded_at_the_end_only(text: str) -> None:
    """Readers that join neighbours before they decode them find no "=" between two."""
    *others, last = encoded_words(text, MailMode.UTF8_BASE64, "subject")
    assert others
    assert not any(word.removesuffix("?=").endswith("=") for word in others)
    assert decode_words(" ".join([*others, last])) == text
