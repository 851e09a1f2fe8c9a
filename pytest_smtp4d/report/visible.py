"""Texts of others, so that nothing in them is unseen or turns what stands around it."""

from __future__ import annotations

from unicodedata import category

__all__ = ["visible"]

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"


def visible(text: str, *, lines: bool = False) -> str:
    """Return a text with controls and unseen formatting escaped, bidirectional overrides above all.

    The joiners that emoji and Persian words are written with stay, and so do blanks of every width.

    Args:
        text: any text.
        lines: let line feeds and tabs stand.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if category(character) not in _UNSEEN or character in _JOINERS or (lines and character in "\n\t")
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
