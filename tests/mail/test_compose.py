from __future__ import annotations

import email
import email.policy
import itertools
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

import pytest

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.attachment import Disposition, MailAttachment, mail_new_attachment
from pytest_smtp4d.mail.charset import MailMode
from pytest_smtp4d.mail.compose import Composer, mail_convert_to_mime

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc)


def composed(mail: Any, **options: Any) -> str:
    """Compose with a fixed clock and fixed ids."""
    numbers = itertools.count(1)
    return (
        Composer(mail)
        .compose(**{"now": NOW, "unique": lambda: f"ID{next(numbers)}", **options})
        .decode("utf-8")
    )


def fields(mail: Any, **options: Any) -> list[str]:
    """Return the header's fields, unfolded."""
    header = composed(mail, **options).partition("\r\n\r\n")[0]
    return header.replace("\r\n ", " ").split("\r\n")


def test_the_whole_message() -> None:
    """A simple mail is these octets and no others, in the order of 4D's samples."""
    mail = {
        "from": "Shop <shop@example.com>",
        "to": "ann@example.org; bob@example.org",
        "bcc": "boss@example.com",
        "subject": "Your order",
        "textBody": "Thank you.\nSee you soon.",
    }
    assert composed(mail) == (
        "MIME-Version: 1.0\r\n"
        "Date: Sat, 31 Jan 2026 09:30:00 +0000\r\n"
        "Message-ID: <ID1@example.com>\r\n"
        "From: Shop <shop@example.com>\r\n"
        "To: ann@example.org, bob@example.org\r\n"
        "Subject: Your order\r\n"
        'Content-Type: text/plain; charset="US-ASCII"\r\n'
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "Thank you.\r\nSee you soon.\r\n"
    )


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("from", "a@example.com", "From: a@example.com"),
        ("from", {"name": "Ann", "email": "a@example.com"}, "From: Ann <a@example.com>"),
        (
            "to",
            [{"email": "a@example.com"}, {"name": "B", "email": "b@example.com"}],
            "To: a@example.com, B <b@example.com>",
        ),
        ("to", "Team: a@example.com, b@example.com;", "To: Team: a@example.com, b@example.com;"),
        ("cc", "a@example.com,b@example.com", "Cc: a@example.com, b@example.com"),
        ("replyTo", "a@example.com;b@example.com", "Reply-To: a@example.com, b@example.com"),
        ("sender", "a@example.com", "Sender: a@example.com"),
        ("subject", "Hello", "Subject: Hello"),
        ("subject", "", "Subject:"),
        ("sendAt", "2020-09-13T16:11:53Z", "Date: Sun, 13 Sep 2020 16:11:53 +0000"),
        ("sendAt", "2020-09-13T16:11:53+02:00", "Date: Sun, 13 Sep 2020 14:11:53 +0000"),
        ("messageId", "abc@example.com", "Message-ID: <abc@example.com>"),
        ("messageId", "<abc@example.com>", "Message-ID: <abc@example.com>"),
        ("inReplyTo", "a@example.com", "In-Reply-To: <a@example.com>"),
        ("inReplyTo", "<a@example.com> <b@example.com>", "In-Reply-To: <a@example.com> <b@example.com>"),
        (
            "references",
            ["a@example.com", "<b@example.com>", None],
            "References: <a@example.com> <b@example.com>",
        ),
        ("comments", "A comment", "Comments: A comment"),
        (
            "keywords",
            {"one": True, "two": False, "three four": True, "$seen": True, "x": None},
            "Keywords: one, three four, $seen",
        ),
        ("headers", [{"name": "X-Test", "value": "1"}], "X-Test: 1"),
        ("headers", [{"name": "X-Umlaut", "value": "ä"}], "X-Umlaut: =?UTF-8?Q?=C3=A4?="),
    ],
)
def test_a_property_is_its_field(key: str, value: Any, field: str) -> None:
    """E5, E7: every property in every form that 4D documents is written as its field."""
    assert field in fields({key: value})


@pytest.mark.parametrize(
    "mail", [{"subject": None, "to": None, "keywords": None, "textBody": None, "attachments": None}, {}]
)
def test_none_is_absent(mail: Any) -> None:
    """A value of None is 4D's null: as if the key were not there."""
    assert composed(mail) == composed({})


@pytest.mark.parametrize(
    "key", ["to", "cc", "replyTo", "from", "sender", "messageId", "inReplyTo", "references", "keywords"]
)
def test_empty_values_write_no_field(key: str) -> None:
    """An empty text, list or object writes nothing but what is always written."""
    empties: dict[str, Any] = {"keywords": {}, "references": []}
    assert composed({key: empties.get(key, "")}) == composed({})
    assert composed({key: empties.get(key, " ")}) == composed({})


def test_received_keys_are_accepted_and_not_sent() -> None:
    """E15: 4D's receiving-side keys are let pass, so that a received mail can be sent on."""
    assert composed({"id": "17", "receivedAt": "2020-09-13T16:11:53Z", "size": 1234}) == composed({})


def test_any_mapping_is_a_mail() -> None:
    """A mail need not be a dict."""
    assert composed(MappingProxyType({"subject": "x"})) == composed({"subject": "x"})


@pytest.mark.parametrize("name", ["Bcc", "bcc", "Resent-Bcc"])
def test_bcc_is_never_written(name: str) -> None:
    """E4: not as a property, nor through `headers`."""
    octets = composed(
        {"bcc": "secret@example.com", "headers": [{"name": name, "value": "secret@example.com"}]}
    )
    assert "secret" not in octets


def test_headers_keep_their_order_and_give_way() -> None:
    """E8, E9: items come in order; one that a property sets, in any case, is ignored, as are MIME's own."""
    mail = {
        "from": "a@example.com",
        "subject": "wins",
        "headers": [
            {"name": "X-B", "value": "1"},
            {"name": "SUBJECT", "value": "loses"},
            {"name": "from", "value": "loses@example.com"},
            {"name": "X-A", "value": "2"},
            {"name": "Content-Type", "value": "text/html"},
            {"name": "MIME-Version", "value": "2.0"},
            {"name": "Reply-To", "value": "stays@example.com"},
            {"name": "Reply-To", "value": "second@example.com"},
            {"name": "X-B", "value": "3"},
        ],
    }
    written = fields(mail)
    assert written[5:9] == ["X-B: 1", "X-A: 2", "Reply-To: stays@example.com", "X-B: 3"]
    assert not any("loses" in field or "second" in field or "text/html" in field for field in written)


@pytest.mark.parametrize("name", ["Cc", "To", "bcc", "TO"])
def test_headers_name_nobody_who_gets_nothing(name: str) -> None:
    """A To, Cc or Bcc among `headers` is refused where it names people whom the envelope does not have."""
    item = {"name": name, "value": "Bob <bob@example.org>, ann@example.org"}
    key = name.lower()
    with pytest.raises(MailError) as caught:
        composed({"from": "a@example.com", "headers": [item]})
    assert str(caught.value) == (
        f"headers: {name} names 'bob@example.org', who would not be sent the mail: "
        f"set {key!r} instead, or {key!r} to [] to leave the field out"
    )
    assert "bob" not in composed({key: [], "headers": [item]})
    if key != "bcc":
        reached = {"bcc": ["BOB@example.org", "ann@example.org"], "headers": [item]}
        assert f"{name}: Bob <bob@example.org>, ann@example.org\r\n" in composed(reached)


def test_headers_may_name_nobody() -> None:
    """A To without addresses, as lists and blind copies have it, stays."""
    item = {"name": "To", "value": "undisclosed-recipients:;"}
    assert "To: undisclosed-recipients:;" in fields({"bcc": "a@example.com", "headers": [item]})


ROOT_FIELDS = {
    "From": "x@example.net",
    "Sender": "x@example.net",
    "To": "y@example.net",
    "Cc": "y@example.net",
    "Reply-To": "y@example.net",
    "Subject": "second",
    "Date": "Mon, 1 Jan 2001 00:00:00 +0000",
    "Message-ID": "<second@example.net>",
    "References": "<second@example.net>",
    "In-Reply-To": "<second@example.net>",
    "MIME-Version": "1.0",
    "Bcc": "y@example.net",
    "X-Own": "once",
    "X-Root": "kept",
    "Content-Description": "of the body",
}


@pytest.mark.parametrize("kind", ["leaf", "multipart", "wrapped"])
def test_the_roots_headers_write_no_field_twice(kind: str) -> None:
    """What a property or `headers` writes, the root of `bodyStructure` does not (RFC 5322 3.6)."""
    headers = [{"name": name, "value": value} for name, value in ROOT_FIELDS.items()]
    leaf: dict[str, Any] = {"type": "text/plain", "partId": "1"}
    root = {"type": "multipart/mixed", "subParts": [leaf]} if kind == "multipart" else leaf
    mail: dict[str, Any] = {
        "from": "a@example.com",
        "sender": "a@example.com",
        "to": "b@example.com",
        "cc": "c@example.com",
        "bcc": "d@example.com",
        "replyTo": "a@example.com",
        "subject": "first",
        "sendAt": "2026-01-31T09:30:00Z",
        "messageId": "first@example.com",
        "inReplyTo": "zero@example.com",
        "references": ["zero@example.com"],
        "headers": [{"name": "X-Own", "value": "once"}],
        "bodyStructure": {**root, "headers": headers},
        "bodyValues": {"1": {"value": "x"}},
    }
    if kind == "wrapped":
        mail["attachments"] = [mail_new_attachment(b"x", "y")]
    octets = composed(mail)
    parsed = email.message_from_string(octets, policy=email.policy.default)
    names = [name.lower() for name in parsed.keys()]  # noqa: SIM118 - a message iterates over its lines
    assert sorted(names) == sorted(set(names))
    assert "example.net" not in octets
    assert "second" not in octets
    assert (parsed["X-Own"], parsed["X-Root"]) == ("once", "kept")
    assert octets.count("Content-Description: of the body") == 1


def test_the_roots_headers_are_the_messages() -> None:
    """What nothing else writes is written from there, under the same rules."""
    part = {"type": "text/plain", "partId": "1"}
    headers = [{"name": "Subject", "value": "ä"}, {"name": "Resent-To", "value": '"ä, b" <a@example.com>'}]
    mail = {"bodyStructure": {**part, "headers": headers}, "bodyValues": {"1": {"value": "x"}}}
    assert fields(mail)[3:5] == [
        "Subject: =?UTF-8?Q?=C3=A4?=",
        "Resent-To: =?UTF-8?Q?=C3=A4=2C_b?= <a@example.com>",
    ]
    headers = [{"name": "To", "value": "a@example.com"}]
    with pytest.raises(MailError, match=r"bodyStructure\.headers: To names 'a@example\.com'"):
        composed({**mail, "bodyStructure": {**part, "headers": headers}})


def test_a_message_id_at_a_long_domain_is_folded() -> None:
    """The identifier that we make is on a line of its own where it is longer."""
    domain = f"{'x' * 60}.example"
    lines = composed({"from": f"a@{domain}"}).split("\r\n")
    at = lines.index("Message-ID:")
    assert lines[at + 1] == f" <ID1@{domain}>"


def test_keywords_leave_room_for_their_commas() -> None:
    """A line with an encoded word has 76 octets at most, with what follows the word (RFC 2047 2)."""
    keywords = {"x" * 41 + "ä" * 3 + "x" * size: True for size in range(12)}
    lines = composed({"from": "a@example.com", "keywords": keywords}).split("\r\n")
    assert 70 < max(len(line) for line in lines if "=?" in line) <= 76


def test_the_name_of_an_empty_group_leaves_room() -> None:
    """The same for what follows the name of a group that has no members."""
    for size in range(30, 70):
        mail = {"from": "a@example.com", "to": f"b@example.org, {'é' + 'x' * size}:;, c@example.org"}
        assert all(len(line) <= 76 for line in composed(mail).split("\r\n") if "=?" in line)


def test_headers_may_set_date_and_message_id() -> None:
    """A Date or Message-ID in `headers` is not written twice."""
    mail = {"headers": [{"name": "date", "value": "x"}, {"name": "Message-Id", "value": "<y@example.com>"}]}
    assert [field for field in fields(mail) if field.lower().startswith(("date", "message-id"))] == [
        "date: x",
        "Message-Id: <y@example.com>",
    ]


def test_an_empty_property_hides_the_header_item() -> None:
    """A property that was emptied wins over the parsed field too; a message identifier is made anew."""
    old = {"messageId": "", "headers": [{"name": "Message-ID", "value": "<old@example.com>"}]}
    assert "Message-ID: <ID1@localhost>" in fields(old)
    assert "old@" not in composed(old)
    mail = {"to": [], "headers": [{"name": "To", "value": "old@example.com"}]}
    assert "old@example.com" not in composed(mail)


def test_sender() -> None:
    """Sender is one mailbox: given, or the first of several in From; without From it is From too."""
    assert not [field for field in fields({"from": "a@example.com"}) if field.startswith("Sender")]
    assert fields({"from": "a@example.com, b@example.com"})[3:5] == [
        "Sender: a@example.com",
        "From: a@example.com, b@example.com",
    ]
    assert fields({"sender": "a@example.com, b@example.com"})[3:5] == [
        "Sender: a@example.com",
        "From: a@example.com",
    ]
    assert fields({"sender": "s@example.com", "from": "a@example.com"})[3:5] == [
        "Sender: s@example.com",
        "From: a@example.com",
    ]


@pytest.mark.parametrize(
    ("mail", "domain"),
    [
        ({"from": "a@example.org"}, "example.org"),
        ({"sender": "a@example.net"}, "example.net"),
        ({"from": "a@exämple.com"}, "xn--exmple-cua.com"),
        ({}, "localhost"),
    ],
)
def test_generated_message_id(mail: Any, domain: str) -> None:
    """A Message-ID is made where there is none, with the domain of the first From address."""
    assert f"Message-ID: <ID1@{domain}>" in fields(mail)


def test_a_sender_without_a_domain() -> None:
    """What a received mail may have can be written, and be no envelope."""
    mail = {"from": {"name": "Cron Daemon", "email": "root"}, "to": "a@example.com"}
    assert fields(mail)[2:4] == ["Message-ID: <ID1@localhost>", "From: Cron Daemon <root>"]
    with pytest.raises(MailError, match="from: 'root' is not an address"):
        Composer(mail).envelope()


def test_deterministic() -> None:
    """The same object, clock and ids give the same octets."""
    mail = {
        "from": "a@example.com",
        "textBody": "ä",
        "htmlBody": "ö",
        "attachments": [mail_new_attachment(b"x", "y")],
    }
    assert composed(mail) == composed(mail)


def test_boundaries_are_in_no_part() -> None:
    """Even where the source of ids always gives what a part holds, no boundary is found inside a part."""
    text = "--=_1_SAME\nSAME _SAME _SAMESAME"
    mail = {"textBody": text, "htmlBody": "x"}
    octets = composed(mail, unique=lambda: "SAME")
    parsed = email.message_from_string(octets, policy=email.policy.default)
    assert [part.get_content().splitlines() for part in parsed.iter_parts()] == [
        text.splitlines(),
        ["x"],
    ]


@pytest.mark.parametrize(
    ("mail", "words"),
    [
        ({"subjet": "x"}, "a mail has no property 'subjet' (did you mean 'subject'?)"),
        ({"text_body": "x"}, "(did you mean 'textBody'?)"),
        ({5: "x"}, "a mail has no property 5"),
        ({"subject": 5}, "subject must be text, not int: 5"),
        ({"subject": b"x"}, "subject must be text, not bytes: b'x'"),
        ({"textBody": b"x"}, "textBody must be text, not bytes: b'x'"),
        ({"to": 5}, "to must be text, an object with 'email', or a list of either, not int: 5"),
        ({"to": b"a@example.com"}, "not bytes"),
        ({"references": "a@example.com"}, "references must be a list, not str"),
        ({"references": [5]}, "references must list message identifiers, not int: 5"),
        ({"keywords": ["x"]}, "keywords must be an object (a mapping), not list"),
        ({"keywords": {"x": 1}}, "keywords: the value of 'x' must be true or false, not 1"),
        ({"keywords": {5: True}}, "keywords: a keyword must be text, not 5"),
        ({"keywords": {" ": True}}, "keywords: a keyword must be text, not ' '"),
        (
            {"attachments": ["a.pdf"]},
            "attachments must hold only attachments: make them with mail_new_attachment",
        ),
        ({"attachments": b"x"}, "attachments must be a list of attachments, not bytes"),
        ({"size": "1"}, "size must be a whole number, not str"),
        ({"size": True}, "size must be a whole number, not bool"),
        ({"sendAt": 5}, "sendAt must be an ISO 8601 text, not int"),
        ({"sendAt": "soon"}, "sendAt must be an ISO 8601 date such as '2026-01-31T09:30:00Z', not 'soon'"),
        ({"sendAt": ""}, "sendAt must be an ISO 8601 date"),
        (
            {"subject": "a\r\nBcc: x@example.com"},
            "subject: CR, LF and NUL cannot stand in a header: 'a\\r\\nBcc: x@example.com'",
        ),
        ({"subject": "a\nb"}, "subject: CR, LF and NUL"),
        ({"subject": "a\0b"}, "subject: CR, LF and NUL"),
        ({"comments": "a\rb"}, "comments: CR, LF and NUL"),
        ({"messageId": "a@b\r\nX: y"}, "messageId: CR, LF and NUL"),
        ({"messageId": "a@b c@d"}, "messageId must be one message identifier, not 2"),
        ({"messageId": "a@b, c@d"}, "messageId must be one message identifier, not 2"),
        ({"messageId": "x" * 996}, "messageId: Message-ID cannot be folded into lines of 998 octets"),
        ({"messageId": "ä@b"}, "messageId: 'ä@b' needs a server that offers SMTPUTF8"),
        (
            {"from": "a@under_ä.example"},
            "needs a server that offers SMTPUTF8: its domain cannot be written in",
        ),
        (
            {"to": "a@[999.1.1.1]"},
            "to: 'a@[999.1.1.1]' is not an address: '[999.1.1.1]' is not an address lit",
        ),
        ({"from": {"email": "root"}}, "from: 'root' is not an address: '@' is missing"),
        ({"to": {"name": "Cron", "email": "root"}}, "to: 'root' is not an address: '@' is missing"),
        ({"inReplyTo": "a@b\n"}, "inReplyTo: CR, LF and NUL"),
        ({"references": ["a\nb"]}, "references: CR, LF and NUL"),
        ({"keywords": {"a\nb": True}}, "keywords: CR, LF and NUL"),
        ({"headers": [{"name": "X", "value": "a\r\n\r\nbody"}]}, "headers: CR, LF and NUL"),
        ({"from": {"name": "a\nb", "email": "a@example.com"}}, "from: CR, LF and NUL"),
        ({"bodyStructure": {"type": "text/plain"}}, "bodyStructure needs bodyValues"),
        ({"bodyValues": {}}, "bodyValues needs bodyStructure"),
        (
            {"bodyStructure": {"type": "text/plain"}, "bodyValues": {}, "textBody": "x"},
            "textBody cannot be mixed with bodyStructure and bodyValues",
        ),
        (
            {"bodyStructure": {"type": "text/plain"}, "bodyValues": {}, "htmlBody": "x"},
            "htmlBody cannot be mixed",
        ),
        ({"textBody": "\ud800"}, "textBody: '\\ud800' (U+D800) cannot be written in UTF-8"),
        ({"subject": "\ud800"}, "subject: '\\ud800' (U+D800) cannot be written in UTF-8"),
        ({"to": "用户@example.com"}, "needs a server that offers SMTPUTF8"),
        ({"to": "not an address"}, "to: 'not an address' is not an address"),
    ],
)
def test_what_cannot_be_a_message(mail: Any, words: str) -> None:
    """E11: a bad value is a MailError that names the key and the value."""
    with pytest.raises(MailError) as caught:
        composed(mail)
    assert words in str(caught.value)


def test_messages_are_cut_to_a_readable_length() -> None:
    """An error about a huge value stays short."""
    with pytest.raises(MailError) as caught:
        composed({"subject": "x\n" * 100_000})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("mail", "envelope"),
    [
        ({"from": "a@example.com", "to": "b@example.com"}, ("a@example.com", ("b@example.com",))),
        (
            {"from": "a@example.com", "sender": "s@example.com", "to": "b@example.com"},
            ("s@example.com", ("b@example.com",)),
        ),
        (
            {"from": "A <a@example.com>, b@example.com", "bcc": "c@example.com"},
            ("a@example.com", ("c@example.com",)),
        ),
        (
            {
                "from": "a@example.com",
                "to": "b@example.com;c@example.com",
                "cc": ["c@EXAMPLE.com", "d@example.com"],
                "bcc": {"email": "e@example.com"},
            },
            ("a@example.com", ("b@example.com", "c@example.com", "d@example.com", "e@example.com")),
        ),
        (
            {"from": "a@example.com", "to": "B@example.com, b@example.com"},
            ("a@example.com", ("B@example.com", "b@example.com")),
        ),
        (
            {"from": "a@exämple.com", "to": "Team: b@exämple.com;"},
            ("a@xn--exmple-cua.com", ("b@xn--exmple-cua.com",)),
        ),
        (
            {"from": "a@example.com", "sender": "", "to": "用户@例え.テスト"},
            ("a@example.com", ("用户@xn--r8jz45g.xn--zckzah",)),
        ),
    ],
)
def test_the_envelope(mail: Any, envelope: tuple[str, tuple[str, ...]]) -> None:
    """E3, E4: sender, else From; To, Cc and Bcc without repetition, domains without regard to letter case."""
    assert Composer(mail).envelope() == envelope


@pytest.mark.parametrize(
    ("mail", "words"),
    [
        ({"to": "a@example.com"}, "the mail has no origin: set 'from' (or 'sender')"),
        ({"from": [], "to": "a@example.com"}, "no origin"),
        ({"from": "a@example.com"}, "the mail has no destination: set 'to', 'cc' or 'bcc'"),
        ({"from": "a@example.com", "to": "", "cc": [], "bcc": None}, "no destination"),
        ({"from": "a@example.com", "to": "undisclosed-recipients:;"}, "no destination"),
        ({"from": "a@example.com", "to": "nobody"}, "to: 'nobody' is not an address"),
        ({"from": "a@example.com", "to": "a@example.com", "subjet": ""}, "did you mean 'subject'?"),
    ],
)
def test_no_envelope(mail: Any, words: str) -> None:
    """Without an origin or a destination there is nothing to send."""
    with pytest.raises(MailError) as caught:
        Composer(mail).envelope()
    assert words in str(caught.value)


@pytest.mark.parametrize("mail", [None, [], "x"])
def test_an_envelope_needs_a_mapping(mail: Any) -> None:
    """What is no object is a TypeError."""
    with pytest.raises(TypeError):
        Composer(mail).envelope()


@pytest.mark.parametrize(
    ("mail", "needed"),
    [
        ({"to": "a@exämple.com"}, False),
        ({"to": "ä@example.com"}, True),
        ({"replyTo": "ä@example.com"}, True),
        ({"subject": "ä"}, False),
        ({}, False),
        ({"from": "a@under_ä.example"}, True),
        ({"messageId": "ä@example.com"}, True),
        ({"inReplyTo": "a@example.com ä@example.com"}, True),
        ({"references": ["a@example.com", None, "ä@example.com"]}, True),
        ({"headers": [{"name": "Resent-To", "value": "ä@example.com"}]}, True),
        ({"headers": [{"name": "Resent-Message-ID", "value": "<ä@example.com>"}]}, True),
        ({"headers": [{"name": "X-Own", "value": "ä@example.com"}]}, False),
        ({"headers": [{"name": "From", "value": "ä@example.com"}], "from": "a@example.com"}, False),
        ({"headers": [{"name": "Content-ID", "value": "<ä@example.com>"}]}, False),
        ({"attachments": [MailAttachment("x", "image/png", Disposition.INLINE, "ä@example.com")]}, True),
        ({"bodyStructure": {"cid": "ä"}, "bodyValues": {}}, True),
        ({"bodyStructure": {"subParts": [5, {"cid": "ä"}]}, "bodyValues": {}}, True),
        (
            {
                "bodyStructure": {
                    "subParts": [{"headers": [{"name": "References", "value": "<ä@example.com>"}]}]
                },
                "bodyValues": {},
            },
            True,
        ),
        ({"bodyStructure": {"subParts": [{"cid": "a"}]}, "bodyValues": {}}, False),
    ],
)
def test_needs_utf8(mail: Any, needed: bool) -> None:
    """Addresses that ASCII cannot say and identifiers outside ASCII need SMTPUTF8; text never does."""
    assert Composer(mail).needs_utf8 is needed


def test_utf8_headers_are_raw() -> None:
    """With SMTPUTF8 headers, names of attachments included, are raw UTF-8 and bodies are as ever."""
    mail = {
        "from": "ä@exämple.com",
        "subject": "Grüße",
        "textBody": "ö",
        "attachments": [mail_new_attachment(b"x", "naïve.pdf")],
    }
    octets = composed(mail, utf8=True)
    assert "From: ä@exämple.com\r\n" in octets
    assert "Subject: Grüße\r\n" in octets
    assert 'filename="naïve.pdf"' in octets
    assert "=C3=B6" in octets


@pytest.mark.parametrize(
    ("header", "body", "subject", "encoding"),
    [
        (None, None, "=?UTF-8?Q?J=C3=B6rg?=", ("UTF-8", "quoted-printable")),
        ("US-ASCII_UTF8_QP", "US-ASCII_UTF8_B64", "=?UTF-8?Q?J=C3=B6rg?=", ("UTF-8", "base64")),
        ("US-ASCII_UTF8_B64", "ISO-8859-1", "=?UTF-8?B?SsO2cmc=?=", ("ISO-8859-1", "8bit")),
        (MailMode.ISO88591, MailMode.UTF8, "=?ISO-8859-1?Q?J=F6rg?=", ("UTF-8", "quoted-printable")),
    ],
)
def test_convert_to_mime_options(header: Any, body: Any, subject: str, encoding: tuple[str, str]) -> None:
    """T2, T4: header and body have modes of their own, and the text is the octets that are sent."""
    text = mail_convert_to_mime(
        {"subject": "Jörg", "textBody": "Jörg"}, {"headerCharset": header, "bodyCharset": body}
    )
    assert f"Subject: {subject}\r\n" in text
    assert f'charset="{encoding[0]}"\r\nContent-Transfer-Encoding: {encoding[1]}\r\n' in text
    parsed = email.message_from_bytes(text.encode("latin-1"), policy=email.policy.default)
    assert parsed["Subject"] == "Jörg"
    assert parsed.get_content().splitlines() == ["Jörg"]


def test_convert_to_mime_is_complete() -> None:
    """E6: neither origin nor destination is needed; Date, a Message-ID and a body are always there."""
    text = mail_convert_to_mime({})
    parsed = email.message_from_string(text, policy=email.policy.default)
    assert parsed["Date"].datetime.tzinfo is not None
    assert parsed["Message-ID"].endswith("@localhost>")
    assert parsed.get_content().strip() == ""


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"headerCharset": "utf-8"}, MailError, "headerCharset 'utf-8' does not exist"),
        ({"bodyCharset": 5}, MailError, "bodyCharset 5 does not exist"),
        ({"header_charset": None}, MailError, "no option 'header_charset' (did you mean 'headerCharset'?)"),
        ([], TypeError, "options are an object"),
    ],
)
def test_bad_options(options: Any, error: type[Exception], words: str) -> None:
    """An option that does not exist, or a mode that does not, is named."""
    with pytest.raises(error) as caught:
        mail_convert_to_mime({}, options)
    assert words in str(caught.value)
