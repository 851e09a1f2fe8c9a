from __future__ import annotations

from typing import Any

import pytest

from pytest_smtp4d.mail.charset import MailMode, ModeName
from pytest_smtp4d.mail.compose import mail_convert_to_mime
from pytest_smtp4d.mail.incoming import IncomingMail
from pytest_smtp4d.mail.parse import html_body_of, mail_convert_from_mime, text_body_of


def parse(*lines: str) -> Any:
    """Parse lines as octets with CRLF line ends."""
    return mail_convert_from_mime("\r\n".join(lines).encode("utf-8"))


def test_the_shape() -> None:
    """E13, F2: a mail as JMAP shapes it: addresses as lists, identifiers bare, a leaf with a partId."""
    mail = parse(
        "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.com>",
        'To: a@example.com, "Doe, John" <j@example.com>',
        "Cc: Team: c@example.com, d@example.com;",
        "Subject: =?iso-8859-1?q?Gr=FC=DFe?= an",
        " alle",
        "Date: Sun, 13 Sep 2020 16:11:53 +0200",
        "Message-ID: <m@example.com>",
        "In-Reply-To: <x@example.com>\t<y@example.com>",
        "References: <x@example.com>",
        "\t<y@example.com>",
        'Keywords: one, "two, three"',
        "Comments: hm",
        "X-Other: =?utf-8?b?w6Q=?=",
        "",
        "Hello",
    )
    headers = mail.pop("headers")
    assert mail == {
        "from": [{"name": "Jörg", "email": "joerg@example.com"}],
        "to": [{"name": None, "email": "a@example.com"}, {"name": "Doe, John", "email": "j@example.com"}],
        "cc": [{"name": None, "email": "c@example.com"}, {"name": None, "email": "d@example.com"}],
        "subject": "Grüße an alle",
        "sendAt": "2020-09-13T14:11:53Z",
        "messageId": "m@example.com",
        "inReplyTo": "x@example.com y@example.com",
        "references": ["x@example.com", "y@example.com"],
        "keywords": {"one": True, "two, three": True},
        "comments": "hm",
        "bodyStructure": {"type": "text/plain", "partId": "p0001"},
        "bodyValues": {"p0001": {"value": "Hello", "isEncodingProblem": False}},
        "attachments": [],
    }
    assert [item["name"] for item in headers] == [
        "From",
        "To",
        "Cc",
        "Subject",
        "Date",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Keywords",
        "Comments",
        "X-Other",
    ]
    assert headers[3] == {"name": "Subject", "value": "Grüße an alle"}
    assert headers[-1] == {"name": "X-Other", "value": "ä"}


@pytest.mark.parametrize(
    ("lines", "value", "problem"),
    [
        (["", "a", "b"], "a\nb", False),
        (["", "a", ""], "a", False),
        (["", "a", "", ""], "a\n", False),
        (
            [
                "Content-Type: text/plain; charset=iso-8859-1",
                "Content-Transfer-Encoding: quoted-printable",
                "",
                "=E4",
            ],
            "ä",
            False,
        ),
        (
            ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", "w6Q="],
            "ä",
            False,
        ),
        (
            ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: BASE64 ", "", "w6 Q", ""],
            "ä",
            False,
        ),
        (
            ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", "w6Q"],
            "ä",
            False,
        ),
        (["Content-Transfer-Encoding: base64", "", "YWJj*ZGVm"], "abcdef", True),
        (["Content-Transfer-Encoding: base64", "", "YWJjZ"], "abc", True),
        (["Content-Transfer-Encoding: quoted-printable", "", "a=ZZb=", ""], "a=ZZb", True),
        (["Content-Transfer-Encoding: quoted-printable", "", "a= ", "b=0Ac", ""], "ab\nc", False),
        (["Content-Type: text/plain; charset=nonsense", "", "abc"], "abc", True),
        (["Content-Transfer-Encoding: x-none", "", "abc"], "abc", True),
        (["Content-Type: text/plain", "", "ä"], "ä", True),
        (["Content-Type: text/plain; charset=utf-8", "", "ä"], "ä", False),
        (["Content-Type: text", "", "x"], "x", False),
        (["Content-Type: text/plain; charset=us-ascii (Plain text)", "", "x"], "x", False),
        (["Content-Transfer-Encoding: base64 (of course)", "", "eA=="], "x", False),
        (["Content-Type: multipart/mixed; boundary=x", "", "no part"], "no part", True),
        (["Content-Type: multipart/mixed", "", "--x", "", "y"], "--x\n\ny", True),
        ([], "", False),
        (["Subject: only a header"], "", False),
        (["not a header", "Subject: x", "", "y"], "not a header\nSubject: x\n\ny", False),
        (
            ["Subject: x", "From: a@example.com", "no empty line", "y"],
            "no empty line\ny",
            False,
        ),
    ],
)
def test_one_text(lines: list[str], value: str, problem: bool) -> None:
    """A text is decoded as far as it goes, its problems are said; the last line end is the transport's."""
    assert parse(*lines)["bodyValues"] == {"p0001": {"value": value, "isEncodingProblem": problem}}


def test_line_ends() -> None:
    """LF and CRLF are read alike, in the header and the body, and texts have LF."""
    octets = (
        b"Subject: a\r\n b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nc\r\nd\r\n--x--\r\n"
    )
    mixed = octets.replace(b"b\r\n", b"b\n").replace(b"c\r\n", b"c\r")
    for variant in (octets, octets.replace(b"\r\n", b"\n"), mixed):
        mail: Any = mail_convert_from_mime(variant)
        assert (mail["subject"], mail["bodyValues"]["p0001"]["value"]) == ("a b", "c\nd")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_text_is_taken_as_it_is(newline: str) -> None:
    """F1: decoded text keeps its characters, whatever charset its parts once had."""
    text = newline.join(
        [
            "Subject: Grüße 日本",
            "Content-Type: text/plain; charset=iso-8859-1",
            "Content-Transfer-Encoding: 8bit",
            "",
            "für 日本",
        ]
    )
    mail: Any = mail_convert_from_mime(text)
    assert mail["subject"] == "Grüße 日本"
    assert mail["bodyValues"]["p0001"] == {"value": "für 日本", "isEncodingProblem": False}


@pytest.mark.parametrize("mode", [mode.value for mode in MailMode])
def test_what_convert_to_mime_gives_is_read_back_as_text(mode: ModeName) -> None:
    """The text that `mail_convert_to_mime` returns can be given to `mail_convert_from_mime` as it is."""
    text = "déjà vu" if mode == "ISO-8859-1" else "日本語"
    mime = mail_convert_to_mime(
        {"subject": text, "textBody": text}, {"headerCharset": mode, "bodyCharset": mode}
    )
    mail: Any = mail_convert_from_mime(mime)
    assert (mail["subject"], text_body_of(mail)) == (text, text)


def test_surrogates_of_a_reader_are_octets() -> None:
    """Text that was read with `surrogateescape` gives the octets that it was."""
    text = b"Content-Type: text/plain; charset=iso-8859-1\n\nf\xfcr".decode("utf-8", "surrogateescape")
    assert text_body_of(mail_convert_from_mime(text)) == "f\ufffdr"
    assert mail_convert_from_mime("\ud800")["bodyValues"]["p0001"]["value"] == "?"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_octets_of_any_kind(kind: Any) -> None:
    """F1: bytes, bytearray and memoryview are octets."""
    assert mail_convert_from_mime(kind(b"Subject: x\n\ny"))["subject"] == "x"


@pytest.mark.parametrize("mime", [None, 5, ["x"], {}])
def test_anything_else_is_a_type_error(mime: Any) -> None:
    """Neither octets nor text is a programming error."""
    with pytest.raises(TypeError, match="MIME is octets or text, not"):
        mail_convert_from_mime(mime)


MULTIPART = """\
Content-Type: multipart/mixed; boundary="a b"

preamble
--a b
Content-Type: multipart/alternative; boundary=inner

--inner

text
--inner
Content-Type: multipart/related; boundary=rel

--rel
Content-Type: text/html; charset=us-ascii

<p>html</p>
--rel
Content-Type: image/png; name="logo.png"
Content-ID: <logo@example.com>
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--rel--
--inner--
epilogue
--a b\x20\x20
Content-Type: text/plain
Content-Disposition: attachment; filename="notes.txt"; size=5

notes
--a b
Content-Type: text/plain; name="second.txt"

named
--a b

footer
--a b
Content-Type: message/rfc822

Subject: inner
Content-Type: multipart/mixed; boundary=x

--x

deep
--x--
--a b--
epilogue
"""


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_a_tree(newline: str) -> None:
    """Bodies, pictures and attachments are told apart as RFC 8621 says; a message inside stays one leaf."""
    mail: Any = mail_convert_from_mime(MULTIPART.replace("\n", newline).encode())

    def shape(part: Any) -> Any:
        return (
            [shape(child) for child in part["subParts"]]
            if "subParts" in part
            else (part["partId"], part["type"])
        )

    assert shape(mail["bodyStructure"]) == [
        [("p0001", "text/plain"), [("p0002", "text/html"), ("p0003", "image/png")]],
        ("p0004", "text/plain"),
        ("p0005", "text/plain"),
        ("p0006", "text/plain"),
        ("p0007", "message/rfc822"),
    ]
    assert {key: value["value"] for key, value in mail["bodyValues"].items()} == {
        "p0001": "text",
        "p0002": "<p>html</p>",
        "p0006": "footer",
    }
    logo, notes, second, inner = mail["attachments"]
    assert (logo.name, logo.cid, logo.disposition, logo.part_id) == (
        "logo.png",
        "logo@example.com",
        "inline",
        "p0003",
    )
    assert logo.get_content() == logo.get_content() == b"\x89PNG\r\n\x1a\n"
    assert (notes.name, notes.disposition, notes.size, notes.get_content()) == (
        "notes.txt",
        "attachment",
        5,
        b"notes",
    )
    assert (second.name, second.get_content()) == ("second.txt", b"named")
    assert inner.get_content().splitlines()[0] == b"Subject: inner"
    assert inner.get_content().splitlines()[-1] == b"--x--"
    assert (text_body_of(mail), html_body_of(mail)) == ("text\nfooter", "<p>html</p>")


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        (["--x", "", "a", "--x", "", "b"], ["a", "b"]),
        (["--x", "", "a", "--x-", "--xy", " --x", "--x--"], ["a\n--x-\n--xy\n --x"]),
        (["--x", "--x", "", "a", "--x--"], ["", "a"]),
        (["--x", "X: y", "--x", "", "a"], ["", "a"]),
        (["--x", "", "--x--", "--x", "", "late"], [""]),
        (
            ["--x", "Content-Type: multipart/mixed; boundary=y", "", "--y", "", "a", "--x", "", "b", "--x--"],
            ["a", "b"],
        ),
        (
            ["--x", "Content-Type: multipart/mixed; boundary=x", "", "--x", "", "a", "--x--", "--x", "", "b"],
            ["a", "b"],
        ),
        (["--x", "Content-Type: multipart/mixed; boundary=y", "", "no y", "--x", "", "b"], ["no y", "b"]),
        (["--x", "not a field", "", "a", "--x--"], ["not a field\n\na"]),
        (["--x", "", "a" + "b" * 3000, "--" + "x" * 3000, "--x--"], ["a" + "b" * 3000 + "\n--" + "x" * 3000]),
    ],
)
def test_delimiters(lines: list[str], texts: list[str]) -> None:
    """A delimiter is a whole line; an outer one ends what is open inside, the end of the mail all."""
    mail = parse("Content-Type: multipart/mixed; boundary=x", "", *lines)
    assert [value["value"] for value in mail["bodyValues"].values()] == texts


def test_digest_parts_are_messages() -> None:
    """Inside a digest the default type is message/rfc822 (RFC 2046 5.1.5)."""
    mail = parse("Content-Type: multipart/digest; boundary=x", "", "--x", "", "Subject: a", "", "b", "--x--")
    assert [(item.type, item.get_content()) for item in mail["attachments"]] == [
        ("message/rfc822", b"Subject: a\r\n\r\nb")
    ]


def test_many_parts() -> None:
    """Part ids have four digits and as many as they need."""
    parts = [line for number in range(10_001) for line in ("--x", "", str(number))]
    mail = parse("Content-Type: multipart/mixed; boundary=x", "", *parts, "--x--")
    assert list(mail["bodyValues"])[-1] == "p10001"
    assert mail["bodyValues"]["p10001"]["value"] == "10000"


JUNK = [
    ["   "],
    ["\t", "  "],
    ["  folded onto nothing"],
    ["\ufeff "],
    ["From ann Sun Sep 13 16:11:53 2020"],
    [">From ann Sun Sep 13 16:11:53 2020", " "],
]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_byte_order_mark_is_no_part_of_the_mail(newline: str) -> None:
    """What an editor puts before a message hides neither its first field nor an empty header."""
    text = newline.join(["Subject: s", "", "body"])
    for mime in (f"\ufeff{text}", f"\ufeff{text}".encode()):
        mail: Any = mail_convert_from_mime(mime)
        assert (mail["subject"], text_body_of(mail)) == ("s", "body")
    assert text_body_of(mail_convert_from_mime(f"\ufeff{newline}body")) == "body"
    assert IncomingMail(f"\ufeff{text}".encode()).subject == "s"


@pytest.mark.parametrize("junk", JUNK)
def test_junk_before_the_first_field_is_skipped(junk: list[str]) -> None:
    """Only an empty line ends a header: blanks do not, and neither does what continues no field."""
    mail = parse(*junk, "Subject: s", "Content-Type: text/html", "", "body")
    assert (mail["subject"], mail["bodyStructure"]["type"]) == ("s", "text/html")
    assert [item["name"] for item in mail["headers"]] == ["Subject", "Content-Type"]
    assert html_body_of(mail) == "body"


@pytest.mark.parametrize(
    "junk",
    [
        ["no colon here"],
        ["two words: 1", "\tand its fold"],
        ["X-Größe: 1"],
        [": no name"],
        ["one", "two", " three"],
        ["--no delimiter"],
        ["x" * 901 + ": y"],
    ],
)
def test_a_junk_line_in_a_header_costs_that_line(junk: list[str]) -> None:
    """The fields before and behind it are read, and the body begins at the empty line."""
    for lines in (
        ["Received: by x", *junk, "Subject: s", "Content-Type: text/html"],
        ["Subject: s", "Content-Type: text/html", *junk],
    ):
        mail = parse(*lines, "", "body")
        assert (mail["subject"], mail["bodyStructure"]["type"]) == ("s", "text/html")
        assert html_body_of(mail) == "body"
    part = parse("Content-Type: multipart/mixed; boundary=b", "", "--b", "A: b", *junk, "", "text", "--b--")
    assert text_body_of(part) == "text"


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        (["--b words", "", "one", "--b-- more", "epilogue"], ["one"]),
        (["--b words", "", "one", "--b\tagain", "", "two", "--b--"], ["one", "two"]),
        (["--b;x", "", "one", "--b--;x", "epilogue"], ["one"]),
        (["--b words", "", "one", "--b-- more", "", "--b--", "late"], ["one"]),
        (["--b", "", "one", "--b words are text here", "--b--"], ["one\n--b words are text here"]),
        (["--b", "", "one", "--b-- more", "epilogue"], ["one"]),
        (
            ["--b", "Content-Type: multipart/mixed; boundary=c", "", "--c x", "", "one", "--b--"],
            ["one"],
        ),
        (
            ["--b x", "Content-Type: multipart/mixed; boundary=c", "", "--c", "", "one", "--b y", "", "two"],
            ["one", "two"],
        ),
        (["--b \x0b", "", "one", "--\x0b", "--b--"], ["one\n--\x0b"]),
    ],
)
def test_words_behind_a_boundary(lines: list[str], texts: list[str]) -> None:
    """They are let pass where no line is exactly that delimiter (RFC 2046 5.1.1), and only there."""
    mail = parse("Content-Type: multipart/mixed; boundary=b", "", *lines)
    assert [value["value"] for value in mail["bodyValues"].values()] == texts


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        (["--b", "", "one", "--b"], ["one"]),
        (["--b", "", "one", "--b", "", "  "], ["one"]),
        (["--b", "Content-Type: multipart/mixed; boundary=c", "", "--c", "", "one", "--c", "--b--"], ["one"]),
        (["--b"], [""]),
        (["--b", "", "one", "--b", "", "--b--"], ["one", ""]),
        (["--b", "", "one", "--b", "X: y"], ["one", ""]),
    ],
)
def test_a_last_delimiter_without_dashes_makes_no_part(lines: list[str], texts: list[str]) -> None:
    """What is nothing at the end is no part; what has a field, or a delimiter behind it, is one."""
    mail = parse("Content-Type: multipart/mixed; boundary=b", "", *lines)
    assert [value["value"] for value in mail["bodyValues"].values()] == texts


@pytest.mark.parametrize(
    ("content_type", "described"),
    [
        ("(a) text (b) / html (c); (d) charset=(e)utf-8 (f)", ("text/html", "utf-8")),
        ("text/html; charset=utf-8 (nested (deeper) and \\) still)", ("text/html", "utf-8")),
        ("text/html; (a; b=c) charset=utf-8", ("text/html", "utf-8")),
        ("text/html (it's \"a quote); charset=utf-8", ("text/html", "utf-8")),
        ("text/html; charset=utf-8 (never closed", ("text/html", "utf-8 (never closed")),
        ("text/html charset=utf-8", ("text/html", "utf-8")),
        ("text/html\r\n\tcharset=utf-8", ("text/html", "utf-8")),
        ("text/html ; charset = utf-8 ;", ("text/html", "utf-8")),
        ('text/html; charset="utf-8"; x="(no comment)"', ("text/html", "utf-8")),
    ],
)
def test_comments_in_content_type(content_type: str, described: tuple[str, str]) -> None:
    """Comments and blanks stand anywhere between tokens, and a forgotten semicolon is seen (RFC 2045 5.1)."""
    structure = parse(f"Content-Type: {content_type}", "", "x")["bodyStructure"]
    assert (structure["type"], structure["charset"]) == described


@pytest.mark.parametrize(
    "encoding",
    ["(x) quoted-printable", "quoted-printable (x (y))", '"quoted-printable"', "Quoted-Printable;"],
)
def test_comments_in_content_transfer_encoding(encoding: str) -> None:
    """They are no part of the encoding's name (RFC 2045 6.1)."""
    fields = ("Content-Type: text/plain; charset=utf-8", f"Content-Transfer-Encoding: {encoding}")
    assert text_body_of(parse(*fields, "", "=C3=BC")) == "ü"


def test_raw_octets_in_words_are_of_the_charset_that_the_word_names() -> None:
    """In a subject, a name and a file name alike; elsewhere such an octet is a character of its own."""
    mail: Any = mail_convert_from_mime(
        b"Subject: =?iso-8859-5?Q?\xbf\xe0=D8?= \xfc\r\n"
        b"From: =?iso-8859-1?Q?J\xfcrg,_A.?= <j@example.com>\r\n"
        b'Content-Type: image/png; name="=?iso-8859-1?Q?Fr\xf6sche.png?="\r\n'
        b"Content-Disposition: inline; filename*=iso-8859-1''Fr\xf6%73che.png\r\n"
        b"Message-ID: <\xe4@example.com>\r\n\r\nx"
    )
    assert mail["subject"] == "При ü"
    assert mail["from"] == [{"name": "Jürg, A.", "email": "j@example.com"}]
    assert mail["bodyStructure"]["name"] == "Frösche.png"
    assert mail["messageId"] == "ä@example.com"
    assert all(item["value"].isprintable() for item in mail["headers"])


def test_characters_in_words_of_decoded_text_are_themselves() -> None:
    """Text was decoded before it got here, so its words hold characters and not their octets."""
    mail: Any = mail_convert_from_mime("Subject: =?iso-8859-1?Q?Fr\xf6=F6?= =?iso-8859-1?Q?日本?=\n\n")
    assert mail["subject"] == "Fröö日本"


@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        (
            ["Message-ID: <1234   @   local(blah)  .machine .example>"],
            "messageId",
            "1234@local.machine.example",
        ),
        (["Message-ID: (a) <x@example.com> (b)"], "messageId", "x@example.com"),
        (["Message-ID: <a,b@example.com>"], "messageId", "a,b@example.com"),
        (["Message-ID: <ä@bücher.example>"], "messageId", "ä@bücher.example"),
        (["References: <a @ b> (c <x@y>) <c@d>"], "references", ["a@b", "c@d"]),
        (["Message-ID: <two words@example.com>"], "messageId", None),
        (["In-Reply-To: Your message of <a@b>"], "inReplyTo", "a@b"),
    ],
)
def test_identifiers(fields: list[str], key: str, value: object) -> None:
    """Comments and obsolete blanks are no part of an identifier; a comma is (RFC 5322 3.6.4, 4.5.4)."""
    assert parse(*fields, "", "x").get(key) == value


def test_a_local_sender_is_kept() -> None:
    """What cron writes has a sender; among recipients a word is no address."""
    mail = parse("From: root (Cron Daemon)", "To: root (Cron Daemon)", "", "x")
    assert mail["from"] == [{"name": "Cron Daemon", "email": "root"}]
    assert "to" not in mail


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        ("base64", "aGVsbG8=\r\n-- \r\na footer", b"hello"),
        ("base64", "aGVsbG8=aGVsbG8=", b"hello"),
        ("base64", "aGVs*bG8=", b"hello"),
        ("quoted-printable", "a=zz", b"a=zz"),
        ("x-none", "abc", b"abc"),
    ],
)
def test_a_damaged_attachment_is_marked(encoding: str, body: str, content: bytes) -> None:
    """The attachment and its leaf in `bodyStructure` say so, and a sound one says nothing."""
    fields = ("Content-Type: image/png", f"Content-Transfer-Encoding: {encoding}")
    mail = parse(*fields, "", body)
    [attachment] = mail["attachments"]
    assert attachment.get_content() == content
    assert attachment.is_encoding_problem
    assert attachment.isEncodingProblem
    assert mail["bodyStructure"]["isEncodingProblem"]
    assert mail["bodyStructure"]["encoding"] == encoding
    assert mail_convert_from_mime(mail_convert_to_mime(mail))["attachments"] == [attachment]
    sound = parse("Content-Type: image/png", "Content-Transfer-Encoding: base64", "", "aGVsbG8=")
    assert not sound["attachments"][0].is_encoding_problem
    assert "isEncodingProblem" not in sound["bodyStructure"]


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("Date: yesterday", "sendAt"),
        ("To: undisclosed-recipients:;", "to"),
        ("From: nobody", "from"),
        ("Message-ID:", "messageId"),
        ("Message-ID: <unclosed", "messageId"),
        ("References: ", "references"),
        ("Keywords: ,", "keywords"),
    ],
)
def test_a_field_that_says_nothing_gives_no_property(field: str, key: str) -> None:
    """What cannot be read is not made up: it stays in `headers`."""
    mail = parse(field, "", "x")
    assert key not in mail
    assert mail["headers"][0]["name"] == field.partition(":")[0]


@pytest.mark.parametrize(
    ("lines", "key", "value"),
    [
        (["To: a@example.com", "To: b@example.com"], "to", ["a@example.com", "b@example.com"]),
        (["TO : a@example.com"], "to", ["a@example.com"]),
        (["To: a@example.com,", " b@example.com"], "to", ["a@example.com", "b@example.com"]),
        (["To: broken <, a@example.com"], "to", None),
        (["To: broken, a@example.com"], "to", ["a@example.com"]),
        (["From me Sun Sep 13 2020", "To: a@example.com"], "to", ["a@example.com"]),
    ],
)
def test_addresses_are_read_as_they_are_found(lines: list[str], key: str, value: list[str] | None) -> None:
    """Several fields of one name are one list; what is no address is left out."""
    found = parse(*lines, "", "x").get(key)
    assert (found and [address["email"] for address in found]) == value


def test_the_first_subject_wins_and_comments_need_to_be_one() -> None:
    """Of duplicates the first counts, as for most readers; all of them are in `headers`."""
    mail = parse("Subject: one", "Subject: two", "Comments: a", "Comments: b", "", "x")
    assert mail["subject"] == "one"
    assert "comments" not in mail
    assert len(mail["headers"]) == 4


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ('filename="a.txt"', "a.txt"),
        ("filename=a b.txt", "a b.txt"),
        ('filename="a\\"b.txt"', 'a"b.txt'),
        ('filename="never closed; size=5', "never closed; size=5"),
        ("filename*=UTF-8''%C3%A4.txt", "ä.txt"),
        ("filename*=iso-8859-1'de'%E4.txt", "ä.txt"),
        ("filename=fallback.txt; filename*=UTF-8''%C3%A4.txt", "ä.txt"),
        ("filename*0=a; filename*1=b; filename*2*=%C3%A4", "abä"),
        ("filename*1*=b; filename*0*=UTF-8''%C3", "\ufffdb"),
        ("filename*1*=%A4b; filename*0*=UTF-8''%C3", "äb"),
        ('filename="=?utf-8?q?=C3=A4?="', "ä"),
        ("filename*=UTF-8''a%0D%0Ab", "a  b"),
        ("filename*=nonsense''%E4", "ä"),
        ("filename*=noquotes", "noquotes"),
        ("FileName=a.txt; ; =x; x", "a.txt"),
        ('filename="a;b.txt"', "a;b.txt"),
        ("filename=copy (2)", "copy (2)"),
        ("filename=a b=c.txt", "a b=c.txt"),
        ('filename="a.txt" size=5', "a.txt"),
        ('filename="the "best".txt"', 'the "best".txt'),
        ('filename="a.txt" and more', "a.txt"),
        ("x=y filename=a.txt", "a.txt"),
        ('x="y z" filename=a.txt', "a.txt"),
        ("filename*0=a filename*1=b", "ab"),
        ("filename*0*=UTF-8''%C3%A4 filename*1*=b", "äb"),
        ("x=y", None),
        ("file name=a; fil\u00e4=b; " + "x" * 61 + "=c", None),
    ],
)
def test_file_names(parameters: str, name: str | None) -> None:
    """Names are read in every way in which mailers write them."""
    mail = parse(f"Content-Disposition: attachment; {parameters}", "", "x")
    assert mail["bodyStructure"].get("name") == name
    assert mail["attachments"][0].name == (name or "")


def test_a_part_says_what_its_header_says() -> None:
    """Language, location, unknown encoding and all fields are in the description of a part."""
    mail = parse(
        "Content-Type: TEXT/Plain; CHARSET=UTF-8",
        "Content-Language: de , en",
        "Content-Location: http://example.com/",
        "Content-Transfer-Encoding: x-odd",
        "Content-Disposition: INLINE",
        "",
        "x",
    )
    headers = mail["bodyStructure"].pop("headers")
    assert mail["bodyStructure"] == {
        "type": "text/plain",
        "charset": "UTF-8",
        "language": ["de", "en"],
        "location": "http://example.com/",
        "encoding": "x-odd",
        "disposition": "inline",
        "partId": "p0001",
    }
    assert headers[0] == {"name": "Content-Type", "value": "TEXT/Plain; CHARSET=UTF-8"}


def test_views_of_a_written_mail() -> None:
    """The views read `textBody` and `htmlBody` too, and give None where there is nothing."""
    assert text_body_of({"textBody": "t"}) == "t"
    assert html_body_of({"htmlBody": ""}) == ""
    assert text_body_of({}) is None
    assert html_body_of(parse("", "x")) is None


@pytest.mark.parametrize(
    ("encoding", "body", "shown"),
    [
        ("base64", "!!!!", "base64"),
        ("quoted-printable", "=zz", "quoted-printable"),
        ("x-none", "abc", "x-none"),
        ("base64", "YWJj", None),
        ("7bit", "abc", None),
    ],
)
def test_a_problem_shows_the_encoding(encoding: str, body: str, shown: str | None) -> None:
    """F3: a text with a problem says how it was encoded (4D: `encoding`), and only such a text does."""
    mail = parse(f"Content-Transfer-Encoding: {encoding}", "", body)
    assert mail["bodyStructure"].get("encoding") == shown
    assert mail["bodyValues"]["p0001"]["isEncodingProblem"] is (shown is not None)


def test_an_attachment_in_an_unknown_encoding() -> None:
    """Octets that nobody can decode are given as they are, and their part says so."""
    mail = parse("Content-Type: image/png", "Content-Transfer-Encoding: x-none", "", "abc")
    assert mail["bodyStructure"]["encoding"] == "x-none"
    assert mail["attachments"][0].get_content() == b"abc"


@pytest.mark.parametrize("blank", [" ", "\t"])
def test_a_fold_is_no_line_of_its_own(blank: str) -> None:
    """RFC 5322 2.2.3: a field goes on where a blank begins the line, and a name ends on its own line."""
    mail = parse(
        f"X-A: one{blank}", f"{blank}: two", f"{blank}X-B: three", "X-C", f"{blank}: four", "X-D: five"
    )
    assert [(item["name"], item["value"]) for item in mail["headers"]] == [
        ("X-A", f"one{blank}{blank}: two{blank}X-B: three"),
        ("X-D", "five"),
    ]
