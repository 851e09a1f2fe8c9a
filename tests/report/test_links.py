from __future__ import annotations

import pytest

from pytest_smtp4d.report.links import LinkDocument, links_of
from tests.growth import LINEAR, growth


def link(text: str, target: str, count: int = 1) -> LinkDocument:
    """Return a link as the page has it."""
    return {"text": text, "target": target, "count": count}


@pytest.mark.parametrize(
    ("html", "links"),
    [
        ("<a href='https://a.example'>Here\n  and  <b>there</b></a>", [link("Here and there", "https://a.example")]),
        ("<A HREF=x>1</A><a href=x>1</a><a href=y>1</a>", [link("1", "x", 2), link("1", "y")]),
        ("<a href=x>one<a href=y>two", [link("one", "x"), link("two", "y")]),
        ("<a name=here>no</a><a href=''>no</a>", []),
        ("<a href=x><img alt=Logo><img></a>", [link("Logo[picture]", "x")]),
        ("<area href='x' alt='West'><area alt=none>", [link("West", "x")]),
        ("<a href='x?a=1&amp;b=2'>&lt;go&gt;</a>", [link("<go>", "x?a=1&b=2")]),
        ("<a href='java\tscript:x'>x</a><a href='mailto:a@b.example'>m</a>",
         [link("x", "javascript:x"), link("m", "mailto:a@b.example")]),
        ("<!--<a href=x>no</a>--><a href=y>yes</a>", [link("yes", "y")]),
        ("<a href=x>cut", [link("cut", "x")]),
    ],
)  # fmt: skip
def test_links_with_their_texts(html: str, links: list[LinkDocument]) -> None:
    """What a reader reads, where it leads, and how often, in order; every scheme counts."""
    assert links_of(html, None) == links


def test_links_of_a_text() -> None:
    """Without HTML: the URLs of the text."""
    assert links_of(None, "See https://a.example/x, or not.") == [link("", "https://a.example/x")]
    assert links_of(None, None) == []


@pytest.mark.parametrize(
    "piece", ["<a ", "<!--", "<![", "<a href='", "&", "<a href=x>", "<b>", "<a href=x></b>"]
)
def test_the_links_of_hostile_html_are_read_in_one_pass(piece: str) -> None:
    """What never closes is not looked at again and again: a mail cannot hold a report up."""
    assert growth(lambda html: links_of(html, None), piece) <= LINEAR
