from __future__ import annotations

import email
import email.policy
import itertools
from datetime import datetime, timezone
from email.message import EmailMessage
from typing import Any

import pytest

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.attachment import Disposition, MailAttachment, mail_new_attachment
from pytest_smtp4d.mail.compose import Composer
from pytest_smtp4d.mail.parse import mail_convert_from_mime

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc)


def octets_of(mail: Any, **options: Any) -> bytes:
    """Compose with a fixed clock and fixed ids."""
    numbers = itertools.count(1)
    return Composer(mail).compose(**{"now": NOW, "unique": lambda: f"ID{next(numbers)}", **options})


def read(mail: Any, **options: Any) -> EmailMessage:
    """Compose, and read with the standard library."""
    return email.message_from_bytes(octets_of(mail, **options), policy=email.policy.default)


def shape(message: Any) -> Any:
    """Return the tree of media types, and of what leaves are called."""
    if message.is_multipart() and message.get_content_maintype() == "multipart":
        return (message.get_content_subtype(), [shape(part) for part in message.iter_parts()])
    return message.get_filename() or message.get_content_type()


PDF = mail_new_attachment(b"pdf", "a.pdf")
LOGO = mail_new_attachment(b"png", "logo.png", "logo")
PHOTO = mail_new_attachment(b"jpg", "photo.jpg", "photo")
LOOSE = mail_new_attachment(b"gif", "loose.gif", disposition="inline")
NAMED = mail_new_attachment(b"gif", "named.gif", "cid", disposition="attachment")


@pytest.mark.parametrize(
    ("mail", "tree"),
    [
        ({}, "text/plain"),
        ({"textBody": "t"}, "text/plain"),
        ({"htmlBody": "h"}, "text/html"),
        ({"textBody": "t", "htmlBody": "h"}, ("alternative", ["text/plain", "text/html"])),
        ({"textBody": "t", "attachments": []}, "text/plain"),
        ({"textBody": "t", "attachments": [PDF]}, ("mixed", ["text/plain", "a.pdf"])),
        ({"attachments": [PDF]}, ("mixed", ["a.pdf"])),
        (
            {"textBody": "t", "htmlBody": "h", "attachments": [PDF]},
            ("mixed", [("alternative", ["text/plain", "text/html"]), "a.pdf"]),
        ),
        ({"htmlBody": "h", "attachments": [LOGO]}, ("related", ["text/html", "logo.png"])),
        (
            {"textBody": "t", "htmlBody": "h", "attachments": [LOGO, PDF, PHOTO]},
            (
                "mixed",
                [
                    ("alternative", ["text/plain", ("related", ["text/html", "logo.png", "photo.jpg"])]),
                    "a.pdf",
                ],
            ),
        ),
        ({"textBody": "t", "attachments": [LOGO]}, ("mixed", ["text/plain", "logo.png"])),
        (
            {"htmlBody": "h", "attachments": [LOOSE, NAMED]},
            ("mixed", ["text/html", "loose.gif", "named.gif"]),
        ),
    ],
)
def test_the_tree(mail: Any, tree: Any) -> None:
    """E10, E14: alternatives, pictures around the HTML, attachments around all; no more than needed."""
    assert shape(read(mail)) == tree


def test_equal_attachments_stay_two() -> None:
    """The same attachment twice is written twice, each time where it belongs."""
    assert shape(read({"htmlBody": "h", "attachments": [LOGO, LOGO, PDF, PDF]})) == (
        "mixed",
        [("related", ["text/html", "logo.png", "logo.png"]), "a.pdf", "a.pdf"],
    )


def test_related_names_its_root() -> None:
    """A related part says what type its root has (RFC 2387 3.1), and pictures carry their cid."""
    message = read({"htmlBody": '<img src="cid:logo">', "attachments": [LOGO]})
    assert message["Content-Type"].params["type"] == "text/html"
    picture = list(message.iter_parts())[1]
    assert picture["Content-ID"] == "<logo>"
    assert picture.get_content_disposition() == "inline"
    assert picture.get_content() == b"png"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("a b.pdf", ['name="a b.pdf"', 'filename="a b.pdf"']),
        ('q"uo\\te.pdf', ['filename="q\\"uo\\\\te.pdf"']),
        ("naïve.pdf", ['name="naive.pdf"', "filename*=UTF-8''na%C3%AFve.pdf"]),
        ("日本.pdf", ['name="__.pdf"', "filename*=UTF-8''%E6%97%A5%E6%9C%AC.pdf"]),
        ("x" * 80 + ".pdf", ['filename*0="xxx', "filename*1="]),
        ("日本" * 20 + ".pdf", ["filename*0*=UTF-8''%E6%97%A5", "filename*1*=%"]),
        ("=?utf-8?q?x?=", ["filename*=UTF-8''%3D%3Futf-8%3Fq%3Fx%3F%3D"]),
    ],
)
def test_file_names(name: str, parameters: list[str]) -> None:
    """RFC 2231 where it must be, an ASCII name where old readers look; never an encoded word in quotes."""
    octets = octets_of({"attachments": [mail_new_attachment(b"x", name)]}).decode("ascii")
    for parameter in parameters:
        assert parameter in octets
    assert '"=?' not in octets
    assert max(map(len, octets.split("\r\n"))) <= 76
    [attachment] = mail_convert_from_mime(octets)["attachments"]
    assert attachment.name == name


def test_a_name_without_a_disposition() -> None:
    """A part that has a name and no disposition keeps both: RFC 2231 in Content-Type."""
    octets = octets_of({"bodyStructure": leaf("1", name="näme"), "bodyValues": {"1": {"value": "x"}}})
    assert b"name*=UTF-8''n%C3%A4me" in octets
    assert b"Content-Disposition" not in octets
    assert mail_convert_from_mime(octets)["bodyStructure"]["name"] == "näme"


@pytest.mark.parametrize(
    ("mode", "written"),
    [
        ("ISO-8859-1", "filename*=ISO-8859-1''na%EFve.pdf"),
        ("US-ASCII_UTF8_B64", "filename*=UTF-8''na%C3%AFve.pdf"),
        ("US-ASCII_ISO-2022-JP_UTF8_QP", "filename*=UTF-8''na%C3%AFve.pdf"),
    ],
)
def test_file_names_obey_the_header_mode(mode: str, written: str) -> None:
    """The charset of a file name is the header's."""
    mail = {"attachments": [mail_new_attachment(b"x", "naïve.pdf")]}
    assert written in octets_of(mail, header_charset=mode).decode("ascii")
    japanese = {"attachments": [mail_new_attachment(b"x", "日本.pdf")]}
    if mode.startswith("US-ASCII_ISO"):
        octets = octets_of(japanese, header_charset=mode)
        assert b"filename*=ISO-2022-JP''%1B$BF|K%5C%1B%28B.pdf" in octets
        assert mail_convert_from_mime(octets)["attachments"][0].name == "日本.pdf"


@pytest.mark.parametrize("mode", ["US-ASCII_UTF8_QP", "US-ASCII_ISO-2022-JP_UTF8_QP", "ISO-8859-1"])
def test_long_file_names_are_read_by_the_standard_library(mode: str) -> None:
    """Each section of a long name can be decoded alone, as some readers do, shift states or not."""
    name = ("é" if mode == "ISO-8859-1" else "日本") * 40 + ".pdf"
    message = read({"attachments": [mail_new_attachment(b"x", name)]}, header_charset=mode)
    assert [part.get_filename() for part in message.iter_attachments()] == [name]


@pytest.mark.parametrize(
    ("octets", "eightbit", "written"),
    [
        (b"Subject: x\n\nbody\n", False, ("message/rfc822", "7bit")),
        (b"Subject: x\r\n\r\nb\xc3\xb6dy", True, ("message/rfc822", "8bit")),
        (b"Subject: x\r\n\r\nb\xc3\xb6dy", False, ("message/global", "base64")),
        (b"Subject: x\r\n\r\n" + b"x" * 999, True, ("message/global", "base64")),
    ],
)
def test_messages_in_messages(octets: bytes, eightbit: bool, written: tuple[str, str]) -> None:
    """A message/rfc822 is never encoded (RFC 2046 5.2.1): where it had to be, it is a message/global."""
    mail = {
        "textBody": "see",
        "attachments": [mail_new_attachment(octets, "mail.eml", type="message/rfc822")],
    }
    composed = octets_of(mail, eightbit=eightbit)
    media_type, encoding = written
    assert (
        f'Content-Type: {media_type}; name="mail.eml"\r\nContent-Transfer-Encoding: {encoding}\r\n'.encode()
        in composed
    )
    [attachment] = mail_convert_from_mime(composed)["attachments"]
    assert attachment.get_content().replace(b"\r\n", b"\n") == octets.replace(b"\r\n", b"\n")


# --- bodyStructure and bodyValues -----------------------------------------------------------------


def leaf(part_id: str, **more: Any) -> dict[str, Any]:
    """Return the description of a text part."""
    return {"partId": part_id, "type": "text/plain", **more}


def test_the_documented_shape() -> None:
    """E12, E13: 4D's own sample: a mixed with a text and an HTML, `partID` and `partId` alike."""
    mail = {
        "bodyStructure": {
            "type": "multipart/mixed",
            "subParts": [leaf("p0001", charset="utf-8"), {"partID": "p0002", "type": "text/html"}],
        },
        "bodyValues": {
            "p0001": {"value": "Grüße", "isEncodingProblem": False},
            "p0002": {"value": "<b>x</b>"},
        },
    }
    message = read(mail)
    assert shape(message) == ("mixed", ["text/plain", "text/html"])
    assert [part.get_content() for part in message.iter_parts()] == ["Grüße", "<b>x</b>"]


def test_a_part_with_everything() -> None:
    """E12: each documented property of a part is its field."""
    part = leaf(
        "1",
        charset="iso-8859-1",
        disposition="inline",
        name="näme.txt",
        cid="part@example.com",
        language=["de", "en"],
        location="http://example.com/a",
        headers=[
            {"name": "Content-Type", "value": "text/plain; format=flowed; delsp=yes"},
            {"name": "X-Part", "value": "yes"},
            {"name": "Content-Description", "value": "Grüße"},
            {"name": "Content-MD5", "value": "old"},
        ],
    )
    octets = octets_of({"bodyStructure": part, "bodyValues": {"1": {"value": "für"}}}).decode("ascii")
    for field in (
        'Content-Type: text/plain; charset="iso-8859-1"; name="name.txt";\r\n',
        ' format="flowed"; delsp="yes"\r\n',
        "Content-Transfer-Encoding: quoted-printable\r\n",
        "Content-Disposition: inline; filename*=UTF-8''n%C3%A4me.txt\r\n",
        "Content-ID: <part@example.com>\r\n",
        "Content-Language: de, en\r\n",
        "Content-Location: http://example.com/a\r\n",
        "X-Part: yes\r\n",
        "Content-Description: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n",
        "\r\n\r\nf=FCr\r\n",
    ):
        assert field in octets
    assert "MD5" not in octets


@pytest.mark.parametrize(
    ("charset", "problem", "label"),
    [("windows-1252", False, "windows-1252"), ("ascii", False, "UTF-8"), ("x-none", True, "UTF-8")],
)
def test_the_charset_of_a_part_is_kept_where_it_can_be(charset: str, problem: bool, label: str) -> None:
    """A charset that cannot hold the text, or that was a problem when parsed, gives way to the mode."""
    value = {"value": "12 €", "isEncodingProblem": problem}
    octets = octets_of({"bodyStructure": leaf("1", charset=charset), "bodyValues": {"1": value}})
    assert f'charset="{label}"'.encode() in octets


def test_any_depth() -> None:
    """A tree of three thousand levels is composed and read back: depth costs nothing but its own octets."""
    part: dict[str, Any] = leaf("deep")
    for _ in range(3000):
        part = {"type": "multipart/mixed", "subParts": [part]}
    octets = octets_of({"bodyStructure": part, "bodyValues": {"deep": {"value": "found"}}})
    mail: Any = mail_convert_from_mime(octets)
    assert mail["bodyValues"] == {"p0001": {"value": "found", "isEncodingProblem": False}}
    depth, part = 0, mail["bodyStructure"]
    while "subParts" in part:
        depth, [part] = depth + 1, part["subParts"]
    assert (depth, part["partId"]) == (3000, "p0001")


def test_values_of_other_types_are_utf8() -> None:
    """A value may stand for a part that is no text: its UTF-8 octets."""
    part = {"type": "multipart/mixed", "subParts": [leaf("1"), {"partId": "2", "type": "application/json"}]}
    message = read({"bodyStructure": part, "bodyValues": {"1": {"value": "x"}, "2": {"value": '{"ü": 1}'}}})
    assert list(message.iter_parts())[1].get_content() == '{"ü": 1}'.encode()


def test_a_leaf_finds_its_attachment_by_cid() -> None:
    """A leaf of a structure written by hand is filled by the attachment with its cid."""
    part = {
        "type": "multipart/related",
        "subParts": [
            {"partId": "1", "type": "text/html"},
            {"partId": "2", "type": "image/png", "cid": "logo", "name": "logo.png"},
        ],
    }
    mail = {"bodyStructure": part, "bodyValues": {"1": {"value": "h"}}, "attachments": [LOGO, PDF]}
    message = read(mail)
    assert shape(message) == ("mixed", [("related", ["text/html", "logo.png"]), "a.pdf"])


SOURCE = octets_of(
    {
        "from": "a@example.com",
        "to": "template@example.com",
        "subject": "Template",
        "textBody": "Dear customer",
        "htmlBody": '<img src="cid:logo">',
        "attachments": [LOGO, PDF],
    }
)


def test_a_template_is_loaded_changed_and_sent() -> None:
    """F4: load MIME, set `to` and `subject`, send; all else survives, pictures in their places."""
    mail: Any = mail_convert_from_mime(SOURCE)
    mail["to"] = "ann@example.org;bob@example.org"
    mail["subject"] = "Für Sie"
    message = read(mail)
    assert [address.addr_spec for address in message["To"].addresses] == [
        "ann@example.org",
        "bob@example.org",
    ]
    assert message["Subject"] == "Für Sie"
    assert message["From"] == "a@example.com"
    assert len(message.get_all("To", [])) == len(message.get_all("Subject", [])) == 1
    assert shape(message) == (
        "mixed",
        [("alternative", ["text/plain", ("related", ["text/html", "logo.png"])]), "a.pdf"],
    )
    assert b"template@example.com" not in octets_of(mail)


@pytest.mark.parametrize(
    ("change", "tree"),
    [
        (
            lambda attachments: attachments[:1],
            [("alternative", ["text/plain", ("related", ["text/html", "logo.png"])])],
        ),
        (
            lambda attachments: attachments[1:],
            [("alternative", ["text/plain", ("related", ["text/html"])]), "a.pdf"],
        ),
        (lambda _: [], [("alternative", ["text/plain", ("related", ["text/html"])])]),
        (
            lambda attachments: [*attachments, mail_new_attachment(b"", "new.pdf")],
            [("alternative", ["text/plain", ("related", ["text/html", "logo.png"])]), "a.pdf", "new.pdf"],
        ),
    ],
)
def test_attachments_of_a_parsed_mail_can_be_changed(change: Any, tree: Any) -> None:
    """What is taken out of `attachments` is not sent, what is added is: the list is the truth."""
    mail: Any = mail_convert_from_mime(SOURCE)
    mail["attachments"] = change(mail["attachments"])
    assert shape(read(mail)) == ("mixed", tree)


def test_attachments_of_two_mails_are_not_confused() -> None:
    """Part ids are those of one mail: an attachment taken from another never stands in for one of this."""
    mail: Any = mail_convert_from_mime(SOURCE)
    other = octets_of(
        {"textBody": "t", "htmlBody": "h", "attachments": [PHOTO, mail_new_attachment(b"b", "b.pdf")]}
    )
    mail["attachments"] = [*mail_convert_from_mime(other)["attachments"], *mail["attachments"]]
    message = read(mail)
    assert shape(message) == (
        "mixed",
        [
            ("alternative", ["text/plain", ("related", ["text/html", "logo.png"])]),
            "a.pdf",
            "photo.jpg",
            "b.pdf",
        ],
    )
    assert [item.get_content() for item in mail_convert_from_mime(octets_of(mail))["attachments"]] == [
        b"png",
        b"pdf",
        b"jpg",
        b"b",
    ]


def test_a_mail_left_with_nothing_has_an_empty_text() -> None:
    """A mail that was one attachment, taken out, is an empty text."""
    mail: Any = mail_convert_from_mime(
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n"
    )
    assert [item.get_content() for item in mail["attachments"]] == [b"x"]
    mail["attachments"] = []
    assert shape(read(mail)) == "text/plain"


@pytest.mark.parametrize(
    ("structure", "values", "words"),
    [
        (
            {"partId": "1"},
            {"1": {"value": ""}},
            "bodyStructure.type must be a media type such as 'text/plain', not None",
        ),
        (leaf("1", type="text"), {}, "bodyStructure.type must be a media type"),
        (leaf("1", type="text/plain; charset=utf-8"), {}, "bodyStructure.type must be a media type"),
        (leaf("1", typ="x"), {}, "bodyStructure has no property 'typ' (did you mean 'type'?)"),
        (leaf("1", charset=5), {}, "bodyStructure.charset must not be int: 5"),
        (leaf("1", charset="utf-9"), {"1": {"value": "x"}}, "charset 'utf-9' does not exist"),
        (leaf("1", disposition="in line"), {"1": {"value": "x"}}, "bodyStructure.disposition must be"),
        (leaf("1", language=[5]), {"1": {"value": "x"}}, "bodyStructure.language must list language tags"),
        (leaf("1", cid="a b"), {"1": {"value": "x"}}, "bodyStructure.cid must be one message identifier"),
        (leaf("1", location="a\r\nb"), {"1": {"value": "x"}}, "bodyStructure.location: CR, LF and NUL"),
        (leaf("1", name="a\nb"), {"1": {"value": "x"}}, "bodyStructure: CR, LF and NUL"),
        (leaf("1", subParts=[leaf("2")]), {}, "a part of type 'text/plain' cannot have subParts"),
        ({"type": "multipart/mixed"}, {}, "a part of type 'multipart/mixed' needs subParts"),
        ({"type": "multipart/mixed", "subParts": []}, {}, "needs subParts"),
        ({"type": "multipart/mixed", "subParts": ["x"]}, {}, "bodyStructure.subParts[0] must be an object"),
        (
            {"type": "multipart/mixed", "subParts": [leaf("1"), leaf("2", x=1)]},
            {"1": {"value": ""}},
            "bodyStructure.subParts[1] has no property 'x'",
        ),
        (leaf("1"), {}, "bodyStructure: neither bodyValues nor attachments has content for the part '1'"),
        (leaf("1"), {"1": "text"}, "bodyValues['1'] must be an object with text as its 'value', not 'text'"),
        (leaf("1"), {"1": {"value": b"x"}}, "bodyValues['1'] must be an object with text"),
        (leaf("1"), {"1": {"value": "x", "valu": 1}}, "bodyValues['1'] has no property 'valu'"),
        (leaf("1"), {1: {"value": "x"}}, "bodyValues[1] must be"),
        (leaf("1"), {"1": {"value": "\ud800"}}, "bodyStructure in bodyValues: '\\ud800'"),
    ],
)
def test_structures_that_cannot_be(structure: Any, values: Any, words: str) -> None:
    """E12: what cannot be is a MailError with the path of the part."""
    with pytest.raises(MailError) as caught:
        octets_of({"bodyStructure": structure, "bodyValues": values})
    assert words in str(caught.value)


def test_an_attachment_without_a_name() -> None:
    """A parsed attachment need not have a name, and none is invented when it is sent on elsewhere."""
    nameless = MailAttachment(name="", type="image/png", disposition=PDF.disposition, content=b"x")
    [attachment] = mail_convert_from_mime(octets_of({"textBody": "t", "attachments": [nameless]}))[
        "attachments"
    ]
    assert (attachment.name, attachment.get_content()) == ("", b"x")


def test_the_size_of_a_parsed_attachment_is_kept() -> None:
    """A8: what a part said of its size is said again when its attachment is sent on elsewhere."""
    parsed = mail_convert_from_mime(b"Content-Disposition: attachment; filename=a.bin; size=7\r\n\r\nx")
    octets = octets_of({"textBody": "t", "attachments": parsed["attachments"]})
    assert b'Content-Disposition: attachment; filename="a.bin"; size="7"\r\n' in octets


def test_absent_parts_of_a_structure() -> None:
    """None is absent in bodyValues too; an attached text may be missing, one of the body may not."""
    part = {
        "type": "multipart/mixed",
        "subParts": [leaf("1"), leaf("2", name="notes.txt"), leaf("3", disposition="attachment")],
    }
    mail = {"bodyStructure": part, "bodyValues": {"1": {"value": "x"}, "2": None}, "attachments": []}
    assert shape(read(mail)) == ("mixed", ["text/plain"])
    with pytest.raises(MailError, match="has content for the part '1'"):
        octets_of({**mail, "bodyValues": {"1": None}})


def test_a_disposition_without_a_name() -> None:
    """A disposition need not name a file."""
    octets = octets_of(
        {"bodyStructure": leaf("1", disposition="inline"), "bodyValues": {"1": {"value": "x"}}}
    )
    assert b"Content-Disposition: inline\r\n" in octets


def test_parameters_of_an_attachments_type() -> None:
    """They are written in Content-Type, beside the name and under no name twice."""
    message = read(
        {
            "attachments": [
                mail_new_attachment(b"\xe4", "a.csv", type="text/csv; charset=iso-8859-1; header=present"),
                mail_new_attachment(
                    b"x", "ä.ics", type='text/calendar;method=REQUEST; NAME=x; note="a \\"b; c"'
                ),
                mail_new_attachment(b"Subject: x\r\n", "m.eml", type="message/rfc822; charset=us-ascii"),
            ]
        }
    )
    csv, invitation, inner = message.iter_parts()
    assert csv["Content-Type"] == 'text/csv; charset="iso-8859-1"; header="present"; name="a.csv"'
    assert csv.get_content() == "ä"
    assert dict(invitation["Content-Type"].params) == {
        "method": "REQUEST",
        "note": 'a "b; c',
        "name": "a.ics",
    }
    assert invitation.get_filename() == "ä.ics"
    assert inner["Content-Transfer-Encoding"] == "7bit"


def test_a_parsed_attachment_keeps_its_parameters_in_another_mail() -> None:
    """Its charset and its method are there where it is sent on without the structure it came from."""
    attachments = [
        mail_new_attachment(b"\xe4", "a.csv", type="text/csv; charset=iso-8859-1"),
        mail_new_attachment(b"x", "i.ics", type="text/calendar; method=REQUEST"),
    ]
    parsed = mail_convert_from_mime(octets_of({"attachments": attachments}))
    assert [item.type for item in parsed["attachments"]] == ["text/csv", "text/calendar"]
    assert parsed["attachments"] == attachments
    csv, invitation = read({"attachments": parsed["attachments"]}).iter_parts()
    assert csv["Content-Type"] == 'text/csv; charset="iso-8859-1"; name="a.csv"'
    assert invitation["Content-Type"] == 'text/calendar; method="REQUEST"; name="i.ics"'


@pytest.mark.parametrize(
    "mail",
    [
        {"attachments": [MailAttachment("x", "image/png", Disposition.INLINE, "a b")]},
        {
            "bodyStructure": {"type": "text/plain", "partId": "1", "cid": "a b"},
            "bodyValues": {"1": {"value": ""}},
        },
    ],
)
def test_a_cid_is_never_two(mail: Any) -> None:
    """A blank is an error that names the cid; a comma is part of it."""
    with pytest.raises(MailError, match=r"cid must be one message identifier, not 2: 'a b'"):
        octets_of(mail)
    mail = {"htmlBody": "x", "attachments": [mail_new_attachment(b"x", "l.png", "a,b@example.com")]}
    assert b"Content-ID: <a,b@example.com>\r\n" in octets_of(mail)


def test_fields_of_parts_by_their_structure() -> None:
    """Identifiers and locations are never encoded words, and Content-... is there once."""
    part = {
        "type": "text/html",
        "partId": "1",
        "location": "https://example.com/ü?" + "y" * 950,
        "headers": [
            {"name": "Content-ID", "value": "<one@example.com>"},
            {"name": "Content-Id", "value": "<two@example.com>"},
            {"name": "Content-Description", "value": "ä"},
            {"name": "X-Own", "value": "1"},
            {"name": "X-Own", "value": "2"},
        ],
    }
    mail = {
        "bodyStructure": {"type": "multipart/mixed", "subParts": [part]},
        "bodyValues": {"1": {"value": "x"}},
    }
    octets = octets_of(mail)
    assert b" https://example.com/%C3%BC?yyy" in octets
    assert b"Content-ID: <one@example.com>\r\n" in octets
    assert b"two@" not in octets
    assert b"Content-Description: =?UTF-8?Q?=C3=A4?=\r\n" in octets
    assert b"X-Own: 1\r\nX-Own: 2\r\n" in octets
