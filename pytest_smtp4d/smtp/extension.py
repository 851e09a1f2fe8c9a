"""What a server offers in its reply to EHLO.

RFC 5321 4.1.1.1, RFC 1870 (SIZE), RFC 4954 3 (AUTH).
What was offered before TLS counts for nothing after it (RFC 3207 4.2), so EHLO is read anew there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["Extensions"]


@dataclass(frozen=True, slots=True)
class Extensions:
    """The keywords that a server named, upper case, and their parameters.

    `"PIPELINING" in extensions` asks for one. A server that only took HELO offers none.
    """

    keywords: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_reply(cls, reply: Reply) -> Extensions:
        """Read the reply to EHLO: its first line greets, each other is a keyword and its parameters.

        QUIRK: "AUTH=LOGIN" (as old servers write it) counts as "AUTH LOGIN"; several AUTH lines add up.
        """
        keywords: dict[str, str] = {}
        for line in reply.lines[1:]:
            keyword, _, parameters = line.strip().partition(" ")
            keyword = keyword.upper()
            if keyword.startswith("AUTH="):
                keyword, parameters = "AUTH", f"{keyword[5:]} {parameters}"
            if keyword == "AUTH" and keyword in keywords:
                parameters = f"{keywords[keyword]} {parameters}"
            if keyword:
                keywords[keyword] = parameters.strip()
        return cls(keywords)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms offered, upper case, in the server's order."""
        return tuple(dict.fromkeys(self.keywords.get("AUTH", "").upper().split()))

    @property
    def size(self) -> int | None:
        """The largest message taken, in octets; None where no limit was named (0 means none, too)."""
        number = self.keywords.get("SIZE", "")
        # size-value = 1*20DIGIT (RFC 1870 3); a longer number limits nothing, and `int` may refuse it.
        if not number.isascii() or not number.isdigit() or len(number) > 20:
            return None
        return int(number) or None

    def without(self, keyword: str) -> Extensions:
        """Return the same offer without one keyword."""
        return Extensions({name: value for name, value in self.keywords.items() if name != keyword})
