from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.records.view import codes, html_links, html_text, text_links


@pytest.mark.parametrize(
    ("html", "links"),
    [
        ('<a href="https://example.com/a?x=1&amp;y=2">go</a>', ["https://example.com/a?x=1&y=2"]),
        ("<a href='http://example.com'>a</a><a href=http://example.org>b</a>", ["http://example.com", "http://example.org"]),
        ('<A HREF="HTTPS://EXAMPLE.COM/">x</A>', ["HTTPS://EXAMPLE.COM/"]),
        ('<a href=" https://example.com/\n x">x</a>', ["https://example.com/ x"]),
        ('<a href="https://example.com">1</a><a href="https://example.com">2</a>', ["https://example.com"]),
        ('<area href="https://example.com/map">', ["https://example.com/map"]),
        ('<a href="mailto:a@example.com">x</a><a href="/x">y</a><a href="javascript:1">z</a><a>q</a>', []),
        ('<img src="https://example.com/pixel.gif"><link href="https://example.com/style.css">', []),
        ("https://example.com/in-text", []),
        ('<!-- <a href="https://example.com/1"> --><script>"<a href=https://example.com/2>"</script>', []),
        ('<a href="https://example.com/&#x41;&euro;">x</a>', ["https://example.com/A€"]),
        ('<a href="https://example.com/unclosed', []),
    ],
)  # fmt: skip
def test_links_of_html(html: str, links: list[str]) -> None:
    """The http and https targets of links, in order, entities decoded, each once; nothing else."""
    assert html_links(html) == links


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("Go to https://example.com/a?x=1&y=2.", ["https://example.com/a?x=1&y=2"]),
        ("(see http://example.com/a_(b)) or <https://example.org/>", ["http://example.com/a_(b)", "https://example.org/"]),
        ('"https://example.com", https://example.com!', ["https://example.com"]),
        ("https://example.com/a\r\nhttps://example.com/b?", ["https://example.com/a", "https://example.com/b"]),
        ("ftp://example.com www.example.com mailto:a@example.com", []),
        ("Grüße: https://example.com/größe/", ["https://example.com/größe/"]),
    ],
)  # fmt: skip
def test_links_of_text(text: str, links: list[str]) -> None:
    """URLs of plain text, each once, without the punctuation of the sentence around them."""
    assert text_links(text) == links


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hello <b>Bo</b>b,</p>\n<p>your code</p>", "Hello Bob,\nyour code"),
        ("<head><title>Title</title><style>p{}</style></head><body>x</body>", "x"),
        ("a<script>var b = '<p>c</p>'</script>d<template>e</template>f", "a\nd\nf"),
        ("<td>1</td><td>2</td>", "1\n2"),
        ("<span>12</span><span>34</span>", "1234"),
        ("one<br>two<br/>three<hr>four", "one\ntwo\nthree\nfour"),
        ("<div style='display:none'>pre<div>header</div></div>x", "x"),
        ("<div STYLE='Display : NONE'>pre</div>x", "x"),
        ("<p hidden>a</p><p>b</p>", "b"),
        ("<img alt='1234' hidden>x", "x"),
        ("fish &amp; chips &#8364;5", "fish & chips €5"),
        ("a   \n\t b", "a b"),
        ("<p>unclosed <b>bold", "unclosed bold"),
        ("", ""),
    ],
)
def test_visible_text(html: str, text: str) -> None:
    """What a reader sees: no script, style, title or hidden element; blocks part lines, inline not."""
    assert html_text(html) == text


@pytest.mark.parametrize(
    ("text", "pattern", "found"),
    [
        ("Your code is 123456.", r"\b\d{4,8}\b", ["123456"]),
        ("1234 then 5678 then 1234", r"\b\d{4,8}\b", ["1234", "5678"]),
        ("123 and 123456789", r"\b\d{4,8}\b", []),
        ("https://example.com/9876 www.example.com/5432 4711", r"\b\d{4,8}\b", ["4711"]),
        ("code: AB-12", r"code: (\S+)", ["AB-12"]),
        ("code: AB-12", re.compile(r"CODE: (\S+)-(\d+)", re.IGNORECASE), ["AB"]),
    ],
)
def test_codes(text: str, pattern: str | re.Pattern[str], found: list[str]) -> None:
    """What the pattern finds outside URLs, each once; where it has a group, the first."""
    assert codes(text, pattern) == found


@given(st.text(alphabet="<>/=\"'&;#x ab!-[]\n", max_size=200) | st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    """No HTML and no text, however broken, is an error."""
    assert all(link.lower().startswith("http") for link in [*html_links(text), *text_links(text)])
    assert isinstance(html_text(text), str)


@pytest.mark.parametrize(
    "html", ["<![;<p>4711</p>", "<![CDATA[x]]><p>4711", "<![if !mso]><p>4711</p><![endif]>"]
)
def test_marked_sections_are_comments(html: str) -> None:
    """As in browsers: they end at the next ">", and what stands behind them is read."""
    assert html_text(html) == "4711"
