"""The commands around a mail transaction: HELO, EHLO, STARTTLS, RSET, NOOP, VRFY, HELP, QUIT.

RFC 5321 4.1.1.1, 4.1.1.5 to 4.1.1.10 (commands), RFC 3207 (STARTTLS), RFC 1870 (SIZE), RFC 4954 3 (AUTH).
The one thing to know: each method finds the server's own reply and what the command does, and leaves to
`answer` whether it does it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_smtp4d.server.dialogue_old import COMMANDS, Dialogue
from pytest_smtp4d.server.smtpd import HOSTNAME
from pytest_smtp4d.smtp.reply import Reply

if TYPE_CHECKING:
    from pytest_smtp4d.server.settings import ServerSettings

__all__ = ["Commands"]

OK = Reply(250, "2.0.0 OK")
BYE = Reply(221, "2.0.0 Bye")
NO_ARGUMENT = Reply(501, "5.5.4 The command takes no argument")
HELO_NEEDS_NAME = Reply(501, "Syntax: HELO hostname")
EHLO_NEEDS_NAME = Reply(501, "Syntax: EHLO hostname")
NO_ESMTP = Reply(502, "Command not implemented")
NOT_VERIFIED = Reply(252, "2.5.0 Cannot VRFY user, but will accept message and attempt delivery")
VRFY_NEEDS_ADDRESS = Reply(501, "5.5.4 Syntax: VRFY address")
EHLO_FIRST = Reply(503, "5.5.1 Send EHLO first")
NO_STARTTLS = Reply(502, "5.5.1 STARTTLS is not implemented")
TLS_ALREADY = Reply(503, "5.5.1 TLS is already active")
READY_FOR_TLS = Reply(220, "2.0.0 Ready to start TLS")

SYNTAX = {
    "AUTH": "AUTH mechanism [initial-response]",
    "BDAT": "BDAT octets [LAST]",
    "DATA": "DATA",
    "EHLO": "EHLO hostname",
    "HELO": "HELO hostname",
    "HELP": "HELP [command]",
    "MAIL": "MAIL FROM:<mailbox> [parameters]",
    "NOOP": "NOOP [argument]",
    "QUIT": "QUIT",
    "RCPT": "RCPT TO:<mailbox> [parameters]",
    "RSET": "RSET",
    "STARTTLS": "STARTTLS",
    "VRFY": "VRFY address",
}
"""What HELP says of each command."""


@lru_cache(64)
def _helped(commands: frozenset[str]) -> Reply:
    return Reply(214, f"2.0.0 Commands: {' '.join(sorted(commands))}")


class Commands(Dialogue):
    """The commands that are about the session."""

    @property
    def greeted(self) -> bool:
        """Whether HELO or EHLO took effect (since TLS began, where it did)."""
        assert self.session is not None
        return self.session.host_name is not None

    @property
    def offers_auth(self) -> bool:
        """Whether AUTH is on offer at this moment."""
        return bool(self.settings.auth) and (self.under_tls or self.settings.auth_without_tls)

    # -- HELO, EHLO -----------------------------------------------------------------------------------------

    async def smtp_HELO(self, argument: str) -> None:  # noqa: N802 - aiosmtpd's dispatch name, as are the others
        """Greet a client of the HELO age (RFC 5321 4.1.1.1)."""
        natural = self.barred("HELO") or (Reply(250, HOSTNAME) if argument else HELO_NEEDS_NAME)
        await self.answer("HELO", argument, natural, lambda taken, _: self._greet(argument, False, taken))

    async def smtp_EHLO(self, argument: str) -> None:  # noqa: N802
        """Greet a client and name the extensions (RFC 5321 4.1.1.1)."""
        if not self.settings.esmtp:
            natural = NO_ESMTP
        elif not argument:
            natural = EHLO_NEEDS_NAME
        else:
            natural = self.barred("EHLO") or _capabilities(self.settings, self.under_tls, self.offers_auth)
        await self.answer("EHLO", argument, natural, lambda taken, _: self._greet(argument, True, taken))

    def _greet(self, name: str, extended: bool, taken: bool) -> None:
        if not taken:
            return
        assert self.session is not None
        self.session.host_name = name
        self.session.extended_smtp = extended
        self.record.client_name = name
        self.end_transaction()

    # -- STARTTLS -------------------------------------------------------------------------------------------

    async def smtp_STARTTLS(self, argument: str) -> None:  # noqa: N802
        """Upgrade the session (RFC 3207); what was said in clear text counts for nothing any more."""
        if self.settings.tls != "starttls" and not self.under_tls:
            natural = NO_STARTTLS
        elif self.under_tls:
            natural = TLS_ALREADY
        elif not self.greeted:
            natural = self.barred("STARTTLS") or EHLO_FIRST
        else:
            natural = self.barred("STARTTLS") or (NO_ARGUMENT if argument else READY_FOR_TLS)
        possible = None if self.under_tls else lambda taken, reply: None
        taken = await self.answer("STARTTLS", "", natural, possible)
        if not taken or self.is_closing:
            return
        # What came behind STARTTLS in clear text nobody may execute.
        self.violate(self.judge.early(self.waiting_input, "RFC 3207 4.2"))
        self.discard_input()
        if await self.start_tls():
            self._forget()

    def _forget(self) -> None:
        assert self.session is not None
        self.session.host_name = None
        self.session.extended_smtp = False
        self.session.authenticated = None
        self.record.client_name = self.record.user = self.record.mechanism = None
        self.end_transaction()

    # -- RSET, NOOP, VRFY, HELP, QUIT -----------------------------------------------------------------------

    async def smtp_RSET(self, argument: str) -> None:  # noqa: N802
        """Abandon the transaction (RFC 5321 4.1.1.5)."""
        natural = self.barred("RSET") or (NO_ARGUMENT if argument else OK)
        await self.answer("RSET", "", natural, lambda taken, _: self.end_transaction() if taken else None)

    async def smtp_NOOP(self, argument: str) -> None:  # noqa: N802
        """Do nothing (RFC 5321 4.1.1.9)."""
        await self.answer("NOOP", argument, self.barred("NOOP") or OK)

    async def smtp_VRFY(self, argument: str) -> None:  # noqa: N802
        """Say that addresses are not verified (RFC 5321 4.1.1.6, 7.3)."""
        natural = self.barred("VRFY") or (NOT_VERIFIED if argument else VRFY_NEEDS_ADDRESS)
        await self.answer("VRFY", argument, natural)

    async def smtp_HELP(self, argument: str) -> None:  # noqa: N802
        """List the commands, or show the syntax of one (RFC 5321 4.1.1.8)."""
        natural = self.barred("HELP")
        if natural is None and not argument:
            natural = _helped(COMMANDS)
        elif natural is None:
            syntax = SYNTAX.get(argument.upper())
            unknown = f"5.5.4 There is no command {argument}"
            natural = Reply(214, f"2.0.0 Syntax: {syntax}") if syntax else Reply(504, unknown)
        await self.answer("HELP", argument, natural)

    async def smtp_QUIT(self, argument: str) -> None:  # noqa: N802
        """Say goodbye and close (RFC 5321 4.1.1.10)."""
        self.has_quit = True
        await self.answer("QUIT", "", NO_ARGUMENT if argument else BYE, self._settle_quit)
        if self._leaves:
            self.hang_up("QUIT")

    _leaves = False

    def _settle_quit(self, taken: bool, _: Reply | None) -> None:
        self._leaves = taken


@lru_cache(128)
def _capabilities(settings: ServerSettings, under_tls: bool, offers_auth: bool) -> Reply:
    """Return the reply to EHLO: the server's name and a line for each extension (RFC 5321 4.1.1.1)."""
    lines = [HOSTNAME]
    size = f"SIZE {settings.size_limit or 0}"
    lines += [size if keyword == "SIZE" else keyword for keyword in settings.extensions]
    if settings.tls == "starttls" and not under_tls:
        lines.append("STARTTLS")
    if offers_auth:
        lines.append(f"AUTH {' '.join(settings.auth)}")
    return Reply(250, "\n".join(lines))
