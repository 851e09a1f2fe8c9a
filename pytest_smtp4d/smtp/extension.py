"""Extensions: what a server offers in its reply to EHLO, and the table of those that ours speaks.

RFC 5321 4.1.1.1 (EHLO), 4.1.1.11 (parameters), and the RFC of each extension. What was offered before TLS
counts for nothing after it (RFC 3207 4.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_smtp4d.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["EXTENSIONS", "Extension", "Extensions", "Parameter", "owner_of"]


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


# The extensions that our server speaks, one row each: what EHLO says, which parameters of MAIL and RCPT
# belong to it, what values those may have, and by how many octets they lengthen the command. Whatever else
# needs one of these facts (the settings, the judge, the limits of command lines, the documentation) reads it
# here.


class Parameter(NamedTuple):
    """A parameter of MAIL or RCPT (RFC 5321 4.1.1.11).

    Args:
        verb: "MAIL" or "RCPT".
        keyword: upper case.
        octets: by how many it lengthens the command line at most, the blank included.
        accepts: whether a value is one; None: the parameter takes no value.
    """

    verb: Literal["MAIL", "RCPT"]
    keyword: str
    octets: int
    accepts: Callable[[str], bool] | None = None


class Extension(NamedTuple):
    """An extension of SMTP.

    Args:
        keyword: as EHLO names it.
        rfc: where it is defined.
        parameters: those that it brings.
        argument: the setting whose value stands behind the keyword, or "".
        follows: the setting that puts it on offer; "": the setting `extensions`.
        by_default: whether a server offers it unless it is told otherwise.
        under_tls_only: whether it may be on offer only under TLS.
    """

    keyword: str
    rfc: str
    parameters: tuple[Parameter, ...] = ()
    argument: str = ""
    follows: str = ""
    by_default: bool = True
    under_tls_only: bool = False


def _pattern(pattern: str) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(pattern, value, re.ASCII | re.IGNORECASE) is not None


def _is_xtext(value: str) -> bool:
    from pytest_smtp4d.smtp.envelope import xtext_decode

    try:
        xtext_decode(value)
    except RemoteProtocolError:
        return False
    return bool(value)


def _is_original_recipient(value: str) -> bool:
    """Return whether a value is what ORCPT takes: utf-8-addr-xtext of RFC 6533 3 is taken as it comes."""
    address_type, semicolon, address = value.partition(";")
    if not (semicolon and address and re.fullmatch(r"[A-Za-z0-9-]+", address_type)) or len(value) > 500:
        return False
    return address_type.lower() == "utf-8" or _is_xtext(value)


# by-value = by-time ";" by-mode [by-trace]; with by-mode "R" the time is above zero     RFC 2852 4
_is_by_value = _pattern(r"[-+]?\d{1,9};NT?|\+?(?!0{1,9};)\d{1,9};RT?")

EXTENSIONS: Mapping[str, Extension] = {
    extension.keyword: extension
    for extension in (
        Extension("PIPELINING", "RFC 2920"),
        Extension(
            "SIZE", "RFC 1870", (Parameter("MAIL", "SIZE", 26, _pattern(r"\d{1,20}")),), argument="size_limit"
        ),
        Extension("8BITMIME", "RFC 6152", (Parameter("MAIL", "BODY", 17, _pattern("7BIT|8BITMIME")),)),
        Extension("SMTPUTF8", "RFC 6531", (Parameter("MAIL", "SMTPUTF8", 10),)),
        Extension(
            "DSN",
            "RFC 3461",
            (
                Parameter("MAIL", "RET", 9, _pattern("FULL|HDRS")),
                Parameter("MAIL", "ENVID", 107, lambda value: len(value) <= 100 and _is_xtext(value)),
                Parameter(
                    "RCPT",
                    "NOTIFY",
                    29,
                    _pattern("NEVER|(SUCCESS|FAILURE|DELAY)(,(SUCCESS|FAILURE|DELAY))*"),
                ),
                Parameter("RCPT", "ORCPT", 507, _is_original_recipient),
            ),
        ),
        Extension("CHUNKING", "RFC 3030"),
        Extension("BINARYMIME", "RFC 3030", (Parameter("MAIL", "BODY", 0, _pattern("BINARYMIME")),)),
        Extension("ENHANCEDSTATUSCODES", "RFC 2034"),
        Extension(
            "REQUIRETLS",
            "RFC 8689",
            (Parameter("MAIL", "REQUIRETLS", 11),),
            by_default=False,
            under_tls_only=True,
        ),
        Extension("DELIVERBY", "RFC 2852", (Parameter("MAIL", "BY", 17, _is_by_value),), by_default=False),
        Extension(
            "MT-PRIORITY",
            "RFC 6710",
            (Parameter("MAIL", "MT-PRIORITY", 15, _pattern("-?[0-9]")),),
            by_default=False,
        ),
        Extension("AUTH", "RFC 4954", (Parameter("MAIL", "AUTH", 500, _is_xtext),), "auth", follows="auth"),
        Extension("STARTTLS", "RFC 3207", follows="tls"),
    )
}


def _owners() -> Mapping[str, list[tuple[str, Parameter]]]:
    owners: dict[str, list[tuple[str, Parameter]]] = {}
    for extension in EXTENSIONS.values():
        for parameter in extension.parameters:
            owners.setdefault(parameter.keyword, []).append((extension.keyword, parameter))
    return owners


_OWNERS = _owners()


def owner_of(parameter: str) -> tuple[str, Parameter | None]:
    """Return the extension that a parameter belongs to, and its row.

    Args:
        parameter: as received, "BODY=8BITMIME".

    Returns:
        The extension's keyword and the row; the parameter's own keyword and None where it belongs to none.
        Where two extensions share a keyword, the value decides.
    """
    keyword, _, value = parameter.partition("=")
    keyword = keyword.upper()
    owners = _OWNERS.get(keyword)
    if owners is None:
        return keyword, None
    if len(owners) > 1:
        for owner, row in owners:
            if row.accepts is not None and row.accepts(value):
                return owner, row
    return owners[0]
