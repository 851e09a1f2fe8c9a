"""Decides whether the value of a structured header field is what a client may write.

RFC 5322 3.2 to 3.6 without its section 4 (what a client must not generate), RFC 6532 3.2 (UTF-8), RFC 6854
(groups in From), RFC 2369 2 (List-Unsubscribe).

A value becomes a list of tokens, each written as one letter, and the grammar is a regular expression over
these letters. A text is read once from front to back: the first thing that is not a token ends it.
"""

from __future__ import annotations

import re
from datetime import date

__all__ = [
    "is_address_list",
    "is_date",
    "is_mailbox",
    "is_message_id",
    "is_message_id_list",
    "unsubscribe_uris",
]

# --- tokens ---------------------------------------------------------------------------------------
#
#   a atom   q quoted string   l domain literal   s blanks and comments   and the specials . @ < > , : ;
#
# An encoded word is an atom whatever stands in it, and octets above 127 are letters: raw ones are a flaw of
# their own.
_TOKEN = re.compile(
    r"""(?P<s>[ \t\r\n]+)
      | (?P<q>"(?:[^"\\]|\\.)*")
      | (?P<l>\[[^\[\]\\]*\])
      | (?P<a>=\?[^?\s]{1,80}\?[QqBb]\?[^?\s]*\?=|[!\#$%&'*+\-/=?^_`{|}~0-9A-Za-z\x80-\U0010ffff]+)
      | (?P<c>\()
      | [.@<>,:;]""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"[^()\\]+|\\.?|[()]", re.DOTALL)


def _kinds(text: str) -> str:
    """Return one letter for each token; "!" stands for what is none, and ends it."""
    kinds: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return "".join([*kinds, "!"])
        kind, position = match.lastgroup or match[0], match.end()
        if kind == "c":
            kind, position = "s", _after_comment(text, position)
            if position < 0:
                return "".join([*kinds, "!"])
        if kind != "s" or kinds[-1:] != ["s"]:
            kinds.append(kind)
    return "".join(kinds)


def _after_comment(text: str, position: int) -> int:
    """Return where the comment that opened before `position` ends; -1 where it does not."""
    depth = 1
    for match in _COMMENT.finditer(text, position):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if not depth:
            return match.end()
    return -1


# --- addresses ------------------------------------------------------------------------------------
#
#   addr-spec    = local-part "@" domain              local-part = dot-atom / quoted-string     RFC 5322 3.4.1
#   mailbox      = addr-spec / [display-name] "<" addr-spec ">"                                   RFC 5322 3.4
#   display-name = word *(word / ".")       QUIRK: the "." of RFC 5322 4.1; EmailMessage writes `Dr. Lee <…>`
#   group        = display-name ":" [mailbox-list / CFWS] ";"
#   address-list = (mailbox / group) *("," (mailbox / group))

_ADDR_SPEC = r"s?(?:a(?:\.a)*|q)s?@s?(?:a(?:\.a)*|l)s?"
_PHRASE = r"s?[aq]s?(?:[aq.]s?)*"
_MAILBOX = rf"(?:{_ADDR_SPEC}|(?:{_PHRASE}|s)?<{_ADDR_SPEC}>s?)"
_ADDRESS = rf"(?:{_MAILBOX}|{_PHRASE}:(?:s?|{_MAILBOX}(?:,{_MAILBOX})*);s?)"
_ADDRESS_LIST = re.compile(rf"{_ADDRESS}(?:,{_ADDRESS})*")
_ONE_MAILBOX = re.compile(_MAILBOX)


def is_address_list(text: str) -> bool:
    """Return whether a value is a list of mailboxes and groups, one at least (RFC 5322 3.4)."""
    return _ADDRESS_LIST.fullmatch(_kinds(text)) is not None


def is_mailbox(text: str) -> bool:
    """Return whether a value is one mailbox, as Sender has it (RFC 5322 3.6.2)."""
    return _ONE_MAILBOX.fullmatch(_kinds(text)) is not None


# --- identifiers ----------------------------------------------------------------------------------
#
#   msg-id = [CFWS] "<" dot-atom-text "@" (dot-atom-text / no-fold-literal) ">" [CFWS]          RFC 5322 3.6.4

_MESSAGE_ID = r"s?<a(?:\.a)*@(?:a(?:\.a)*|l)>s?"
_ONE_MESSAGE_ID = re.compile(_MESSAGE_ID)
_MESSAGE_ID_LIST = re.compile(rf"(?:{_MESSAGE_ID})+")


def is_message_id(text: str) -> bool:
    """Return whether a value is one message identifier, as Message-ID has it."""
    return _ONE_MESSAGE_ID.fullmatch(_kinds(text)) is not None


def is_message_id_list(text: str) -> bool:
    """Return whether a value is one message identifier or more, as References has them."""
    return _MESSAGE_ID_LIST.fullmatch(_kinds(text)) is not None


# --- dates ----------------------------------------------------------------------------------------
#
#   date-time = [ day-name "," ] day month year hour ":" minute [ ":" second ] zone [CFWS]        RFC 5322 3.3

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(
    rf"(?:({'|'.join(_DAYS)}),[ \t]*)?(\d{{1,2}})[ \t]+({'|'.join(_MONTHS)})[ \t]+(\d{{4}})"
    r"[ \t]+(?:[01]\d|2[0-3]):[0-5]\d(?::(?:[0-5]\d|60))?[ \t]+[+-]\d\d[0-5]\d",
    re.IGNORECASE | re.ASCII,
)


def is_date(text: str) -> bool:
    """Return whether a value is a date of a day that exists; a day of the week, if any, is the right one."""
    text = text.strip(" \t")
    match = _DATE.match(text)
    if match is None or _kinds(text[match.end() :]) not in ("", "s"):
        return False
    day_name, day, month, year = match[1], int(match[2]), match[3], int(match[4])
    try:
        moment = date(year, _MONTHS.index(month.title()) + 1, day)
    except ValueError:
        return False
    return year >= 1900 and (day_name is None or day_name.title() == _DAYS[moment.weekday()])


# --- mailing lists --------------------------------------------------------------------------------

_URI = re.compile(r"<([A-Za-z][A-Za-z0-9+.\-]*:[!#-;=?-~]+)>")
_BLANKS = re.compile(r"[ \t\r\n]*")


def unsubscribe_uris(text: str) -> list[str] | None:
    """Return the URIs of List-Unsubscribe; None where the value is not a list of them in angle brackets.

    Comments may stand between them (RFC 2369 2); blanks within the brackets may not be sent.
    """
    uris: list[str] = []
    position, wanted = 0, True
    while True:
        position = _after_blanks(text, position)
        if position < 0 or position == len(text):
            return uris if position >= 0 and not wanted else None
        if wanted:
            match = _URI.match(text, position)
            if match is None:
                return None
            uris.append(match[1])
            position = match.end()
        elif text[position] == ",":
            position += 1
        else:
            return None
        wanted = not wanted


def _after_blanks(text: str, position: int) -> int:
    """Return where blanks and comments end; -1 where a comment does not."""
    while True:
        match = _BLANKS.match(text, position)
        position = match.end() if match else position
        if text[position : position + 1] != "(":
            return position
        position = _after_comment(text, position + 1)
        if position < 0:
            return position
