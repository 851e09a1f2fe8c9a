from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.address import parse_entries
from pytest_smtp4d.mail.charset import MailMode
from pytest_smtp4d.mail.header import (
    HeaderStyle,
    address_field,
    date_text,
    header_items,
    identifier_field,
    phrase_field,
    text_field,
)

PLAIN = HeaderStyle()
RAW = HeaderStyle(utf8=True)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Hello", "Subject: Hello\r\n"),
        ("", "Subject:\r\n"),
        ("a  b\tc", "Subject: a  b\tc\r\n"),
        ("Grüße", "Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n"),
        ("Hello Wörld again", "Subject: Hello =?UTF-8?Q?W=C3=B6rld?= again\r\n"),
        ("ä b ö", "Subject: =?UTF-8?Q?=C3=A4_b_=C3=B6?=\r\n"),
        ("a  ä", "Subject: =?UTF-8?Q?a__=C3=A4?=\r\n"),
        (" a", "Subject: =?UTF-8?Q?_a?=\r\n"),
        ("a b ", "Subject: a =?UTF-8?Q?b_?=\r\n"),
        ("  ", "Subject: =?UTF-8?Q?__?=\r\n"),
        ("=?utf-8?q?x?=", "Subject: =?UTF-8?Q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=\r\n"),
        ("bell\x07", "Subject: =?UTF-8?Q?bell=07?=\r\n"),
        ("word " * 20 + "end", "Subject:" + " word" * 13 + "\r\n" + " word" * 7 + " end\r\n"),
        ("x" * 200, "Subject:\r\n " + "x" * 200 + "\r\n"),
    ],
)
def test_unstructured_text(text: str, field: str) -> None:
    """Plain words stay plain, what is not is encoded, blanks are exact, lines fold at 76."""
    assert text_field("Subject", text, PLAIN, "subject").decode("ascii") == field


def test_an_endless_word_is_parted() -> None:
    """A word too long for any line becomes encoded words: no line is ever over 998 octets."""
    field = text_field("X-Token", "x" * 5000, PLAIN, "headers")
    assert max(map(len, field.split(b"\r\n"))) <= 76
    assert field.startswith(b"X-Token: =?UTF-8?Q?xxx")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Grüße aus Köln", "Subject: Grüße aus Köln\r\n"),
        ("ä" * 30 + " " + "ö" * 30, "Subject: " + "ä" * 30 + "\r\n " + "ö" * 30 + "\r\n"),
        ("ä ", "Subject: =?UTF-8?Q?=C3=A4_?=\r\n"),
    ],
)
def test_raw_utf8(text: str, field: str) -> None:
    """With SMTPUTF8 headers are raw UTF-8 (RFC 6532), folded by octets; blanks at the ends are encoded."""
    assert text_field("Subject", text, RAW, "subject").decode("utf-8") == field


@pytest.mark.parametrize(
    ("value", "style", "field"),
    [
        ("a@example.com", PLAIN, "To: a@example.com\r\n"),
        ("Ann Lee <a@example.com>", PLAIN, "To: Ann Lee <a@example.com>\r\n"),
        ('"Doe, J." <a@example.com>', PLAIN, 'To: "Doe, J." <a@example.com>\r\n'),
        (r'"A \"b\" \\" <a@example.com>', PLAIN, 'To: "A \\"b\\" \\\\" <a@example.com>\r\n'),
        ("Jörg, b@example.com", PLAIN, None),
        ("Jörg <a@example.com>", PLAIN, "To: =?UTF-8?Q?J=C3=B6rg?= <a@example.com>\r\n"),
        (
            "Jörg <a@example.com>",
            HeaderStyle(MailMode.ISO88591),
            "To: =?ISO-8859-1?Q?J=F6rg?= <a@example.com>\r\n",
        ),
        (
            "Jörg <a@example.com>",
            HeaderStyle(MailMode.UTF8_BASE64),
            "To: =?UTF-8?B?SsO2cmc=?= <a@example.com>\r\n",
        ),
        ("Jörg <a@example.com>", RAW, "To: Jörg <a@example.com>\r\n"),
        ("Jörg, jr. <用户@exämple.com>", RAW, None),
        ('"Jörg, jr." <用户@exämple.com>', RAW, 'To: "Jörg, jr." <用户@exämple.com>\r\n'),
        ("a@exämple.com", PLAIN, "To: a@xn--exmple-cua.com\r\n"),
        (
            "Team: a@example.com, B <b@example.com>;, c@example.com",
            PLAIN,
            "To: Team: a@example.com, B <b@example.com>;, c@example.com\r\n",
        ),
        ("undisclosed-recipients:;", PLAIN, "To: undisclosed-recipients:;\r\n"),
        (
            {"name": "=?utf-8?q?x?=", "email": "a@example.com"},
            PLAIN,
            "To: =?UTF-8?Q?=3D=3Futf-8=3Fq=3Fx=3F=3D?= <a@example.com>\r\n",
        ),
        (
            ["first.person@example.com", "second.person@example.com", "third.person@example.com"],
            PLAIN,
            "To: first.person@example.com, second.person@example.com,\r\n third.person@example.com\r\n",
        ),
    ],
)
def test_addresses(value: Any, style: HeaderStyle, field: str | None) -> None:
    """Names are atoms, quoted or encoded and never both; several addresses share one field."""
    if field is None:
        with pytest.raises(MailError):
            parse_entries(value, "to")
    else:
        assert address_field("To", parse_entries(value, "to"), style, "to").decode("utf-8") == field


def test_a_local_part_needs_smtputf8() -> None:
    """A non-ASCII local part without SMTPUTF8 is refused with the reason."""
    with pytest.raises(MailError, match=r"to: '用户@example\.com' needs a server that offers SMTPUTF8"):
        address_field("To", parse_entries("用户@example.com", "to"), PLAIN, "to")


def test_many_addresses_fold() -> None:
    """A thousand recipients make lines of at most 76 octets, and each stays in one piece."""
    addresses = [f"Person Number {number} <person{number}@example.com>" for number in range(1000)]
    lines = address_field("To", parse_entries(addresses, "to"), PLAIN, "to").decode("ascii").split("\r\n")
    assert max(map(len, lines)) <= 76
    assert " ".join(line.strip() for line in lines) == "To: " + ", ".join(addresses) + " "


@pytest.mark.parametrize(
    ("texts", "field"),
    [
        (["a@example.com"], "References: <a@example.com>\r\n"),
        (["<a@example.com>", "b@example.com"], "References: <a@example.com> <b@example.com>\r\n"),
        (
            ["<a@example.com> <b@example.com>, c@example.com"],
            "References: <a@example.com> <b@example.com> <c@example.com>\r\n",
        ),
        ([], ""),
        (["", " "], ""),
        (["no-at-sign"], "References: <no-at-sign>\r\n"),
        (["a,b@example.com"], "References: <a,b@example.com>\r\n"),
        (["<a,b@example.com> c@example.com"], "References: <a,b@example.com> <c@example.com>\r\n"),
        (["<a@example.com>,<b@example.com>"], "References: <a@example.com> <b@example.com>\r\n"),
        (["a@example.com, b@example.com"], "References: <a@example.com> <b@example.com>\r\n"),
        (['<"a b"@example.com>'], 'References: <"a b"@example.com>\r\n'),
        (["x" * 995], "References:\r\n <" + "x" * 995 + ">\r\n"),
    ],
)
def test_identifiers(texts: list[str], field: str) -> None:
    """Angle brackets are added where missing."""
    assert identifier_field("References", texts, PLAIN, "references").decode("ascii") == field


@pytest.mark.parametrize("text", ["<a@b", "a@b>", "a b<", "x" * 996, "ä@b", "a@b\r\n", "<a b>", "\x01"])
def test_malformed_identifiers(text: str) -> None:
    """What is no identifier is a MailError that names the property."""
    with pytest.raises(MailError, match="references"):
        identifier_field("References", [text], PLAIN, "references")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b", "must be one message identifier, not 2: 'a b'"),
        ("a, b", "must be one message identifier, not 2"),
        ("<a> <b>", "must be one message identifier, not 2"),
        ("<a b>", "must be message identifiers such as"),
    ],
)
def test_one_identifier_is_never_two(text: str, words: str) -> None:
    """Where one belongs, such as in Content-ID, a blank parts it and is an error; a comma is part of it."""
    with pytest.raises(MailError, match=words):
        identifier_field("Content-ID", [text], PLAIN, "cid", at_most=1)
    assert identifier_field("Content-ID", ["a,b,"], PLAIN, "cid", at_most=1) == b"Content-ID: <a,b,>\r\n"


def test_identifiers_outside_ascii() -> None:
    """Raw with SMTPUTF8 (RFC 6532 3.3), refused with the reason without."""
    octets = identifier_field("Message-ID", ["x@ää.example"], RAW, "messageId")
    assert octets.decode() == "Message-ID: <x@ää.example>\r\n"
    with pytest.raises(MailError, match=r"messageId: 'x@ää\.example' needs a server that offers SMTPUTF8"):
        identifier_field("Message-ID", ["x@ää.example"], PLAIN, "messageId")


def test_keywords() -> None:
    """Keywords are phrases: quoted or encoded where they must be, comma-separated."""
    field = phrase_field("Keywords", ["plain words", "comma, in", "grün", "$seen"], PLAIN, "keywords")
    assert field == b'Keywords: plain words, "comma, in", =?UTF-8?Q?gr=C3=BCn?=, $seen\r\n'


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-01-31T09:30:00Z", "Sat, 31 Jan 2026 09:30:00 +0000"),
        ("2026-01-31T09:30:00.123z", "Sat, 31 Jan 2026 09:30:00 +0000"),
        ("2026-01-31T09:30:00+05:30", "Sat, 31 Jan 2026 04:00:00 +0000"),
        ("2026-01-01T00:30:00+0100", "Wed, 31 Dec 2025 23:30:00 +0000"),
        ("2026-01-31 09:30", "Sat, 31 Jan 2026 09:30:00 +0000"),
        ("2026-01-31", "Sat, 31 Jan 2026 00:00:00 +0000"),
        ("20260131T093000Z", "Sat, 31 Jan 2026 09:30:00 +0000"),
        (
            datetime(2026, 1, 31, 9, 30, tzinfo=timezone(timedelta(hours=1))),
            "Sat, 31 Jan 2026 08:30:00 +0000",
        ),
        (datetime(2026, 1, 31, 9, 30), "Sat, 31 Jan 2026 09:30:00 +0000"),  # noqa: DTZ001 - no offset is UTC
    ],
)
def test_dates_are_written(moment: str | datetime, text: str) -> None:
    """ISO 8601 becomes an RFC 5322 date in UTC, whatever the machine's zone and language."""
    assert date_text(moment, "sendAt") == text


@pytest.mark.parametrize(
    "moment",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30T00:00:00Z",
        "2026-01-31T25:00:00Z",
        "31.01.2026",
        "0001-01-01T00:00:00+23:00",
        "1899-12-31",
        "2026-01-31T09:30:00+25:00",
        "2026-01-31T09:30:00Z\r\nBcc: x",
        "２０２６-01-31",
    ],
)
def test_dates_that_are_none(moment: str) -> None:
    """What is no date, or none that mail can carry, is a MailError that names the property and the value."""
    with pytest.raises(MailError) as caught:
        date_text(moment, "sendAt")
    assert "sendAt" in str(caught.value)
    assert repr(moment) in str(caught.value)


def test_header_items_keep_their_order() -> None:
    """E8: items come in order; those without a name or a value count as absent, as 4D's null does."""
    items = [
        {"name": "X-B", "value": "1"},
        None,
        {"name": None, "value": "x"},
        {"name": "X-C"},
        {"name": "X-A", "value": ""},
    ]
    assert list(header_items(items, "headers")) == [("X-B", "1"), ("X-A", "")]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("X-A: 1", "must list objects"),
        ({"name": "X A", "value": "1"}, "'X A' is no name of a header field"),
        ({"name": "X:A", "value": "1"}, "is no name"),
        ({"name": "X-Ä", "value": "1"}, "is no name"),
        ({"name": "X-A\r\nBcc", "value": "1"}, "is no name"),
        ({"name": "", "value": "1"}, "is no name"),
        ({"name": "X-A", "value": 1}, "must be text"),
        ({"name": "X-A", "valu": "1"}, "no property 'valu' (did you mean 'value'?)"),
    ],
)
def test_bad_header_items(item: object, words: str) -> None:
    """What is no header field is a MailError."""
    with pytest.raises(MailError) as caught:
        list(header_items([item], "headers"))
    assert words in str(caught.value)
