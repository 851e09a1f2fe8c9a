"""The mail transaction: MAIL, RCPT, DATA, BDAT and content.

RFC 5321 3.3, 4.1.1.2 to 4.1.1.4; RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 3461 (DSN),
RFC 3030 (CHUNKING, BINARYMIME), RFC 4954 5 (AUTH=), RFC 6647 (greylisting).

A message is handed to the server before its reply is written: a client that has its 250 has been recorded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_smtp4d.records.record import ReceivedMessage, Transaction
from pytest_smtp4d.server.dialogue import replies
from pytest_smtp4d.server.dialogue.answer import FaultTurn, answer, answer_plainly, ask
from pytest_smtp4d.server.dialogue.content import ChunkReader, DotReader, whole_content
from pytest_smtp4d.server.dialogue.step import MORE
from pytest_smtp4d.smtp.envelope import MalformedPath, Path, parse_path
from pytest_smtp4d.smtp.reply import Reply

if TYPE_CHECKING:
    from pytest_smtp4d.faults.rules import Rules
    from pytest_smtp4d.server.dialogue.commands import Plain
    from pytest_smtp4d.server.dialogue.protocol import Commit, ServerProtocol
    from pytest_smtp4d.server.dialogue.step import Dialogue

__all__ = ["bdat", "content", "data", "mail", "rcpt"]

_LONGEST_SIZE = 20
"""Digits of a chunk's length (RFC 1870 4 has as many for SIZE)."""


@lru_cache(512)  # the same few addresses come again and again
def _read_path(argument: str, keyword: str) -> tuple[Path | None, Reply]:
    """Read what stands behind MAIL or RCPT; the reply is the positive one, or refuses the syntax."""
    try:
        path = parse_path(argument, keyword)
    except MalformedPath as error:
        return None, Reply(501, f"{error.enhanced_code} {error}")
    return path, replies.SENDER_OK if keyword == "FROM" else replies.RECIPIENT_OK


# -- MAIL
# ------------------------------------------------------------------------------------------------------


def mail(protocol: ServerProtocol, argument: str) -> Plain:
    """Begin a transaction (RFC 5321 4.1.1.2)."""
    path, own = _read_path(argument, "FROM")
    own = _refusal_to_mail(protocol, path) or own
    if path is None or protocol.transaction is not None or not protocol.greeted:
        return path.mailbox if path else "", own, _unopened(protocol, path), ()
    if path.parameters:
        protocol.record.parameters(protocol.line, path.parameters)

    def commit(effective: bool, reply: Reply | None) -> None:
        _commit_mail(protocol, path, effective, reply)

    return path.mailbox, own, commit, path.parameters


def _refusal_to_mail(protocol: ServerProtocol, path: Path | None) -> Reply | None:
    if protocol.is_guarded and (refusal := protocol.refusal("MAIL")) is not None:
        return refusal
    if not protocol.greeted:
        return replies.HELLO_FIRST
    if protocol.transaction is not None:
        return replies.NESTED_MAIL
    limit = protocol.settings.message_limit
    if limit is not None and protocol.messages >= limit:
        return replies.TOO_MANY_MESSAGES
    if path is None:
        return None
    if path.parameters:
        refusal = protocol.offer.refusal_of("MAIL", path.parameters, protocol.extended, protocol.record.tls)
        if refusal is not None:
            return refusal
    if not path.mailbox.isascii() and not _names_smtputf8(path):
        return replies.NEEDS_SMTPUTF8
    return None


def _unopened(protocol: ServerProtocol, path: Path | None) -> Commit | None:
    """Record a MAIL that cannot begin a transaction, where it names a sender and disturbs no other."""
    if path is None or protocol.transaction is not None:
        return None

    def commit(_: bool, reply: Reply | None) -> None:
        transaction = Transaction(path.mailbox, reply=reply, mail_options=path.parameters)
        protocol.host.begin(protocol.session, transaction)

    return commit


def _commit_mail(protocol: ServerProtocol, path: Path, effective: bool, reply: Reply | None) -> None:
    transaction = Transaction(path.mailbox, reply=None if effective else reply, mail_options=path.parameters)
    protocol.host.begin(protocol.session, transaction)
    if effective:
        protocol.transaction = transaction
        protocol.utf8 = bool(path.parameters) and _names_smtputf8(path)


def _names_smtputf8(path: Path) -> bool:
    return any(parameter.upper() == "SMTPUTF8" for parameter in path.parameters)


# -- RCPT
# ------------------------------------------------------------------------------------------------------


def rcpt(protocol: ServerProtocol, argument: str) -> Plain:
    """Name a recipient (RFC 5321 4.1.1.3)."""
    path, own = _read_path(argument, "TO")
    own = _refusal_to_rcpt(protocol, path) or own
    if path is None or protocol.transaction is None:
        return path.mailbox if path else "", own, None, ()
    if path.parameters:
        protocol.record.parameters(protocol.line, path.parameters)

    def commit(effective: bool, reply: Reply | None) -> None:
        _commit_rcpt(protocol, path, effective, reply)

    return path.mailbox, own, commit, path.parameters


def _refusal_to_rcpt(protocol: ServerProtocol, path: Path | None) -> Reply | None:
    if protocol.is_guarded and (refusal := protocol.refusal("RCPT")) is not None:
        return refusal
    if not protocol.greeted:
        return replies.HELLO_FIRST
    if protocol.transaction is None:
        return replies.MAIL_FIRST
    if path is None:
        return None
    if path.parameters:
        refusal = protocol.offer.refusal_of("RCPT", path.parameters, protocol.extended, protocol.record.tls)
        if refusal is not None:
            return refusal
    if not path.mailbox.isascii() and not protocol.utf8:
        return replies.NEEDS_SMTPUTF8
    return _policy_on(protocol, protocol.transaction, path.mailbox)


def _policy_on(protocol: ServerProtocol, transaction: Transaction, mailbox: str) -> Reply | None:
    """Return why a recipient who could be served is not served now, or None."""
    settings = protocol.settings
    if settings.recipient_limit is not None and transaction._recipients >= settings.recipient_limit:
        return replies.TOO_MANY_RECIPIENTS
    wait = settings.greylist
    if wait is not None and protocol.host.is_greylisted(
        wait, protocol.session.peer[0], transaction.mail_from, mailbox
    ):
        return replies.GREYLISTED
    return None


def _commit_rcpt(protocol: ServerProtocol, path: Path, effective: bool, reply: Reply | None) -> None:
    assert protocol.transaction is not None
    if effective:
        protocol.transaction._accept_recipient(path.mailbox, path.parameters)
    elif reply is not None:
        protocol.transaction._refuse_recipient(path.mailbox, reply)


# -- DATA
# ------------------------------------------------------------------------------------------------------


def data(protocol: ServerProtocol, argument: str) -> Plain:
    """Ask for content up to its final dot (RFC 5321 4.1.1.4)."""
    if protocol.waiting:
        # DATA is the last command of a group: content waits for the 354.
        protocol.record.early(protocol.input[protocol.position :], "RFC 2920 3.1")

    def commit(effective: bool, reply: Reply | None) -> None:
        protocol.expects_content = effective
        if not effective and reply is not None and protocol.transaction is not None:
            protocol.transaction.reply = reply

    return "", _refusal_to_data(protocol, argument) or replies.GO_AHEAD, commit, ()


def _refusal_to_data(protocol: ServerProtocol, argument: str) -> Reply | None:
    if protocol.is_guarded and (refusal := protocol.refusal("DATA")) is not None:
        return refusal
    if not protocol.greeted:
        return replies.HELLO_FIRST
    if protocol.transaction is None:
        return replies.MAIL_FIRST
    if argument:
        return replies.DATA_NO_ARGUMENT
    if protocol.chunks or protocol.chunks_failed:
        return replies.BDAT_BEGUN
    if not protocol.transaction._recipients:
        return replies.NO_VALID_RECIPIENTS if protocol.transaction.refused else replies.RCPT_FIRST
    if _body(protocol.transaction) == "BINARYMIME":
        return replies.NEEDS_BDAT
    return None


def _body(transaction: Transaction) -> str:
    """Return the value of the BODY parameter, upper case; "7BIT" where there is none (RFC 6152 3)."""
    for parameter in transaction.mail_options:
        keyword, _, value = parameter.partition("=")
        if keyword.upper() == "BODY":
            return value.upper()
    return "7BIT"


def content(protocol: ServerProtocol) -> Dialogue[None]:
    """Take content up to its final dot, and answer it."""
    protocol.expects_content = False
    protocol.record.stage = "CONTENT"
    limit, is_too_big = protocol.settings.size_limit, False
    if not protocol.waiting:
        yield MORE
    has_faults = protocol.host.rules.may_match("CONTENT")
    if not has_faults and (whole := whole_content(protocol.input, protocol.position, limit)) is not None:
        octets, protocol.position = whole
    else:
        reader = DotReader(limit)
        if not (yield from _read(protocol, reader, ("CONTENT",))):
            return
        octets, is_too_big = reader.content, reader.is_too_big
    transaction = protocol.transaction
    protocol.record.content(octets, transaction.mail_options if transaction is not None and octets else None)
    own, commit = _end_content(protocol, octets, is_too_big=is_too_big)
    if protocol.mute or protocol.host.rules.may_match("CONTENT"):
        yield from answer(protocol, "", own, commit, content=octets)
    else:
        answer_plainly(protocol, own, commit)


def _feed(protocol: ServerProtocol, reader: DotReader | ChunkReader) -> bool:
    """Give what has arrived to the reader; return whether content is complete."""
    if not protocol.waiting:
        return False
    rest = reader.feed(protocol.take_all())
    if rest:
        protocol.put_back(rest)
    return rest is not None


def _read(
    protocol: ServerProtocol, reader: DotReader | ChunkReader, stages: tuple[str, ...], before: int = 0
) -> Dialogue[bool]:
    """Read content to its end, unless a fault cuts in at a number of octets.

    Args:
        protocol: the session.
        reader: takes the octets.
        stages: whose faults are asked.
        before: octets of the message that came in earlier chunks, which CONTENT counts too.

    Returns:
        False when a fault closed the session.
    """
    transaction = protocol.transaction

    def decide(_: bool, reply: Reply | None) -> None:
        if transaction is not None:
            transaction.reply = reply

    thresholds = _thresholds(protocol.host.rules, stages, before)
    is_complete = reader.is_complete
    while True:
        if not is_complete:
            if not protocol.waiting:
                yield MORE
            is_complete = _feed(protocol, reader)
        while thresholds and reader.size >= thresholds[0][0]:
            _, octets, stage = thresholds.pop(0)
            decision = yield from ask(protocol, stage, content=reader.content, after_octets=octets)
            if decision is None:
                continue
            yield from FaultTurn(protocol, replies.OK, decide, has_reply=False).carry_out(decision)
            if protocol.closing is not None:
                return False
        if is_complete:
            return True


def _thresholds(rules: Rules, stages: tuple[str, ...], before: int) -> list[tuple[int, int, str]]:
    """Return at how many octets of a chunk to ask rules, each with the number that they know and the stage.

    CONTENT counts the octets of earlier chunks, too; what those had passed was asked there.
    """
    found = []
    for stage in stages:
        earlier = before if stage == "CONTENT" else 0
        octets = rules.thresholds(stage) if rules.may_match(stage) else ()
        found += [(number - earlier, number, stage) for number in octets if number > earlier or not earlier]
    return sorted(found)


def _end_content(protocol: ServerProtocol, octets: bytes, *, is_too_big: bool) -> tuple[Reply, Commit]:
    """Return the reply to the end of content, and what stores the message before it is given."""
    transaction = protocol.transaction
    can_be_stored = False
    if is_too_big:
        own = replies.TOO_BIG
    elif transaction is None or not transaction._recipients:
        own = replies.NO_VALID_RECIPIENTS
    else:
        own, can_be_stored = replies.QUEUED, True

    def commit(effective: bool, reply: Reply | None) -> None:
        protocol.end_transaction()
        if transaction is not None:
            transaction.reply = reply
            if effective and can_be_stored:
                _store(protocol, transaction, octets, reply)

    return own, commit


def _store(protocol: ServerProtocol, transaction: Transaction, octets: bytes, reply: Reply | None) -> None:
    message = ReceivedMessage(
        transaction.mail_from,
        transaction.rcpt_to,
        transaction.mail_options,
        transaction._given_options,
        octets,
        protocol.host.now(),
        protocol.session,
    )
    transaction.message = message
    protocol.messages += 1
    protocol.host.stored(protocol.record, message, reply)
    try:
        protocol.host.deliver(message)
    except Exception:
        transaction.message, transaction.reply = None, replies.INTERNAL_ERROR
        raise


# -- BDAT
# ------------------------------------------------------------------------------------------------------


def bdat(protocol: ServerProtocol, argument: str) -> Dialogue[None]:
    """Take a chunk of content (RFC 3030 2); its octets are read even where it is refused."""
    length, is_last = _parse_bdat(argument)
    if length is None:
        yield from answer(protocol, "", _unserved(protocol) or replies.BDAT_SYNTAX)
        return
    refusal = _refusal_to_bdat(protocol)
    limit = protocol.settings.size_limit
    so_far = sum(map(len, protocol.chunks))
    reader = ChunkReader(length, 0 if refusal else None if limit is None else max(0, limit - so_far))
    if not (yield from _read(protocol, reader, ("BDAT", "CONTENT"), before=so_far)):
        return
    chunk = reader.content
    protocol.record.chunk(chunk)
    if refusal is not None:
        yield from answer(protocol, "", refusal)
    elif is_last:
        yield from _end_chunks(protocol, chunk, is_too_big=reader.is_too_big)
    else:
        own = replies.TOO_BIG if reader.is_too_big else Reply(250, f"2.0.0 {length} octets received")
        yield from _answer_chunk(protocol, own, chunk)


def _parse_bdat(argument: str) -> tuple[int | None, bool]:
    """Read `octets [LAST]`; the number is None where that is not what stands there (RFC 3030 2)."""
    number, _, last = argument.partition(" ")
    last = last.strip().upper()
    if not (number.isascii() and number.isdigit() and len(number) <= _LONGEST_SIZE and last in ("", "LAST")):
        return None, False
    return int(number), last == "LAST"


def _unserved(protocol: ServerProtocol) -> Reply | None:
    """Return why BDAT is not served at all, or None."""
    return protocol.refusal("BDAT") or (None if protocol.offer.has_chunking else replies.NO_BDAT)


def _refusal_to_bdat(protocol: ServerProtocol) -> Reply | None:
    if (unserved := _unserved(protocol)) is not None:
        return unserved
    if not protocol.greeted:
        return replies.HELLO_FIRST
    if protocol.transaction is None:
        return replies.MAIL_FIRST
    if protocol.chunks_failed:
        return replies.BDAT_FAILED
    if not protocol.transaction._recipients:
        return replies.NO_VALID_RECIPIENTS if protocol.transaction.refused else replies.RCPT_FIRST
    return None


def _answer_chunk(protocol: ServerProtocol, own: Reply, chunk: bytes) -> Dialogue[None]:
    def commit(effective: bool, reply: Reply | None) -> None:
        if effective:
            protocol.chunks.append(chunk)
        elif protocol.transaction is not None:
            protocol.chunks_failed = True
            if reply is not None:
                protocol.transaction.reply = reply

    yield from answer(protocol, "", own, commit, content=chunk)


def _end_chunks(protocol: ServerProtocol, chunk: bytes, *, is_too_big: bool) -> Dialogue[None]:
    octets = b"".join((*protocol.chunks, chunk)) if protocol.chunks else chunk
    transaction = protocol.transaction
    assert transaction is not None
    protocol.record.stage = "CONTENT"
    if octets:
        is_binary = _body(transaction) == "BINARYMIME"
        protocol.record.whole(octets, transaction.mail_options, binary=is_binary)
    own, commit = _end_content(protocol, octets, is_too_big=is_too_big)
    yield from answer(protocol, "", own, commit, stages=("BDAT", "CONTENT"), content=octets)
