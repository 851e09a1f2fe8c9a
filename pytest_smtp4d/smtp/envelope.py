"""The envelope: one reverse-path, the forward-paths, and the parameters of MAIL and RCPT.

RFC 5321 2.3.1, 4.1.1.2, 4.1.1.3, 4.1.2, 4.1.3 (syntax), RFC 6531 3.3 (UTF-8 in mailboxes), RFC 3461 4
(xtext).
A mailbox here is text without angle brackets; "" is the null reverse-path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_smtp4d.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "Envelope",
    "MalformedPath",
    "Path",
    "is_address_literal",
    "is_domain",
    "is_mailbox",
    "parse_path",
    "xtext_decode",
]

# Mailbox       = Local-part "@" ( Domain / address-literal )                            RFC 5321 4.1.2
# Local-part    = Dot-string / Quoted-string
# Dot-string    = Atom *( "." Atom )
# Quoted-string = DQUOTE *( qtextSMTP / quoted-pairSMTP ) DQUOTE
# Domain        = sub-domain *( "." sub-domain );  sub-domain = Let-dig [ Ldh-str ]
# and UTF8-non-ascii in atext, qtextSMTP and sub-domain                                  RFC 6531 3.3
# QUIRK: "_" is taken in a sub-domain; names inside container networks have it, and mail servers let it pass.
# Sets say what they exclude: one that runs up to U+10FFFF takes milliseconds to compile wherever it stands.
_ATOM = r"[^\x00-\x20\"(),.:;<>@\[\\\]\x7f]+"
_DOT_STRING = rf"{_ATOM}(?:\.{_ATOM})*"
_QUOTED_STRING = r'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"'
_LET_DIG = r"[^\x00-/:-@\[-^`{-\x7f]"
_LDH = r"[^\x00-,./:-@\[-^`{-\x7f]"
_SUB_DOMAIN = rf"{_LET_DIG}(?:{_LDH}*{_LET_DIG})?"
_DOMAIN = rf"{_SUB_DOMAIN}(?:\.{_SUB_DOMAIN})*"
_LITERAL = r"\[[\x21-\x5a\x5e-\x7e]+\]"  # what may stand between the brackets: see is_address_literal
_MAILBOX = rf"(?:{_DOT_STRING}|{_QUOTED_STRING})@(?:{_DOMAIN}|{_LITERAL})"

# Path = "<" [ A-d-l ":" ] Mailbox ">";  A-d-l = "@" Domain *( "," "@" Domain ), to be ignored
# QUIRK: one blank after the colon is taken (RFC 5321 3.3 says it must not be sent; widely used libraries do).
_PATH = re.compile(
    rf"(?P<keyword>(?i:FROM|TO)): ?"
    rf"<(?:(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?(?P<mailbox>{_MAILBOX}|(?i:postmaster))|)>"
    r"(?: +(?P<rest>.*))?"
)
_WITHOUT_AT = re.compile(r"(?P<keyword>(?i:FROM|TO)): ?<(?P<mailbox>[^<>@\s]+)>")
_BAD_MAILBOX = {"FROM": "5.1.7", "TO": "5.1.3"}  # a sender's, a destination's mailbox of bad syntax: RFC 3463
_DOMAIN_ALONE = re.compile(_DOMAIN)
_MAILBOX_ALONE = re.compile(rf"{_MAILBOX}|(?i:postmaster)")

# esmtp-param = esmtp-keyword [ "=" esmtp-value ];  esmtp-value = 1*( %d33-60 / %d62-126 )
# QUIRK: "=" inside a value is taken, for base64 in AUTH= and the like.
_PARAMETER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:=[^\x00-\x20\x7f]+)?")

_XTEXT_PLAIN = frozenset(range(0x21, 0x7F)) - {0x2B, 0x3D}
_XTEXT_HEX = re.compile(r"\+([0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who a message is from and for, apart from what its header says.

    Args:
        mail_from: the reverse-path's mailbox; "" for the null reverse-path.
        rcpt_to: the forward-paths' mailboxes; at least one.

    Raises:
        LocalProtocolError: no recipient, or a mailbox that RFC 5321 4.1.2 does not allow.
    """

    mail_from: str
    rcpt_to: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.rcpt_to:
            raise LocalProtocolError("an envelope needs at least one recipient")
        if self.mail_from and not is_mailbox(self.mail_from):
            raise LocalProtocolError(f"{self.mail_from!r} is no mailbox to send from (RFC 5321 4.1.2)")
        for mailbox in self.rcpt_to:
            if not is_mailbox(mailbox):
                raise LocalProtocolError(f"{mailbox!r} is no mailbox to send to (RFC 5321 4.1.2)")

    @property
    def is_ascii(self) -> bool:
        """True when no mailbox needs SMTPUTF8 (RFC 6531)."""
        return self.mail_from.isascii() and all(mailbox.isascii() for mailbox in self.rcpt_to)


class MalformedPath(RemoteProtocolError):  # noqa: N818 - what the argument is
    """The argument of MAIL or RCPT has not the syntax of RFC 5321 4.1.2.

    Args:
        message: a sentence for the reply.
        enhanced_code: the enhanced status code of the reply.
    """

    def __init__(self, message: str, enhanced_code: str = "5.5.4") -> None:
        super().__init__(message)
        self.enhanced_code = enhanced_code


@dataclass(frozen=True, slots=True)
class Path:
    """What stands behind MAIL or RCPT.

    Args:
        mailbox: without brackets and source route; "" for `<>`.
        parameters: "KEYWORD" or "KEYWORD=value", as received.
    """

    mailbox: str
    parameters: tuple[str, ...] = ()


def is_domain(text: str) -> bool:
    """Return True when `text` is a Domain of RFC 5321 4.1.2 (no address literal)."""
    return _DOMAIN_ALONE.fullmatch(text) is not None


def is_mailbox(text: str) -> bool:
    """Return True when `text` is a Mailbox of RFC 5321 4.1.2 (with RFC 6531), or the lone "postmaster"."""
    return _MAILBOX_ALONE.fullmatch(text) is not None and _has_possible_domain(text)


def is_address_literal(text: str) -> bool:
    """Return True when `text`, with its brackets, is an address literal (RFC 5321 4.1.3).

    That is an IPv4 address, or "IPv6:" and an IPv6 address: no other tag is registered.
    """
    if text[:1] != "[" or text[-1:] != "]":
        return False
    address = text[1:-1]
    if address[:5].upper() == "IPV6:":
        return _is_ipv6(address[5:])
    snums = address.split(".")  # Snum = 1*3DIGIT, from 0 through 255; leading zeros are allowed
    return len(snums) == 4 and all(
        1 <= len(snum) <= 3 and snum.isascii() and snum.isdigit() and int(snum) <= 255 for snum in snums
    )


def _is_ipv6(text: str) -> bool:
    from ipaddress import AddressValueError, IPv6Address

    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return "%" not in text  # a zone means something on one host only


def _has_possible_domain(mailbox: str) -> bool:
    return mailbox[-1:] != "]" or is_address_literal(mailbox[mailbox.rindex("@") + 1 :])


def parse_path(argument: str, keyword: str) -> Path:
    """Read the argument of MAIL (`keyword` "FROM") or RCPT ("TO").

    Raises:
        MalformedPath: with a sentence and an enhanced status code for a 501 reply.
    """
    match = _PATH.fullmatch(argument)
    if match is None or match["keyword"].upper() != keyword:
        without_at = _WITHOUT_AT.match(argument)
        if without_at is not None and without_at["keyword"].upper() == keyword:
            raise MalformedPath(
                f"There is no '@' in the mailbox {without_at['mailbox']}", _BAD_MAILBOX[keyword]
            )
        raise MalformedPath(f"Syntax: {keyword}:<mailbox> [parameters]")
    mailbox = match["mailbox"] or ""
    if not _has_possible_domain(mailbox):
        raise MalformedPath(
            f"{mailbox} holds an impossible address literal (RFC 5321 4.1.3)", _BAD_MAILBOX[keyword]
        )
    if not mailbox and keyword == "TO":
        raise MalformedPath("The null path is for MAIL FROM only")
    rest = match["rest"]
    if not rest:
        return Path(mailbox)
    parameters = tuple(rest.split())
    for parameter in parameters:
        if _PARAMETER.fullmatch(parameter) is None:
            raise MalformedPath(f"Malformed parameter {parameter}")
    return Path(mailbox, parameters)


def xtext_decode(text: str) -> str:
    """Return what an xtext stands for (RFC 3461 4).

    Raises:
        RemoteProtocolError: it is no xtext.
    """
    plain = _XTEXT_HEX.sub("", text)
    if any(ord(character) not in _XTEXT_PLAIN for character in plain):
        raise RemoteProtocolError(f"{text} is no xtext (RFC 3461 4)")
    octets = _XTEXT_HEX.sub(lambda match: chr(int(match[1], 16)), text).encode("latin-1")
    return octets.decode("utf-8", "replace")
