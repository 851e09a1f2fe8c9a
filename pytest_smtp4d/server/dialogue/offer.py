"""What a server with certain settings offers: the reply to EHLO, and the parameters of MAIL and RCPT.

RFC 5321 4.1.1.1 (EHLO), 4.1.1.11 (parameters). The facts about each extension stand in `smtp.extension`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_smtp4d.server.dialogue.replies import HOSTNAME, TOO_BIG
from pytest_smtp4d.smtp.command import SYNTAX, VERBS
from pytest_smtp4d.smtp.extension import EXTENSIONS, owner_of
from pytest_smtp4d.smtp.reply import Reply
from pytest_smtp4d.words import escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_smtp4d.server.settings import ServerSettings

__all__ = ["Offer"]


class Offer:
    """What settings come to, worked out once for all sessions that have them.

    Args:
        settings: the server's.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.has_enhanced_codes: bool = settings.esmtp and "ENHANCEDSTATUSCODES" in settings.extensions
        """Whether replies carry enhanced status codes (RFC 2034)."""
        self.has_chunking: bool = settings.esmtp and "CHUNKING" in settings.extensions
        """Whether BDAT is served (RFC 3030)."""
        self.verbs: frozenset[str] = frozenset(verb for verb in VERBS if self._serves(verb))
        """The commands that are served (RFC 5321 4.1.1.8: HELP lists them)."""
        self.capabilities: Callable[..., Reply] = lru_cache(2)(self._capabilities)
        """The reply to EHLO, given whether TLS is on."""
        self.refusal_of: Callable[..., Reply | None] = lru_cache(128)(self._refusal_of)
        """See `_refusal_of`."""

    def _serves(self, verb: str) -> bool:
        settings = self.settings
        served = {
            "EHLO": settings.esmtp,
            "STARTTLS": settings.tls == "starttls",
            "AUTH": settings.esmtp and bool(settings.auth),
            "BDAT": self.has_chunking,
            "EXPN": False,
        }
        return served.get(verb, True)

    def help_on(self, verb: str) -> Reply:
        """Return the reply to HELP with a verb, or with "": which commands are served."""
        if not verb:
            return Reply(214, f"2.0.0 Commands: {' '.join(sorted(self.verbs))}")
        if verb.upper() in self.verbs:
            return Reply(214, f"2.0.0 Syntax: {SYNTAX[verb.upper()]}")
        return Reply(
            504, f"5.5.4 There is no command {escaped(verb.encode('utf-8', 'surrogateescape'))[:60]}"
        )

    def auth(self, *, tls: bool) -> bool:
        """Return whether AUTH is on offer."""
        return bool(self.settings.auth) and (tls or self.settings.auth_without_tls)

    def _capabilities(self, tls: bool) -> Reply:
        settings = self.settings
        lines = [HOSTNAME]
        for keyword in settings.extensions:
            extension = EXTENSIONS[keyword]
            if tls or not extension.under_tls_only:
                argument = getattr(settings, extension.argument) or 0 if extension.argument else None
                lines.append(keyword if argument is None else f"{keyword} {argument}")
        if settings.tls == "starttls" and not tls:
            lines.append("STARTTLS")
        if self.auth(tls=tls):
            lines.append(f"AUTH {' '.join(settings.auth)}")
        return Reply(250, "\n".join(lines))

    def _refusal_of(self, verb: str, parameters: tuple[str, ...], extended: bool, tls: bool) -> Reply | None:
        """Return why the parameters of a MAIL or RCPT are refused, or None.

        Args:
            verb: "MAIL" or "RCPT".
            parameters: as received, "SIZE=120".
            extended: whether the client said EHLO; after HELO there are no parameters.
            tls: whether TLS is on.
        """
        seen: set[str] = set()
        for parameter in parameters:
            keyword, equals, value = parameter.partition("=")
            keyword = keyword.upper()
            extension, row = owner_of(parameter)
            if not extended or row is None or row.verb != verb or not self._offers(extension, tls):
                return Reply(555, f"5.5.4 {verb} parameter {keyword} is not recognized or not implemented")
            if keyword in seen:
                return Reply(501, f"5.5.4 The parameter {keyword} is given twice")
            seen.add(keyword)
            if row.accepts is None and equals:
                return Reply(501, f"5.5.4 The parameter {keyword} takes no value")
            if row.accepts is not None and not row.accepts(value):
                return Reply(501, f"5.5.4 The parameter {keyword} cannot have the value {value!r}")
            if keyword == "SIZE" and self._is_over(int(value)):
                return TOO_BIG
        return None

    def _is_over(self, octets: int) -> bool:
        limit = self.settings.size_limit
        return limit is not None and octets > limit

    def _offers(self, extension: str, tls: bool) -> bool:
        row = EXTENSIONS[extension]
        if row.follows:
            return bool(getattr(self.settings, row.follows))
        return extension in self.settings.extensions and (tls or not row.under_tls_only)
