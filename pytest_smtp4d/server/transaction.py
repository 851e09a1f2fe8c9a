"""The mail transaction: MAIL, RCPT, DATA, BDAT and content, with the parameters of the extensions.

RFC 5321 3.3, 4.1.1.2 to 4.1.1.4; RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 3461 (DSN),
RFC 3030 (CHUNKING, BINARYMIME), RFC 4954 5 (AUTH=), RFC 6647 (greylisting).
The one thing to know: a message is in the inbox before its reply is written.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import RemoteProtocolError
from pytest_smtp4d.faults.fault import Event
from pytest_smtp4d.records.record import ReceivedMessage, Transaction
from pytest_smtp4d.server.command_loop import Want
from pytest_smtp4d.server.dialogue.content import ChunkReader, DotReader
from pytest_smtp4d.server.dialogue.parameters import refusal_of_parameters
from pytest_smtp4d.server.login import Login
from pytest_smtp4d.smtp.envelope import Path, parse_path
from pytest_smtp4d.smtp.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ServerProtocol"]

HELLO_FIRST = Reply(503, "5.5.1 Send HELO or EHLO first")
NESTED_MAIL = Reply(503, "5.5.1 Nested MAIL command")
AUTH_REQUIRED = Reply(530, "5.7.0 Authentication required")
NEEDS_SMTPUTF8 = Reply(553, "5.6.7 Non-ASCII addresses not permitted for this session")
SENDER_OK = Reply(250, "2.1.0 OK")
MAIL_FIRST = Reply(503, "5.5.1 Send MAIL first")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3 Too many recipients")
GREYLISTED = Reply(451, "4.7.1 Greylisted, please try again later")
RECIPIENT_OK = Reply(250, "2.1.5 OK")
RCPT_FIRST = Reply(503, "5.5.1 Send RCPT first")
NO_VALID_RECIPIENTS = Reply(554, "5.5.1 No valid recipients")
NEEDS_BDAT = Reply(503, "5.5.1 BODY=BINARYMIME goes with BDAT only")
BDAT_BEGUN = Reply(503, "5.5.1 DATA cannot follow BDAT")
DATA_NO_ARGUMENT = Reply(501, "5.5.4 Syntax: DATA")
GO_AHEAD = Reply(354, "End data with <CR><LF>.<CR><LF>")
TOO_BIG = Reply(552, "5.3.4 Message size exceeds fixed maximum message size")
QUEUED = Reply(250, "2.0.0 OK: queued")
NO_BDAT = Reply(502, "5.5.1 BDAT is not implemented")
BDAT_SYNTAX = Reply(501, "5.5.4 Syntax: BDAT octets [LAST]")
BDAT_FAILED = Reply(503, "5.5.1 A chunk of this message failed: send RSET")

_LONGEST_SIZE = 20
"""Digits of SIZE and of a chunk's length (RFC 1870 4)."""


class ServerProtocol(Login):
    """A whole session: what it takes to bring a mail in. This is the class that the server runs."""

    _chunks: list[bytes]
    _chunks_failed = False
    _utf8 = False

    def end_transaction(self) -> None:
        """Forget the envelope, and what came of the content."""
        super().end_transaction()
        self.transaction = None
        self._chunks = []
        self._chunks_failed = False
        self._utf8 = False

    def continue_after_reset(self) -> None:
        """Take an open transaction along into the new record."""
        super().continue_after_reset()
        if self.transaction is not None:
            self.state.begin(self.record, self.transaction)

    # -- MAIL -----------------------------------------------------------------------------------------------

    async def smtp_MAIL(self, argument: str | None) -> None:  # noqa: N802 - aiosmtpd's dispatch name
        """Begin a transaction (RFC 5321 4.1.1.2)."""
        path, natural = self._parse(argument or "", "FROM")
        natural = self._refusal_to_mail(path) or natural
        if path is None or self.transaction is not None or not self.greeted:
            await self.answer("MAIL", path.mailbox if path else "", natural, self._unsettled_mail(path))
            return
        if path.parameters:
            self.violate(self.judge.parameters(path.parameters, self.line_octets))
        await self.answer(
            "MAIL", path.mailbox, natural, lambda taken, reply: self._settle_mail(path, taken, reply)
        )

    def _parse(self, argument: str, keyword: str) -> tuple[Path | None, Reply]:
        """Read what stands behind MAIL or RCPT; the reply is the positive one, or refuses the syntax."""
        try:
            return parse_path(argument, keyword), SENDER_OK if keyword == "FROM" else RECIPIENT_OK
        except RemoteProtocolError as error:
            return None, Reply(501, f"5.5.4 {error}")

    def _refusal_to_mail(self, path: Path | None) -> Reply | None:
        assert self.session is not None
        if (barred := self.barred("MAIL")) is not None:
            return barred
        if not self.greeted:
            return HELLO_FIRST
        if self.transaction is not None:
            return NESTED_MAIL
        if self.settings.require_auth and not self.session.authenticated:
            return AUTH_REQUIRED
        if path is None:
            return None
        refusal = refusal_of_parameters(
            "MAIL", path.parameters, self.settings, bool(self.session.extended_smtp)
        )
        if refusal is None and not path.is_ascii and not _names_smtputf8(path):
            return NEEDS_SMTPUTF8
        return refusal

    def _unsettled_mail(self, path: Path | None) -> Callable[[bool, Reply | None], None] | None:
        """Record a MAIL that cannot begin a transaction, where it names a sender and disturbs no other."""
        if path is None or self.transaction is not None:
            return None

        def settle(_: bool, reply: Reply | None) -> None:
            self.state.begin(
                self.record, Transaction(path.mailbox, reply=reply, mail_options=path.parameters)
            )

        return settle

    def _settle_mail(self, path: Path, taken: bool, reply: Reply | None) -> None:
        transaction = Transaction(path.mailbox, reply=None if taken else reply, mail_options=path.parameters)
        self.state.begin(self.record, transaction)
        if taken:
            assert self.envelope is not None
            self.transaction = transaction
            self._utf8 = _names_smtputf8(path)
            self.envelope.mail_from = path.mailbox
            self.envelope.mail_options = list(path.parameters)
            self.envelope.smtp_utf8 = self._utf8

    # -- RCPT -----------------------------------------------------------------------------------------------

    async def smtp_RCPT(self, argument: str | None) -> None:  # noqa: N802
        """Name a recipient (RFC 5321 4.1.1.3)."""
        path, natural = self._parse(argument or "", "TO")
        natural = self._refusal_to_rcpt(path) or natural
        if path is None or self.transaction is None:
            await self.answer("RCPT", path.mailbox if path else "", natural)
            return
        if path.parameters:
            self.violate(self.judge.parameters(path.parameters, self.line_octets))
        await self.answer(
            "RCPT", path.mailbox, natural, lambda taken, reply: self._settle_rcpt(path, taken, reply)
        )

    def _refusal_to_rcpt(self, path: Path | None) -> Reply | None:
        assert self.session is not None
        if (barred := self.barred("RCPT")) is not None:
            return barred
        if not self.greeted:
            return HELLO_FIRST
        if self.transaction is None:
            return MAIL_FIRST
        if path is None:
            return None
        refusal = refusal_of_parameters(
            "RCPT", path.parameters, self.settings, bool(self.session.extended_smtp)
        )
        if refusal is not None:
            return refusal
        if not path.is_ascii and not self._utf8:
            return NEEDS_SMTPUTF8
        limit = self.settings.recipient_limit
        if limit is not None and len(self.transaction.rcpt_to) >= limit:
            return TOO_MANY_RECIPIENTS
        wait = self.settings.greylist
        if wait is not None and self.state.is_greylisted(
            wait, self.record.peer[0], self.transaction.mail_from, path.mailbox
        ):
            return GREYLISTED
        return None

    def _settle_rcpt(self, path: Path, taken: bool, reply: Reply | None) -> None:
        assert self.transaction is not None
        assert self.envelope is not None
        if taken:
            self.transaction.accept_recipient(path.mailbox, path.parameters)
            self.envelope.rcpt_tos.append(path.mailbox)
        elif reply is not None:
            self.transaction.refuse_recipient(path.mailbox, reply)

    # -- DATA -----------------------------------------------------------------------------------------------

    async def smtp_DATA(self, argument: str) -> None:  # noqa: N802
        """Take content up to its final dot (RFC 5321 4.1.1.4)."""
        # DATA is the last command of a group: content waits for the 354.
        self.violate(self.judge.early(self.waiting_input, "RFC 2920 3.1"))
        expects_content = False

        def settle(taken: bool, reply: Reply | None) -> None:
            nonlocal expects_content
            expects_content = taken
            if not taken and reply is not None and self.transaction is not None:
                self.transaction.reply = reply

        await self.answer("DATA", "", self._refusal_to_data(argument) or GO_AHEAD, settle)
        if expects_content and not self.is_closing:
            await self._take_content()

    def _refusal_to_data(self, argument: str) -> Reply | None:
        if (barred := self.barred("DATA")) is not None:
            return barred
        if not self.greeted:
            return HELLO_FIRST
        if self.transaction is None:
            return MAIL_FIRST
        if argument:
            return DATA_NO_ARGUMENT
        if self._chunks or self._chunks_failed:
            return BDAT_BEGUN
        if not self.transaction.rcpt_to:
            return NO_VALID_RECIPIENTS if self.transaction.refused else RCPT_FIRST
        if _body(self.transaction) == "BINARYMIME":
            return NEEDS_BDAT
        return None

    async def _take_content(self) -> None:
        self.stage = "CONTENT"
        reader = DotReader(self.settings.size_limit)
        if not await self._read(reader, "CONTENT"):
            return
        content = reader.content
        if not reader.is_too_big:
            self._record_content(content)
        self.record.transcript.append("C", b".", stage="CONTENT", tls=self.under_tls, at=self.now())
        await self._end_content(content, is_too_big=reader.is_too_big)

    def _record_content(self, content: bytes) -> None:
        if content:
            self.record.transcript.append(
                "C", content, stage=self.stage, tls=self.under_tls, at=self.now(), is_content=True
            )

    async def _read(self, reader: DotReader | ChunkReader, *stages: str, before: int = 0) -> bool:
        """Read content to its end, unless a fault cuts in at a number of octets.

        Args:
            reader: takes the octets.
            stages: whose faults are asked.
            before: octets of the message that came in earlier chunks, which CONTENT counts too.

        Returns:
            False when a fault closed the session.
        """
        rules = self.state.rules
        thresholds = sorted(
            (octets - (before if stage == "CONTENT" else 0), octets, stage)
            for stage in stages
            if rules.may_match(stage)
            for octets in rules.thresholds(stage)
        )

        def take(buffer: bytearray) -> bool | None:
            octets = bytes(buffer)
            buffer.clear()
            rest = reader.feed(octets)
            if rest is not None:
                buffer += rest
                return True
            return False if thresholds and reader.size >= thresholds[0][0] else None

        is_complete = isinstance(reader, ChunkReader) and not reader.left
        while not is_complete:
            is_complete = await Want(take)
            while thresholds and reader.size >= thresholds[0][0]:
                _, octets, stage = thresholds.pop(0)
                event = Event(stage, "", self.record, self.transaction, reader.content)
                decision = await self.decide(event, octets)
                if decision is not None and not await self.interrupt(decision[1]):
                    return False
        return True

    async def _end_content(
        self, content: bytes, *, is_too_big: bool, binary: bool = False, asked_first: str = ""
    ) -> None:
        """Answer the end of content; what the client did is judged first, what it sent is stored first."""
        transaction = self.transaction
        options = transaction.mail_options if transaction is not None else ()
        if content:
            self.violate(self.judge.content(content, options, binary=binary))
        if is_too_big:
            natural = TOO_BIG
        elif transaction is None or not transaction.rcpt_to:
            natural = NO_VALID_RECIPIENTS
        else:
            natural = QUEUED

        def settle(taken: bool, reply: Reply | None) -> None:
            if transaction is not None:
                if taken and transaction.rcpt_to and not is_too_big:
                    self._store(transaction, content)
                transaction.reply = reply
            self.end_transaction()

        await self.answer("CONTENT", "", natural, settle, content, asked_first)

    def _store(self, transaction: Transaction, content: bytes) -> None:
        message = ReceivedMessage(
            transaction.mail_from,
            transaction.rcpt_to,
            transaction.mail_options,
            transaction.rcpt_options,
            content,
            datetime.now(timezone.utc),
            self.record,
        )
        transaction.message = message
        self.state.deliver(message)

    # -- BDAT -----------------------------------------------------------------------------------------------

    async def smtp_BDAT(self, argument: str) -> None:  # noqa: N802
        """Take a chunk of content (RFC 3030 2); its octets are read even where it is refused."""
        length, is_last = _parse_bdat(argument)
        if length is None:
            await self.answer("BDAT", "", self.barred("BDAT") or BDAT_SYNTAX)
            return
        refusal = self._refusal_to_bdat()
        limit = self.settings.size_limit
        so_far = sum(map(len, self._chunks))
        reader = ChunkReader(length, 0 if refusal else None if limit is None else max(0, limit - so_far))
        if not await self._read(reader, "BDAT", "CONTENT", before=so_far):
            return
        chunk = reader.content
        self._record_content(chunk)
        if refusal is not None:
            await self.answer("BDAT", "", refusal)
        elif is_last:
            await self._end_chunks(chunk, is_too_big=reader.is_too_big)
        else:
            natural = TOO_BIG if reader.is_too_big else Reply(250, f"2.0.0 {length} octets received")
            await self._answer_chunk(natural, chunk)

    def _refusal_to_bdat(self) -> Reply | None:
        if (barred := self.barred("BDAT")) is not None:
            return barred
        if not self.settings.esmtp or "CHUNKING" not in self.settings.extensions:
            return NO_BDAT
        if not self.greeted:
            return HELLO_FIRST
        if self.transaction is None:
            return MAIL_FIRST
        if self._chunks_failed:
            return BDAT_FAILED
        if not self.transaction.rcpt_to:
            return NO_VALID_RECIPIENTS if self.transaction.refused else RCPT_FIRST
        return None

    async def _answer_chunk(self, natural: Reply, chunk: bytes) -> None:
        def settle(taken: bool, reply: Reply | None) -> None:
            if taken:
                self._chunks.append(chunk)
            elif self.transaction is not None:
                self._chunks_failed = True
                if reply is not None:
                    self.transaction.reply = reply

        await self.answer("BDAT", "", natural, settle, chunk)

    async def _end_chunks(self, chunk: bytes, *, is_too_big: bool) -> None:
        content = b"".join((*self._chunks, chunk)) if self._chunks else chunk
        self.stage = "CONTENT"
        binary = self.transaction is not None and _body(self.transaction) == "BINARYMIME"
        await self._end_content(content, is_too_big=is_too_big, binary=binary, asked_first="BDAT")


def _names_smtputf8(path: Path) -> bool:
    return any(parameter.upper() == "SMTPUTF8" for parameter in path.parameters)


def _body(transaction: Transaction) -> str:
    """Return the value of the BODY parameter, upper case; "7BIT" where there is none (RFC 6152 3)."""
    for parameter in transaction.mail_options:
        keyword, _, value = parameter.partition("=")
        if keyword.upper() == "BODY":
            return value.upper()
    return "7BIT"


def _parse_bdat(argument: str) -> tuple[int | None, bool]:
    """Read `octets [LAST]`; the number is None where that is not what stands there (RFC 3030 2)."""
    number, _, last = argument.partition(" ")
    last = last.strip().upper()
    if not (number.isascii() and number.isdigit() and len(number) <= _LONGEST_SIZE and last in ("", "LAST")):
        return None, False
    return int(number), last == "LAST"
