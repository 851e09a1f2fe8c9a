from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.mail import incoming
from pytest_smtp4d.mail.incoming import IncomingMail
from pytest_smtp4d.mail.parse import html_body_of, mail_convert_from_mime, text_body_of

CORPUS = sorted((Path(__file__).parent.parent / "corpus").glob("*.eml"))
KEYS = {"from": "from", "Sender": "sender", "TO": "to", "cc": "cc", "bcc": "bcc", "Reply-To": "replyTo"}


def assert_same(octets: bytes) -> None:
    """Each view, read alone, is the one of the whole mail object."""
    mail: Any = mail_convert_from_mime(octets)
    assert IncomingMail(octets).subject == mail.get("subject")
    assert IncomingMail(octets).text == text_body_of(mail)
    assert IncomingMail(octets).html == html_body_of(mail)
    assert IncomingMail(octets).attachments == mail["attachments"]
    assert IncomingMail(octets).email == mail
    for name, key in KEYS.items():
        assert IncomingMail(octets).addresses(name) == mail.get(key, [])
    for name in {item["name"] for item in mail["headers"]}:
        values = [item["value"] for item in mail["headers"] if item["name"].lower() == name.lower()]
        assert IncomingMail(octets).header(name.upper()) == values


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_view_alone_is_the_view_of_the_whole(path: Path) -> None:
    """Whatever is asked first, the answer is that of `mail_convert_from_mime`."""
    assert_same(path.read_bytes())


PIECES = st.sampled_from(
    [
        b"Subject: =?utf-8?q?=C3=A4?= \xff",
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: text/html",
        b"Content-Disposition: attachment",
        b"From: root (Cron), a@example.com",
        b"junk",
        b"",
        b" ",
        b"--b",
        b"--b words",
        b"--b--",
        b"text",
        b"\xef\xbb\xbf",
    ]
)


@given(st.lists(PIECES, max_size=20).map(b"\r\n".join))
def test_a_view_of_anything(octets: bytes) -> None:
    """Odd mail makes no difference."""
    assert_same(octets)


def test_only_what_is_asked_for_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subject or an address needs neither the tree of parts nor the mail object; a text not the latter."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read too much")

    octets = b"Subject: s\r\nTo: a@example.com\r\n\r\ntext"
    monkeypatch.setattr(incoming, "mail_convert_from_mime", refuse)
    assert IncomingMail(octets).text == "text"
    monkeypatch.setattr(incoming, "read_tree", refuse)
    mail = IncomingMail(octets)
    assert (mail.subject, mail.header("subject")) == ("s", ["s"])
    assert mail.addresses("to") == [{"name": None, "email": "a@example.com"}]
    with pytest.raises(AssertionError, match="read too much"):
        _ = mail.text


def test_no_subject_is_none() -> None:
    """An empty one is a text."""
    assert IncomingMail(b"").subject is None
    assert IncomingMail(b"Subject:\r\n\r\n").subject == ""
