"""Items of `headers`: a field that an RFC gives a structure is written, and read, by that structure."""

from __future__ import annotations

import email
import email.policy
import itertools
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.address import read_addresses
from pytest_smtp4d.mail.charset import MailMode
from pytest_smtp4d.mail.compose import Composer
from pytest_smtp4d.mail.field import KINDS, field_value, header_field, header_needs_utf8
from pytest_smtp4d.mail.header import HeaderStyle
from pytest_smtp4d.mail.parse import mail_convert_from_mime
from tests.mail.round_trip import octets_of

PLAIN = HeaderStyle()
RAW = HeaderStyle(utf8=True)


def written(name: str, value: str, style: HeaderStyle = PLAIN) -> str:
    """Return the value of a field as it is written, unfolded."""
    octets = header_field(name, value, style, "headers").decode("utf-8")
    assert max(map(len, octets.split("\r\n"))) <= 998
    field, colon, rest = octets.replace("\r\n ", " ").removesuffix("\r\n").partition(":")
    assert (field, colon) == (name, ":")
    return rest.removeprefix(" ")


def of(*names: str) -> pytest.MarkDecorator:
    """Parametrise a test with names of fields."""
    return pytest.mark.parametrize("name", names)


# --- addresses ------------------------------------------------------------------------------------


@of("Disposition-Notification-To", "Resent-To", "Resent-Cc", "Resent-From", "Errors-To", "Return-Receipt-To")
@pytest.mark.parametrize(
    ("value", "field"),
    [
        ('"Lee, Zoë" <z@example.com>', "=?UTF-8?Q?Lee=2C_Zo=C3=AB?= <z@example.com>"),
        ("Zoë <z@example.com>, b@example.com", "=?UTF-8?Q?Zo=C3=AB?= <z@example.com>, b@example.com"),
        ("z@example.com (Zoë)", "=?UTF-8?Q?Zo=C3=AB?= <z@example.com>"),
        ("Team: Zoë <z@example.com>;", "Team: =?UTF-8?Q?Zo=C3=AB?= <z@example.com>;"),
        ("a@exämple.com", "a@xn--exmple-cua.com"),
        ('"=?utf-8?q?x?=" <z@example.com>', "=?UTF-8?Q?=3D=3Futf-8=3Fq=3Fx=3F=3D?= <z@example.com>"),
        ("a@example.com; b@example.com", "a@example.com, b@example.com"),
        ("a@example.com (Ann), (one) b@example.com", "a@example.com (Ann), (one) b@example.com"),
        ('"Lee, Ann"  <a@example.com>', '"Lee, Ann"  <a@example.com>'),
        ("<>", "<>"),
        ("nobody", "nobody"),
        ("niemand, für immer", "niemand, =?UTF-8?Q?f=C3=BCr?= immer"),
        ("", ""),
    ],
)
def test_addresses(name: str, value: str, field: str) -> None:
    """A quoted name with umlauts is a phrase, ASCII stays as it is, and what is no address is text."""
    assert written(name, value) == field


def test_a_name_outside_ascii_is_one_address_for_the_standard_library() -> None:
    """A notification goes to one mailbox (RFC 8098 2.1), whatever stands in its name."""
    octets = header_field("Disposition-Notification-To", '"Lee, Zoë" <z@example.com>', PLAIN, "headers")
    message = email.message_from_bytes(b"To:" + octets.partition(b":")[2], policy=email.policy.default)
    (address,) = message["To"].addresses
    assert (address.display_name, address.addr_spec) == ("Lee, Zoë", "z@example.com")


def test_an_address_outside_ascii_needs_smtputf8() -> None:
    """It is written raw where the server offers that, and refused with the reason where not."""
    assert written("Resent-To", "Zoë <zoë@example.com>", RAW) == "Zoë <zoë@example.com>"
    with pytest.raises(MailError, match=r"headers: 'zoë@example\.com' needs a server that offers SMTPUTF8"):
        written("Resent-To", "Zoë <zoë@example.com>")
    assert header_needs_utf8("Resent-To", "Zoë <zoë@example.com>")
    assert not header_needs_utf8("Resent-To", "Zoë <z@exämple.com>")


# --- identifiers ----------------------------------------------------------------------------------


@of("References", "In-Reply-To", "Supersedes")
@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("<a@example.com> <b@example.com>", "<a@example.com> <b@example.com>"),
        ("<a,b@example.com>", "<a,b@example.com>"),
        ("<a@example.com>,<b@example.com>", "<a@example.com> <b@example.com>"),
        ("a@example.com b@example.com", "<a@example.com> <b@example.com>"),
        ('<"a b"@example.com>', '<"a b"@example.com>'),
        ("<=?utf-8?q?a?=@example.com>", "<=?utf-8?q?a?=@example.com>"),
        ('Your message of "Monday" <a@example.com>', 'Your message of "Monday" <a@example.com>'),
        ("Ihre Nachricht für uns", "Ihre Nachricht =?UTF-8?Q?f=C3=BCr?= uns"),
        ("<broken", "<broken"),
        ("", ""),
    ],
)
def test_identifiers(name: str, value: str, field: str) -> None:
    """Identifiers are in angle brackets, none is an encoded word, and a comma parts none."""
    assert written(name, value) == field


@of("Message-ID", "Resent-Message-ID")
def test_an_identifier_outside_ascii_needs_smtputf8(name: str) -> None:
    """RFC 6532 3.3: raw UTF-8, or refused."""
    assert written(name, "x@ää.example", RAW) == "<x@ää.example>"
    assert header_needs_utf8(name, "<x@ää.example>")
    with pytest.raises(MailError, match="needs a server that offers SMTPUTF8: an identifier is not ASCII"):
        written(name, "x@ää.example")


# --- URIs -----------------------------------------------------------------------------------------

LONG_URI = "<https://example.com/u?t=" + "y" * 965 + ">"


@of("List-Unsubscribe", "List-Post", "List-Help", "List-Archive", "Archived-At")
@pytest.mark.parametrize(
    ("value", "field"),
    [
        (LONG_URI, LONG_URI),
        ("<mailto:l@example.com?subject=u>, <https://example.com/u>", None),
        ("<https://example.com/?q=?utf-8?q?x?=>", None),
        ("NO (posting is not allowed)", None),
        ("<https://exämple.com/ü?q=ö>", "<https://xn--exmple-cua.com/%C3%BC?q=%C3%B6>"),
        ("<https://a☃.example/>", "<https://a%E2%98%83.example/>"),
        ("<https://exam ple.com/\tä>", "<https://example.com/%C3%A4>"),
        ("https://example.com/ü", "https://example.com/%C3%BC"),
        ("<https://example.com/> (für alle)", "<https://example.com/> (=?UTF-8?Q?f=C3=BCr_alle?=)"),
        ("<https://example.com/> für alle", "<https://example.com/> =?UTF-8?Q?f=C3=BCr?= alle"),
        ("<https://example.com/\x07>", "<https://example.com/%07>"),
        ("", ""),
    ],
)
def test_uris(name: str, value: str, field: str | None) -> None:
    """A URI is never an encoded word: what is not ASCII in it is percent-encoded, its host in A-labels."""
    assert written(name, value) == (value if field is None else field)


def test_blanks_before_an_encoded_word_do_not_make_its_line_too_long() -> None:
    """A line with an encoded word has 76 octets at most (RFC 2047 2); the value is read as it was."""
    for value in (f"Fri{' ' * 45}{'ÿ' * 30}", f"Fri{' ' * 30}({'ÿ' * 30})"):
        octets = octets_of({"from": "a@example.com", "headers": [{"name": "Resent-Date", "value": value}]})
        assert all(len(line) <= 76 for line in octets.split(b"\r\n") if b"=?" in line)
        (field,) = [one for one in mail_convert_from_mime(octets)["headers"] if one["name"] == "Resent-Date"]
        assert field["value"] == value


def test_a_comment_of_many_words_is_one_comment() -> None:
    """It is written in as many encoded words as it needs, inside one pair of parentheses."""
    field = written("List-Post", f"NO ({'ü' * 60})")
    words = field.removeprefix("NO (").removesuffix(")").split(" ")
    assert len(words) > 1
    lines = header_field("List-Post", f"NO ({'ü' * 60})", PLAIN, "headers").split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert all(word.startswith("=?UTF-8?Q?") and word.endswith("?=") for word in words)


@pytest.mark.parametrize("value", ["https://example.com/ä b", "cid:" + "x" * 980, "a b"])
def test_content_location(value: str) -> None:
    """The location of a part is a URI too (RFC 2557 4.2)."""
    expected = "https://example.com/%C3%A4%20b" if "ä" in value else value
    assert written("Content-Location", value) == expected


# --- what no line can hold ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("List-Unsubscribe", "<https://example.com/" + "y" * 1000 + ">"),
        ("Content-Location", "https://example.com/" + "y" * 1000),
        ("References", f"<{'y' * 1000}@example.com>"),
        ("Message-ID", f"<{'y' * 1000}@example.com>"),
        ("DKIM-Signature", "v=1; b=" + "y" * 1000),
    ],
)
def test_a_line_that_cannot_fit_is_refused(name: str, value: str) -> None:
    """Nothing that may not be parted is parted: the error names the field, the token and the limit."""
    with pytest.raises(MailError) as caught:
        written(name, value)
    assert str(caught.value).startswith(f"headers: {name} cannot be folded into lines of 998 octets: ")
    assert "yyy" in str(caught.value)


def test_the_longest_line_that_fits() -> None:
    """998 octets with the blank before it fit, 999 do not (RFC 5322 2.1.1)."""
    assert max(map(len, header_field("List-Help", "x" * 997, PLAIN, "headers").split(b"\r\n"))) == 998
    with pytest.raises(MailError, match="has 998; shorten it"):
        header_field("List-Help", "x" * 998, PLAIN, "headers")


# --- other structures -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("List-ID", '"Lee, Zoë" <l.example.com>', "=?UTF-8?Q?Lee=2C_Zo=C3=AB?= <l.example.com>"),
        ("List-ID", "Zoë's list <l.example.com>", "=?UTF-8?Q?Zo=C3=AB=27s_list?= <l.example.com>"),
        ("List-ID", "The list <l.example.com>", "The list <l.example.com>"),
        ("List-ID", "Zoë", "=?UTF-8?Q?Zo=C3=AB?="),
        ("Keywords", '"grün, rot", b, "c d"', "=?UTF-8?Q?gr=C3=BCn=2C_rot?=, b, c d"),
        ("Keywords", 'a, "b, c"', 'a, "b, c"'),
        ("Auto-Submitted", "auto-replied; note=ä", "auto-replied; note*=UTF-8''%C3%A4"),
        ("Auto-Submitted", "auto-generated", "auto-generated"),
        ("Auto-Submitted", "ä", "=?UTF-8?Q?=C3=A4?="),
        ("DKIM-Signature", "v=1; b=" + "x" * 900, None),
        ("DKIM-Signature", "v=1; b==?x?q?y?=", None),
        ("Return-Path", "<>", None),
        ("Received", "from a (für b)", "from a (=?UTF-8?Q?f=C3=BCr_b?=)"),
        (
            "Resent-Date",
            "1 Jul 2026 10:00:00 +0200 (Mitteleuropäische Sommerzeit)",
            "1 Jul 2026 10:00:00 +0200 (=?UTF-8?Q?Mitteleurop=C3=A4ische_Sommerzeit?=)",
        ),
        ("Received", "from a (b)  by\tc (ä)   d", "from a (b)  by\tc (=?UTF-8?Q?=C3=A4?=)   d"),
        ("Received", "from ä ö by b", "from =?UTF-8?Q?=C3=A4?= =?UTF-8?Q?_=C3=B6?= by b"),
        ("X-Own", '"Lee, Zoë" <z@example.com>', '"Lee, =?UTF-8?Q?Zo=C3=AB=22?= <z@example.com>'),
    ],
)
def test_other_structures(name: str, value: str, field: str | None) -> None:
    """Phrases, parameters, signatures and traces; any other field is unstructured text."""
    assert written(name, value) == (value if field is None else field)


@pytest.mark.parametrize("name", KINDS)
@given(value=st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=80))
@example(value="<https://example.com/" + "y" * 50 + "ä>,<https://example.com/" + "y" * 60 + ">,(ä),b")
def test_any_value_is_written(name: str, value: str) -> None:
    """Any text under any of these names gives lines that fit; in ASCII but for what needs SMTPUTF8."""
    style = HeaderStyle(utf8=header_needs_utf8(name, value))
    octets = header_field(name, value, style, "headers")
    assert octets.startswith(name.encode() + b":")
    assert octets.isascii() or style.utf8
    first, *others = octets.removesuffix(b"\r\n").split(b"\r\n")
    assert first
    assert all(line.strip() and line[:1] in b" \t" for line in others)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("value", ["a\r\nBcc: x@example.com", "a\nb", "ä\0"])
def test_nothing_ends_a_field(name: str, value: str) -> None:
    """CR, LF and NUL are refused whatever the structure."""
    with pytest.raises(MailError, match="CR, LF and NUL cannot stand in a header"):
        header_field(name, value, PLAIN, "headers")


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("Resent-To", "=?UTF-8?Q?Lee=2C_Zo=C3=AB?= <z@example.com>", '"Lee, Zoë" <z@example.com>'),
        ("Resent-To", "=?UTF-8?Q?Zo=C3=AB?= Lee <z@example.com>", "Zoë Lee <z@example.com>"),
        ("Resent-To", "=?UTF-8?Q?Z=2E_Lee?= <z@example.com>", "Z. Lee <z@example.com>"),
        ("Resent-To", "=?UTF-8?Q?Lee=2C?= =?UTF-8?Q?_Zo?= <z@example.com>", '"Lee, Zo" <z@example.com>'),
        ("Resent-To", '"=?UTF-8?Q?Lee=2C_=22Zo=22?=" <z@example.com>', '"Lee, \\"Zo\\"" <z@example.com>'),
        ("Resent-To", "z@example.com (=?UTF-8?Q?Zo=C3=AB=29?=)", "z@example.com (Zoë\\))"),
        ("Resent-To", "=?UTF-8?Q?a=40b=2Eexample?=", '"a@b.example"'),
        ("Resent-To", '"open =?UTF-8?Q?Zo=C3=AB?= <z@example.com>', '"open Zoë <z@example.com>'),
        ("List-ID", "=?UTF-8?Q?a=3Cb?= <l.example.com>", '"a<b" <l.example.com>'),
        ("Keywords", "=?UTF-8?Q?a=2C_b?=, c", '"a, b", c'),
        ("Subject", "=?UTF-8?Q?Lee=2C_Zo=C3=AB?= <z@example.com>", "Lee, Zoë <z@example.com>"),
    ],
)
def test_words_do_not_alter_the_structure(name: str, value: str, text: str) -> None:
    """What an encoded word says is quoted where it would be taken for structure."""
    assert field_value(name, value) == text


WORDS = st.sampled_from(
    [
        "=?UTF-8?Q?a=2C_b?=",
        "=?utf-8?b?PGFAYi5leGFtcGxlPg==?=",
        "=?UTF-8?Q?=40?=",
        "a",
        "a@b.example",
        *" <>@,:;",
    ]
)


@given(st.lists(WORDS, max_size=12).map("".join))
@example("=?UTF-8?Q?a=2C_b?=>a@b.example")
def test_reading_keeps_the_addresses(value: str) -> None:
    """The text of a field names the same mailboxes as the field."""
    read = [box.addr_spec for box in read_addresses(field_value("Resent-To", value))]
    assert read == [box.addr_spec for box in read_addresses(value)]


@pytest.mark.parametrize("piece", ['"\\"', '\\"', "(", "=?a?q?", '"=?a?q?b?="', "=?a?q?b?= ", "="])
def test_reading_takes_linear_time(piece: str) -> None:
    """Long runs of what opens something and never closes it end too."""
    assert field_value("To", "=?utf-8?q?x?= " + piece * (1_000_000 // len(piece)))


# --- in a mail ------------------------------------------------------------------------------------


def composed(mail: Any, **options: Any) -> bytes:
    """Compose with a fixed clock and fixed ids, and SMTPUTF8 where it is needed."""
    numbers = itertools.count(1)
    now = datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc)
    return Composer(mail).compose(
        utf8=Composer(mail).needs_utf8, now=now, unique=lambda: f"ID{next(numbers)}", **options
    )


@pytest.mark.parametrize(
    ("octets", "field"),
    [
        (b"Resent-To: =?UTF-8?Q?Lee=2C_Zo=C3=AB?= <z@example.com>\n\nhi", None),
        (b"Message-ID: <a,b@example.com>\n\n", None),
        ("Message-ID: <x@ää.example>\n\nx".encode(), None),
        ("Content-ID: <ä@x.example>\nContent-Type: image/png\n\nx".encode(), None),
        ("From: x@ümlaut_x.example\n\n".encode(), None),
        (b"References: <a,b@example.com> <c@example.com>\n\n", None),
        (b"In-Reply-To: <a,b@example.com> <c@example.com>\n\n", None),
        (b"In-Reply-To: <a@example.com,> <b@example.com>\n\n", None),
        (b"From: root (Cron Daemon)\n\n", b"From: Cron Daemon <root>"),
        (b"List-Unsubscribe: <https://example.com/" + b"y" * 900 + b">\n\n", None),
        (b"List-Archive: <https://example.com/>\n\n", None),
        (b"To: nobody\n\n", None),
        (b"Cc: =?utf-8?q?A?= <ann@example.org=?utf-8?q?=C3=A4=2C?=>\n\n", None),
        (b"To: undisclosed-recipients:;\n\n", None),
    ],
)
def test_what_parsing_yields_composing_takes(octets: bytes, field: bytes | None) -> None:
    """A received field goes out as it was, and is read as it was once more."""
    mail: Any = mail_convert_from_mime(octets)
    again = composed(mail)
    expected = field or octets.partition(b"\n")[0]
    assert expected in again.replace(b"\r\n ", b" ")
    third: Any = mail_convert_from_mime(again)
    for key in ("from", "messageId", "references", "inReplyTo"):
        if key in mail:
            assert third[key] == mail[key]
    assert [item.cid for item in third["attachments"]] == [item.cid for item in mail["attachments"]]


def test_a_property_that_was_set_needs_no_smtputf8_any_more() -> None:
    """What a template's field needed does not matter once the property says something else."""
    mail = mail_convert_from_mime("From: ä@example.com\nMessage-ID: <ä@example.com>\n\n".encode())
    assert Composer(mail).needs_utf8
    assert not Composer({**mail, "from": "a@example.com", "messageId": "a@example.com"}).needs_utf8


@pytest.mark.parametrize("mode", MailMode)
def test_every_mode(mode: MailMode) -> None:
    """Names are written in the charset of the mode."""
    octets = header_field("Resent-To", "Zoë <z@example.com>", HeaderStyle(mode), "headers")
    assert mail_convert_from_mime(octets + b"\r\n")["headers"] == [
        {"name": "Resent-To", "value": "Zoë <z@example.com>"}
    ]
