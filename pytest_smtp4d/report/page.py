"""Documents become a page: one HTML string that needs no network, and is read back for merging.

The page holds the documents as JSON in a block that no browser runs: a few numbers, and one deflate stream
(RFC 1951) in base64 for everything else. Its policy (CSP level 3) lets exactly one script run, and nothing
be loaded. Template, style and script are files beside this one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import json
import re
import zlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import SMTP4DError
from pytest_smtp4d.report.document import FORMAT
from pytest_smtp4d.report.pack import pack, unpack
from pytest_smtp4d.report.plain import plain_list
from pytest_smtp4d.report.visible import visible

if TYPE_CHECKING:
    from pytest_smtp4d.report.document import ReportDocument

__all__ = ["PageError", "data_block", "read_page", "render"]

SCRIPTS = ("element", "data", "search", "difference", "mail", "views", "compare", "listbox", "page")
"""The files of `script/`, in the order in which they make one script."""

_LEVEL = 7
"""Of compression: 2,000 mails of 13 kB take a second, and 9 makes them 1 % smaller in three."""

_BLOCK = re.compile(r'<script type="application/json" id="smtp4d-data">(.*?)</script>', re.DOTALL)


class PageError(SMTP4DError, ValueError):
    """A file is no page of ours."""


@cache
def _file(name: str) -> str:
    return files("pytest_smtp4d.report").joinpath(name).read_text(encoding="utf-8")


@cache
def script(*, live: bool = False) -> str:
    """Return the page's script: the files of `script/` in one function, which leaves no global but one."""
    parts = "\n".join(_file(f"script/{name}.js") for name in (*SCRIPTS, *(("live",) if live else ())))
    return f'(function () {{\n"use strict";\n{parts}\n}})();\n'


def _policy(connect: str, script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        f"font-src data:; connect-src {connect}; form-action 'none'; base-uri 'none'; frame-src 'none'"
    )


def render(report: ReportDocument, *, live: bool = False) -> str:
    """Return the page of a report.

    Args:
        report: all that it shows.
        live: whether it is served, and asks its server for what has come since; a file fetches nothing.
    """
    code = script(live=live)
    policy = _policy("'self'" if live else "'none'", code)
    parts = {
        "policy": html.escape(policy, quote=True).replace("&#x27;", "'"),
        "title": html.escape(visible(f"SMTP report: {report['run']['name']}")),
        "style": _file("page.css"),
        "script": code,
        "plain": plain_list(report),
        "data": data_block(report),
    }
    # One pass: what a mail holds is never taken for a place of the template.
    page = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _file("page.html"))
    return page.encode("utf-8", "replace").decode("utf-8")


def data_block(report: ReportDocument) -> str:
    """Return a report as JSON that can stand inside a `script` element."""
    octets = json.dumps(pack(report), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15, 9)
    stream = deflate.compress(octets) + deflate.flush()
    block = {"format": FORMAT, "octets": len(octets), "deflate": base64.b64encode(stream).decode("ascii")}
    text = json.dumps(block)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def read_page(text: str) -> ReportDocument:
    """Return the report that a page shows.

    Raises:
        PageError: it is no page of ours, or one of another format.
    """
    found = _BLOCK.search(text)
    if found is None:
        raise PageError("no report of pytest-smtp4d: it holds no data block")
    try:
        block = json.loads(found[1])
        if block["format"] != FORMAT:
            raise PageError(f"a report of format {block['format']}, and this version reads format {FORMAT}")
        octets = zlib.decompress(base64.b64decode(block["deflate"], validate=True), -15)
        return unpack(json.loads(octets))
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error) as error:
        if isinstance(error, PageError):
            raise
        raise PageError(f"a damaged report of pytest-smtp4d ({error})") from None
