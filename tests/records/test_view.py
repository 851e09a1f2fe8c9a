from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.records.view import codes, html_links, html_text, text_links
from tests.growth import LINEAR, growth


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
        ('<a href="https://example.com/?a=1&copy=2&lt=3&amp;b=&para;&#x26;">x</a>', ["https://example.com/?a=1&copy=2&lt=3&b=¶&"]),
        ("<a/href=https://example.com/x/ title=a>x</a>", ["https://example.com/x/"]),
        ("<a title='<a href=https://a.example>' href = 'https://b.example'>x</a>", ["https://b.example"]),
        ('<a href="https://example.com/1" href="https://example.com/2">x</a>', ["https://example.com/1"]),
        ('<title><a href="https://a.example"></title><p hidden><a href="https://b.example">x', ["https://b.example"]),
        ("<a href='https://example.com/&#" + "9" * 5000 + ";'>x</a>", ["https://example.com/\ufffd"]),
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
        ("https://example.com/a" + ").,;:!?'*]}" * 20_000, ["https://example.com/a"]),
        ("https://example.com/((a)" + ")" * 20_000, ["https://example.com/((a))"]),
        ("https://... http://) https://", []),
        ("https://example.com/(a)" + ").]*" * 50_000, ["https://example.com/(a)"]),
        ("https://example.com/" + "(" * 9 + ")" * 50_000, ["https://example.com/" + "(" * 9 + ")" * 9]),
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
        ("a<script>var b = '<p>c</p>'</script>d<template>e</template>f", "adf"),
        ("<td>1</td><td>2</td>", "1\n2"),
        ("<span>12</span><span>34</span>", "1234"),
        ("one<br>two<br/>three<hr>four", "one\ntwo\nthree\nfour"),
        ("<div style='display:none'>pre<div>header</div></div>x", "x"),
        ("<div STYLE='Display : NONE'>pre</div>x", "x"),
        ("<p hidden>a</p><p>b</p>", "b"),
        ("<img alt='1234' hidden>x", "x"),
        ("<!--[if mso]>Outlook<![endif]--><!--[if !mso]><!-->others<!--<![endif]-->", "others"),
        ("a<!-- b -- > c -->d<!-->e<!--->f<!--g--!>h<!--i", "adefh"),
        ("a<?php b ?>c</>d</ e>f<!DOCTYPE html>g", "acdfg"),
        ("<p hidden>a<p>b<li hidden>c<li>d", "b\nd"),
        ("<p hidden><b>a<div>b</div>", "b"),
        ("<table><tr><td hidden>a<td>b<tr style='display:none'><td>c<tr><td>d</table>", "b\nd"),
        ("<div hidden><div>a</div>b</div>c", "c"),
        ("<div style='visibility:hidden'>a<b style='visibility: visible'>b</b>c</div>d", "b\nd"),
        ("<p style='display:block' hidden>a</p>b", "a\nb"),
        ("<p style='display:none;display:inline'>a</p>", "a"),
        ("<p style='display : none ! important; display:block'>a</p>b", "b"),
        ("<p style='color:red;display:/* x */none'>a</p>b", "b"),
        ("<p style='background:url(display:none)'>a</p>", "a"),
        ("<p style='display:none' style='display:block'>a</p>b", "b"),
        ("<p title='display:none hidden'>a</p>", "a"),
        ("12<span style='display:none'>x</span>34<p hidden></p>5", "12345"),
        ("a </b> b<i> c</i>", "a b c"),
        ("<textarea>a &amp; <b></textarea><title>c</title>d", "a & <b>\nd"),
        ("<scriptx>a</scriptx><SCRIPT>b</script x>c</script>d<style>e", "acd"),
        (
            "1 < 2 & 3 > 2 &copy &notit; &#x1F600; &#0; &#99999999999999;",
            "1 < 2 & 3 > 2 © ¬it; 😀 \ufffd \ufffd",
        ),
        ("a<b c=\"d>e' f=g>h", "a"),
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
        ("4711 or 4712", r"(4711)|4712", ["4711"]),
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


def digits(text: str) -> list[str]:
    """Look for codes as `ReceivedMessage.codes` does."""
    return codes(text, r"\b\d{4,8}\b")


@pytest.mark.parametrize(
    "piece",
    ["<a ", "<", "</", "<!--", "<!", "<a href='", "<p hidden>", "<b></i>", "<p><b>", "&", "&#9", "&a",
     "<script>", "</script", "<title>", "<a b=", "<td>", "<a\t\n", "<b style='/*'>", "<b style='a:b;",
     "https://a)", "((", "<![", "<?", "<b>", "<b><p>", "<i></p>", "<li>", "<table><tr><td>", "<a/", "<a x=y ",
     "&lt", "<b hidden>", "<!---->", "<textarea></", "http://"],
)  # fmt: skip
@pytest.mark.parametrize("view", [html_text, html_links, text_links, digits])
def test_hostile_html_is_read_in_one_pass(piece: str, view: Callable[[str], object]) -> None:
    """What makes others look again and again takes eight times as long where it is eight times as much."""
    assert growth(view, piece) <= LINEAR
