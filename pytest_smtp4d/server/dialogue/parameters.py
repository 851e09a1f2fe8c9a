"""The parameters of MAIL and RCPT: who may use which, and what their values may be.

RFC 5321 4.1.1.11, RFC 1870 4 (SIZE), RFC 6152 2 and RFC 3030 3 (BODY), RFC 6531 3.4 (SMTPUTF8), RFC 3461 4
(DSN), RFC 4954 5 (AUTH), RFC 2852 4 (BY), RFC 6710 4 (MT-PRIORITY), RFC 8689 4.1 (REQUIRETLS).
The one thing to know: a keyword whose extension is not on offer gets 555, a value that cannot be gets 501.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import RemoteProtocolError
from pytest_smtp4d.records.violation import extension_of
from pytest_smtp4d.smtp.envelope import xtext_decode
from pytest_smtp4d.smtp.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_smtp4d.server.settings import ServerSettings

__all__ = ["refusal_of_parameters"]

TOO_BIG = Reply(552, "5.3.4 Message size exceeds fixed maximum message size")

_SIZE = re.compile(r"\d{1,20}", re.ASCII)
_NOTIFY = re.compile(r"NEVER|(SUCCESS|FAILURE|DELAY)(,(SUCCESS|FAILURE|DELAY))*")
_ORCPT = re.compile(r"[A-Za-z0-9-]+;(.+)")
_BY = re.compile(r"-?\d{1,9};[RN]T?")
_PRIORITY = re.compile(r"-?[0-9]")


def _is_xtext(value: str) -> bool:
    try:
        xtext_decode(value)
    except RemoteProtocolError:
        return False
    return bool(value)


def _is_original_recipient(value: str) -> bool:
    match = _ORCPT.fullmatch(value)
    # utf-8-addr-xtext of RFC 6533 3 is taken as it comes.
    return match is not None and (value.lower().startswith("utf-8;") or _is_xtext(match[1]))


# Keyword -> what its value must be; None: it takes no value.
_MAIL: dict[str, Callable[[str], bool] | None] = {
    "SIZE": lambda value: _SIZE.fullmatch(value) is not None,
    "BODY": lambda value: value.upper() in ("7BIT", "8BITMIME", "BINARYMIME"),
    "SMTPUTF8": None,
    "RET": lambda value: value.upper() in ("FULL", "HDRS"),
    "ENVID": lambda value: len(value) <= 100 and _is_xtext(value),
    "AUTH": _is_xtext,
    "BY": lambda value: _BY.fullmatch(value.upper()) is not None,
    "MT-PRIORITY": lambda value: _PRIORITY.fullmatch(value) is not None,
    "REQUIRETLS": None,
}
_RCPT: dict[str, Callable[[str], bool] | None] = {
    "NOTIFY": lambda value: _NOTIFY.fullmatch(value.upper()) is not None,
    "ORCPT": lambda value: len(value) <= 500 and _is_original_recipient(value),
}


def refusal_of_parameters(
    verb: str, parameters: Sequence[str], settings: ServerSettings, extended: bool
) -> Reply | None:
    """Return why the parameters of a MAIL or RCPT are refused, or None.

    Args:
        verb: "MAIL" or "RCPT".
        parameters: as received, "SIZE=120".
        settings: what is on offer.
        extended: whether the client said EHLO; after HELO there are no parameters.
    """
    known = _MAIL if verb == "MAIL" else _RCPT
    seen: set[str] = set()
    for parameter in parameters:
        keyword, equals, value = parameter.partition("=")
        keyword = keyword.upper()
        if not extended or keyword not in known or not _is_offered(extension_of(parameter), settings):
            return Reply(555, f"5.5.4 {verb} parameter {keyword} is not recognized or not implemented")
        if keyword in seen:
            return Reply(501, f"5.5.4 The parameter {keyword} is given twice")
        seen.add(keyword)
        check = known[keyword]
        if check is None and equals:
            return Reply(501, f"5.5.4 The parameter {keyword} takes no value")
        if check is not None and not check(value):
            return Reply(501, f"5.5.4 The parameter {keyword} cannot have the value {value!r}")
        if keyword == "SIZE" and settings.size_limit is not None and int(value) > settings.size_limit:
            return TOO_BIG
    return None


def _is_offered(extension: str, settings: ServerSettings) -> bool:
    return bool(settings.auth) if extension == "AUTH" else extension in settings.extensions
