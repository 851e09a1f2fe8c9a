"""Takes what a pattern matches out of a mail, wherever the mail holds it.

RFC 5322 2.2 (fields), RFC 2045 6 (transfer encodings), RFC 2047 (encoded words), RFC 2231 (parameters).

A body that is base64 hides its words from a pattern. So the octets of the mail are rewritten first, part by
part: decoded, redacted, encoded again. Everything that a report shows is then read from those octets.
"""

from __future__ import annotations

import base64
import binascii
import html
import quopri
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.mail.charset import text_codec
from pytest_smtp4d.mail.encoded_word import decode_words
from pytest_smtp4d.mail.parameter import read_parameters
from pytest_smtp4d.mail.tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_smtp4d.mail.tree import Part

__all__ = ["REPLACEMENT", "Redaction", "leaves"]

REPLACEMENT = "[redacted]"
_FIELD = re.compile(rb"([!-9;-~]{1,900})[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*\n?")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_RUN = re.compile(r"\"[^\"]*\"|'[^']*'|[^<>\"']+")


@dataclass(frozen=True, slots=True)
class Redaction:
    """Patterns, and how to take what they match out of texts, mails and documents.

    Args:
        patterns: each match of one becomes `REPLACEMENT`.
    """

    patterns: tuple[re.Pattern[str], ...] = ()

    def text(self, text: str) -> str:
        """Return a text without what the patterns match."""
        for pattern in self.patterns:
            text = pattern.sub(REPLACEMENT, text)
        return text

    def document(self, value: Any) -> Any:
        """Return a JSON-able value of which every text is redacted, but for keys and the source of a mail.

        Parts are slices of the source, which `content` has redacted before.
        """
        if not self.patterns:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: item if key == "source" else self.document(item) for key, item in value.items()}
        return [self.document(item) for item in value] if isinstance(value, (list, tuple)) else value

    def content(self, octets: bytes) -> bytes:
        """Return the octets of a mail without what the patterns match in its fields and its parts."""
        if not self.patterns:
            return octets
        pieces: list[bytes] = []
        position = 0
        for part in leaves(read_tree(octets)):
            pieces.append(self._fields(octets[position : part.start]))
            pieces.append(self._part(part, octets[part.start : part.end]))
            position = part.end
        pieces.append(self._fields(octets[position:]))
        return b"".join(pieces)

    def _fields(self, octets: bytes) -> bytes:
        """Redact what stands between contents: fields, delimiters, preambles."""
        rewritten = _FIELD.sub(self._field, octets)
        text = rewritten.decode("utf-8", "surrogateescape")
        return self.text(text).encode("utf-8", "surrogateescape")

    def _field(self, match: re.Match[bytes]) -> bytes:
        octets = match[0]
        raw = _FOLD.sub(b"", octets[len(match[1]) :].partition(b":")[2]).strip()
        value = raw.decode("utf-8", "replace")
        decoded = decode_words(value)
        redacted = self.text(decoded)
        kind, parameters = read_parameters(value) if match[1].lower().startswith(b"content-") else ("", {})
        if any(self.text(parameter) != parameter for parameter in parameters.values()):
            redacted = f"{self.text(kind)}; x-parameters={REPLACEMENT}"
        if redacted == decoded:
            return octets
        end = b"\r\n" if octets.endswith(b"\r\n") else b"\n" if octets.endswith(b"\n") else b""
        return b"%s: %s%s" % (match[1], redacted.encode("utf-8", "replace"), end)

    def _part(self, part: Part, encoded: bytes) -> bytes:
        """Redact the content of a part in its own transfer encoding and charset."""
        encoding = read_parameters(part.value_of("content-transfer-encoding"))[0]
        octets = _decoded(encoded, encoding)
        is_text = part.type.startswith("text/")
        charset = (is_text and text_codec(part.parameters.get("charset") or "utf-8")) or "latin-1"
        text = _as_text(octets, charset)
        if text is None:
            charset, text = "latin-1", octets.decode("latin-1")
        redacted = self.text(text)
        if part.type == "text/html" and "&" in redacted:
            redacted = _RUN.sub(self._run, redacted)
        if redacted == text:
            return encoded
        return _encoded(redacted.encode(charset, "replace"), encoding)

    def _run(self, match: re.Match[str]) -> str:
        """Redact a run of HTML whose entities hide what a pattern matches."""
        run = match[0]
        plain = html.unescape(run)
        redacted = self.text(plain)
        if redacted == plain:
            return run
        quote = run[0] if run[0] in "\"'" else ""
        inside = redacted[1:-1] if quote else redacted
        return f"{quote}{html.escape(inside, quote=False).replace(quote or chr(0), '')}{quote}"


def leaves(root: Part) -> Iterator[Part]:
    """Yield the parts without children of a tree in the order in which they stand."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part.children:
            waiting += reversed(part.children)
        else:
            yield part


def _as_text(octets: bytes, charset: str) -> str | None:
    """Decode octets, where encoding the text again would give the same octets."""
    try:
        text = octets.decode(charset)
        return text if text.encode(charset) == octets else None
    except (UnicodeError, LookupError):
        return None


def _decoded(encoded: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        try:
            return base64.b64decode(encoded)
        except (binascii.Error, ValueError):
            return encoded
    return quopri.decodestring(encoded) if encoding == "quoted-printable" else encoded


def _encoded(octets: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.encodebytes(octets).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        return quopri.encodestring(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return octets
