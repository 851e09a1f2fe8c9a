"""A reply: three digits and text, and what they mean.

RFC 5321 4.2 (reply codes), RFC 3463 and RFC 2034 (enhanced status codes).
The enhanced code stays in the text, as the server wrote it, and is read from there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum

__all__ = ["Reply", "Severity", "enhanced_code_of"]


class Severity(IntEnum):
    """The first digit of a reply code (RFC 5321 4.2.1)."""

    POSITIVE = 2
    INTERMEDIATE = 3
    TRANSIENT = 4
    PERMANENT = 5


# status-code = class "." subject "." detail          RFC 3463 2
#   class = "2" / "4" / "5";  subject, detail = 1*3DIGIT
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?= |$)", re.ASCII | re.MULTILINE)


def enhanced_code_of(code: int, text: str) -> str | None:
    """Return the enhanced status code at the head of `text`, or None.

    One whose class contradicts the reply code is no code at all (RFC 2034 4).
    """
    match = _ENHANCED.match(text)
    return match[0] if match and int(match[1]) == code // 100 else None


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's reply.

    Args:
        code: the three digits, 200 to 599.
        text: the text without codes; the lines of a multi-line reply joined by a newline.
        enhanced_code: "5.1.1" or None (RFC 3463); unless given, the one at the head of the text.

    Example:
        >>> reply = Reply(550, "5.1.1 No such user")
        >>> str(reply), reply.enhanced_code, reply.is_permanent
        ('550 5.1.1 No such user', '5.1.1', True)
    """

    code: int
    text: str = ""
    enhanced_code: str | None = None
    _octets: bytes | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.enhanced_code is None and self.text[1:2] == ".":
            object.__setattr__(self, "enhanced_code", enhanced_code_of(self.code, self.text))

    @property
    def severity(self) -> Severity:
        """What the first digit of the code says."""
        return Severity(self.code // 100)

    @property
    def is_positive(self) -> bool:
        """Whether the code is 2yz or 3yz, so that the command took effect, or goes on."""
        return self.code < 400

    @property
    def is_transient(self) -> bool:
        """Whether the code is 4yz, so that the same may work later."""
        return self.code // 100 == Severity.TRANSIENT

    @property
    def is_permanent(self) -> bool:
        """Whether the code is 5yz, so that the same will fail again."""
        return self.code // 100 == Severity.PERMANENT

    @property
    def lines(self) -> list[str]:
        """The lines of the text; at least one."""
        return self.text.split("\n")

    @property
    def octets(self) -> bytes:
        """The reply on the wire, one line for each line of its text (RFC 5321 4.2.1).

        Text outside ASCII goes out as UTF-8 (RFC 6531 3.7.4.1).
        """
        if self._octets is None:
            *before, last = self.lines
            lines = [f"{self.code}-{line}\r\n" for line in before]
            lines.append(f"{self.code} {last}\r\n")
            object.__setattr__(self, "_octets", "".join(lines).encode("utf-8", "surrogateescape"))
        return self._octets  # type: ignore[return-value] # set above

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()
