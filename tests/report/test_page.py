from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from pytest_smtp4d.report.page import PageError, read_page, render, script
from pytest_smtp4d.report.plain import plain_list
from pytest_smtp4d.report.visible import visible
from tests.report.records import content, failure, message, record, report

HOSTILE = "</script><script>alert(1)</script><!-- \u2028\u2029 & {{data}} {{plain}}"
PLAIN_AND_HTML = content("Grüße", "Straße\nzwei\n", "<p>Straße <a href='https://x.example/'>x</a></p>")


class Tags(HTMLParser):
    """Counts the elements of a page, and reads its policy and its script."""

    def __init__(self) -> None:
        super().__init__()
        self.count: dict[str, int] = {}
        self.policy = self.script = ""
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count an element."""
        self.count[tag] = self.count.get(tag, 0) + 1
        values = dict(attrs)
        self._in_script = tag == "script" and "type" not in values
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""

    def handle_data(self, data: str) -> None:
        """Read the script."""
        if self._in_script:
            self.script += data

    def handle_endtag(self, tag: str) -> None:
        """End the script."""
        self._in_script = False


def read_tags(page: str) -> Tags:
    """Parse a page."""
    tags = Tags()
    tags.feed(page)
    return tags


def test_a_page_gives_its_report_back() -> None:
    """What is rendered can be read again, as merging does: sources, bodies and links included."""
    whole = report(
        {
            "test_a": [
                record(message(PLAIN_AND_HTML)),
                record(message(content("Only text", "https://y.example"))),
            ],
            "test_b": [
                record(message(content("Attached", attachments=(("a.bin", "image/png", b"\x00\xff", "c"),))))
            ],
        },
        {"test_b": failure()},
    )
    assert read_page(render(whole)) == json.loads(json.dumps(whole))


@pytest.mark.parametrize(
    ("kind", "encoding", "body"),
    [
        ("text/plain; charset=iso-8859-1", "8bit", b"Stra\xdfe\r\n"),
        ("text/plain; charset=utf-16", "base64", base64.encodebytes("Straße".encode("utf-16"))),
        ("text/plain; charset=utf-8", "quoted-printable", b"a=\r\nb=C3=9F  \r\n=ZZ\r\n"),
        ("text/plain; charset=utf-8", "base64", b"U3RyYQ=!"),
        ("text/html; charset=us-ascii", "x-unknown", b"<p>x</p>"),
    ],
)
def test_a_body_that_its_source_does_not_give_is_kept(kind: str, encoding: str, body: bytes) -> None:
    """A body in another charset, or one that cannot be decoded, comes back as it was."""
    octets = (
        f"Subject: x\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body
    )
    whole = report({"test_a": [record(message(octets))]})
    (before,), (after,) = (
        [entry["mail"] for entry in one["tests"][0]["attempts"][0]["entries"]]
        for one in (whole, read_page(render(whole)))
    )
    assert before is not None
    assert after is not None
    for name in ("source", "text", "html", "visible"):
        assert after[name] == before[name]


def test_the_policy_lets_exactly_this_script_run() -> None:
    """The CSP stands first in the head, forbids all loading, and holds the hash of the one script."""
    page = render(report({"test_a": [record(message(content()))]}))
    tags = read_tags(page)
    digest = base64.b64encode(hashlib.sha256(tags.script.encode()).digest()).decode()
    assert tags.policy == (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "font-src data:; connect-src 'none'; form-action 'none'; base-uri 'none'; frame-src 'none'"
    )
    assert page.index("Content-Security-Policy") < page.index("<style>") < page.index("<script>")


def test_a_page_that_is_served_may_ask_its_server() -> None:
    """The live page differs in one word of its policy."""
    page = render(report({}), live=True)
    assert "connect-src 'self'" in read_tags(page).policy


def test_nothing_of_a_mail_becomes_markup() -> None:
    """Subjects, bodies, names, test ids and failures cannot open an element, nor fill the template."""
    octets = content(
        HOSTILE.replace("\u2028\u2029", ""), HOSTILE, HOSTILE, ((HOSTILE[:9], "text/html", b"x", None),)
    )
    hostile = render(report({HOSTILE: [record(message(octets), ended=HOSTILE)]}, {HOSTILE: failure(HOSTILE)}))
    harmless = render(
        report(
            {"a": [record(message(content("s", "t", "h", (("n", "text/html", b"x", None),))))]},
            {"a": failure()},
        )
    )
    assert read_tags(hostile).count == read_tags(harmless).count
    block = re.search(r'id="smtp4d-data">([^<]*)</script>', hostile)
    assert block is not None
    assert not {"\u2028", "\u2029"} & set(block[1])


def test_the_script_writes_no_markup() -> None:
    """The page's own parts are made by elements and texts."""
    for word in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "outerHTML ="):
        assert word not in script()


def test_a_run_without_mail_has_a_page() -> None:
    """It says so, in the plain list too."""
    assert "No mail was sent in this run." in plain_list(report({}))
    assert read_page(render(report({}))) == report({})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html></html>", "no report of pytest-smtp4d: it holds no data block"),
        ('<script type="application/json" id="smtp4d-data">{}</script>', "a damaged report"),
        ('<script type="application/json" id="smtp4d-data">{"format": 99}</script>', "a report of format 99"),
        (
            '<script type="application/json" id="smtp4d-data">{"format": 1, "deflate": "AAAA"}</script>',
            "a damaged report",
        ),
    ],
)
def test_what_is_no_page_is_refused(text: str, words: str) -> None:
    """A file that is no page, a damaged one, and one of another format are told apart."""
    with pytest.raises(PageError, match=words):
        read_page(text)


def test_the_plain_list_holds_what_must_be_read_without_script() -> None:
    """Subject, addresses, links, attachment names, test id, failure, text: 2 kB where the test failed."""
    octets = content(
        "Grüße & <b>",
        "x" * 3000,
        "<a href='https://x.example/?a&amp;b'>x</a>",
        (("a.pdf", "application/pdf", b"x", None),),
    )
    tests = {"test_ok": [record(message(octets))], "test_bad": [record(message(octets))]}
    text = plain_list(report(tests, {"test_bad": failure("assert 1 == 2")}))
    good, bad = text.split("<h2>")[1:]

    for one in (good, bad):
        assert "<h3>Grüße &amp; &lt;b&gt;</h3>" in one
        assert "From: Ada &lt;ada@example.com&gt;" in one
        assert "ada@example.com to bob@example.org" in one
        assert "https://x.example/?a&amp;b" in one
        assert "attachments: a.pdf" in one
    assert good.startswith("test_ok: passed")
    assert bad.startswith("test_bad: failed")
    assert "<pre>assert 1 == 2</pre>" in bad
    assert good.count("x" * 200 + "…") == 1
    assert "x" * 201 not in good
    assert "x" * 2048 + "…" in bad


def test_unseen_characters_are_shown() -> None:
    """Controls and bidirectional overrides stand escaped; line feeds only where lines are wanted."""
    assert visible("a\u202egpj.exe\x00\n") == "a\\u202egpj.exe\\x00\\n"
    assert visible("Grüße\n\t\u202e", lines=True) == "Grüße\n\t\\u202e"
    assert visible("\u3000\u00a0👩\u200d🚀❤\ufe0f") == "\u3000\u00a0👩\u200d🚀❤\ufe0f"
