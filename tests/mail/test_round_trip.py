"""Any mail object composes or raises MailError; what was composed is read back; reading never fails.

What may differ after composing and reading is written down in docs/explanation/mail.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.attachment import MailAttachment, mail_new_attachment
from pytest_smtp4d.mail.charset import MailMode
from pytest_smtp4d.mail.email import Email
from pytest_smtp4d.mail.parse import html_body_of, mail_convert_from_mime, text_body_of
from tests.mail.round_trip import BLANKS, assert_stable, check_lines, octets_of
from tests.profiles import share

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
HEADER_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=200)
SAMPLES = st.sampled_from(
    [
        "Grüße aus Köln",
        "Καλημέρα κόσμε",
        "日本語のテスト、ありがとうございます",
        "emoji 👩‍👩‍👧‍👦🇨🇭👍🏽 family",
        "שלום עולם and مرحبا",
        "e\u0301a\u0308 combining",
        "=?utf-8?q?looks_encoded?=",
        'quotes " and \\ backslash, comma; semicolon: (comment) <angle>',
    ]
)
LOCAL_PARTS = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_{|}~-]{1,20}(\.[a-z0-9]{1,10}){0,2}", fullmatch=True)
DOMAINS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,6}){1,2}", fullmatch=True)
ADDRESSES = st.builds("{}@{}".format, LOCAL_PARTS, DOMAINS)


def _named(name: str, email: str) -> dict[str, str | None]:
    """Return an address object as parsing gives it."""
    return {"name": " ".join(name.split(" ")).strip(BLANKS) or None, "email": email}


MAILBOXES = st.builds(_named, st.one_of(HEADER_TEXT, SAMPLES), ADDRESSES)
FILE_NAMES = st.one_of(HEADER_TEXT, SAMPLES).map(lambda name: name or "x.pdf")
ATTACHMENTS = st.builds(
    mail_new_attachment,
    st.binary(max_size=300),
    FILE_NAMES,
    st.sampled_from(["", "logo", "part1.06090408@example.com"]),
    st.sampled_from(["", "image/png", "text/plain", "application/x-y"]),
    st.sampled_from(["", "inline", "attachment"]),
)
MAILS = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(MAILBOXES, min_size=1, max_size=3),
        "sender": st.lists(MAILBOXES, min_size=1, max_size=1),
        "to": st.lists(MAILBOXES, min_size=1, max_size=5),
        "cc": st.lists(MAILBOXES, min_size=1, max_size=3),
        "replyTo": st.lists(MAILBOXES, min_size=1, max_size=2),
        "subject": st.one_of(HEADER_TEXT, SAMPLES),
        "comments": st.one_of(HEADER_TEXT, SAMPLES),
        "sendAt": st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001 - ISO text is made of it
            lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}".zfill(20)
        ),
        "textBody": st.one_of(ANY_TEXT, SAMPLES),
        "htmlBody": st.one_of(ANY_TEXT, SAMPLES),
        "attachments": st.lists(ATTACHMENTS, max_size=3),
        "headers": st.lists(
            st.builds(
                lambda name, value: {"name": f"X-{name}", "value": value},
                st.from_regex(r"[A-Za-z0-9-]{1,30}", fullmatch=True),
                st.one_of(HEADER_TEXT, SAMPLES),
            ),
            max_size=3,
        ),
    },
)
MODES = st.sampled_from([MailMode.UTF8, MailMode.UTF8_BASE64, MailMode.ISO2022JP])


def shows_as_text(attachment: MailAttachment) -> bool:
    """Tell whether readers show an attachment in the body (RFC 8621 4.1.4)."""
    return attachment.disposition == "inline" and attachment.type in ("text/plain", "text/html")


@given(MAILS, MODES, MODES, st.booleans(), st.booleans())
def test_compose_then_parse_gives_the_mail_back(
    mail: dict[str, Any], header_charset: MailMode, body_charset: MailMode, eightbit: bool, utf8: bool
) -> None:
    """Every property comes back as it was, in any mode."""
    octets = octets_of(
        mail, header_charset=header_charset, body_charset=body_charset, eightbit=eightbit, utf8=utf8
    )
    check_lines(octets, ascii_only=not utf8)
    parsed = mail_convert_from_mime(octets)
    for key in ("from", "sender", "to", "cc", "replyTo", "subject", "comments", "sendAt"):
        if key in mail and not (key == "sender" and "from" not in mail):
            assert parsed[key] == mail[key]
    own = [item for item in parsed["headers"] if item["name"].startswith("X-")]
    assert own == mail.get("headers", [])
    for key, body in (("textBody", text_body_of(parsed)), ("htmlBody", html_body_of(parsed))):
        if key in mail:
            assert body == mail[key].replace("\r\n", "\n").replace("\r", "\n")
    attachments = mail.get("attachments", [])
    if attachments and "textBody" not in mail and "htmlBody" not in mail and shows_as_text(attachments[0]):
        attachments = attachments[1:]  # the first part of the mail: readers show it as the body
    assert sorted(parsed["attachments"], key=hash) == sorted(attachments, key=hash)


@given(st.one_of(st.binary(max_size=2000), st.text(max_size=1000)))
def test_parsing_any_octets_returns(mime: bytes | str) -> None:
    """No octets and no text make parsing fail, and what it gives can be composed, always the same."""
    assert_stable(mime)


MIME_WORDS = (
    """\
Content-Type: multipart/mixed; boundary=x
Content-Type: multipart/alternative; boundary="y z"
Content-Type: multipart/digest; boundary=d
Content-Type: text/html; charset=utf-8
Content-Type: text/plain; charset=nonsense
Content-Type: text/plain; charset=utf-7
Content-Type: text/plain; charset=utf-16
Content-Type: text/plain; charset=unicode_escape
Content-Type: text/plain; charset=iso-2022-jp
Content-Type: message/rfc822
Content-Type: image/png; name=x
Content-Transfer-Encoding: base64
Content-Transfer-Encoding: quoted-printable
Content-Transfer-Encoding: x
Content-Disposition: attachment; filename*=utf-8''%C3%A4%0A
Content-Disposition: inline; filename="a
Content-ID: <c>
Content-Language: de, en
Content-Location: http://example.com/ä
--x
--x--
--y z
--y z--
--d
--d--
aGVsbG8=
aGVsbG8
a=C3=A4=
=ZZ
+2AA-
\x1b$B8l\x1b(B
Subject: =?utf-8?q?=E4?= =?x?b?!?=
Subject: \x01\x00
From: a@b, (c) <d@e>, "f
To: Team: a@b;
Reply-To:
Date: Sun, 13 Sep 2020 16:11:53 +0200
Date: x
Message-ID: <a@b>
References: <a@b> c
Keywords: a, "b, c"
Comments: x
Comments: y
MIME-Version: 1.0
From x
ä

 folded
\t
X: LONG
Message-ID: <a,b@c>
Message-ID: <ä@b>
References: <a,b@c> <"d e"@f>
From: x@ümlaut_x.example
From: root (Cron Daemon)
To: a@[999.1.1.1]
Resent-To: =?utf-8?q?Lee=2C_Zo=C3=AB?= <z@example.com>
List-Unsubscribe: <https://example.com/LONG>
Content-ID: <a,ä@b>
""".replace("/LONG", "/" + "y" * 900)
    .replace("LONG", "y" * 1200)
    .splitlines()
)


@share(1.5)
@given(st.lists(st.sampled_from(MIME_WORDS), max_size=30).map("\r\n".join), st.booleans())
@example("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * 2 + "--x", False)
@example("Content-Type: text/plain; charset=nonsense\r\n\r\nä", True)
@example("Content-Type: message/rfc822\r\n\r\nSubject: ä", False)
def test_parsing_mime_soup_returns(soup: str, as_text: bool) -> None:
    """The same for octets that look like mail."""
    assert_stable(soup if as_text else soup.encode("utf-8"))


def test_what_no_line_can_hold_is_refused() -> None:
    """An identifier of a received mail that is longer than a line may be is the one thing not taken."""
    mail = mail_convert_from_mime(f"Message-ID: <{'y' * 1200}@b>\r\n\r\n")
    with pytest.raises(MailError, match="headers: Message-ID cannot be folded into lines of 998 octets"):
        octets_of(mail)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=5) | ADDRESSES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = [*Email.__annotations__, "x"]


@share(1.5)
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5))
def test_any_object_composes_or_raises_mail_error(mail: dict[str, Any]) -> None:
    """A value of any shape under any key gives a message or a MailError, and nothing else."""
    try:
        octets = octets_of(mail, eightbit=False)
    except MailError:
        return
    check_lines(octets)


@pytest.mark.parametrize("mail", [None, 5, "text", b"octets", ["list"]])
def test_only_a_mapping_is_a_mail(mail: object) -> None:
    """What is no object at all is a programming error."""
    with pytest.raises(TypeError, match="a mail is an object"):
        octets_of(mail)
