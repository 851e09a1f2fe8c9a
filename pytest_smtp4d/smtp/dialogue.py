"""The client's side of a session as generators: each yields a step and receives the replies to it.

RFC 5321 3 (session, transaction), 4.2 (replies), RFC 2920 (pipelining), RFC 3207 (STARTTLS), RFC 4954 (AUTH),
RFC 3030 (CHUNKING), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8).
The one thing to know: no socket, no clock, no thread. Whoever drives a dialogue sends a step's octets, reads
one reply for each of its stages, and sends the replies back in. Where the peer ended the session after a
refusal or a 421, the driver sends back the replies that came, the deciding one last.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pytest_smtp4d.errors import Cause, LocalProtocolError, Problem, RemoteProtocolError, SMTP4DError
from pytest_smtp4d.smtp import command, sasl, wire
from pytest_smtp4d.smtp.extension import Extensions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_smtp4d.smtp.envelope import Envelope
    from pytest_smtp4d.smtp.reply import Reply
    from pytest_smtp4d.smtp.sasl import Secrets

__all__ = [
    "Dialogue",
    "Exchange",
    "Outcome",
    "Refused",
    "Step",
    "UpgradeTLS",
    "hello",
    "login",
    "noop",
    "quit_session",
    "reset",
    "secure",
    "transaction",
]


class Exchange(NamedTuple):
    """Send these octets, read one reply for each stage.

    Args:
        octets: what to send; b"" to read only.
        stages: what each reply will answer.
        shown: what a log shows instead of the octets, where they hold a secret.
    """

    octets: bytes
    stages: tuple[str, ...]
    shown: str | None = None

    def __repr__(self) -> str:
        return f"Exchange(stages={self.stages}, shown={self.shown!r})"  # the octets may hold a secret


@dataclass(frozen=True, slots=True)
class UpgradeTLS:
    """Do the TLS handshake; no reply comes of it."""


Step = Exchange | UpgradeTLS
_T = TypeVar("_T")
Dialogue = Generator[Step, "list[Reply]", _T]


class Refused(SMTP4DError):  # noqa: N818 - an answer, not an error of the program
    """The server answered with 4yz or 5yz, and that ends the matter."""

    def __init__(self, stage: str, reply: Reply) -> None:
        super().__init__(f"{stage}: {reply}")
        self.stage = stage
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a transaction ended.

    Args:
        reply: the deciding one: that to the content, or the first refusal.
        stage: what it answered.
        refused: recipient to reply, for every recipient that was refused.
    """

    reply: Reply
    stage: str
    refused: Mapping[str, Reply] = field(default_factory=dict)

    @property
    def is_accepted(self) -> bool:
        """True when the server took the message."""
        return self.stage == "CONTENT" and self.reply.is_positive


def _ask(octets: bytes, stage: str, shown: str | None = None) -> Dialogue[Reply]:
    replies = yield Exchange(octets, (stage,), shown)
    return replies[0]


def _require(reply: Reply, stage: str, code: int) -> Reply:
    """Return the reply when it says `code` (or 2yz for 250); a refusal or nonsense is raised."""
    if reply.code == code or (code == 250 and reply.code // 100 == 2):
        return reply
    if not reply.is_positive:
        raise Refused(stage, reply)
    raise RemoteProtocolError(f"the server answered {stage} with {reply.code}, where {code} was due", stage)


# -- opening a session ---------------------------------------------------------------------------------


def secure(client_name: str, *, implicit: bool, cleartext: bool) -> Dialogue[tuple[Reply, Extensions] | None]:
    """Take the greeting and get TLS going.

    Args:
        client_name: what to say in EHLO: a domain, or an address literal (RFC 5321 4.1.4).
        implicit: TLS from the first octet; else STARTTLS where it is offered.
        cleartext: whether going on without TLS is allowed.

    Returns:
        None with TLS on: EHLO is due again (RFC 3207 4.2). Without, the reply to EHLO and what it offers.

    Raises:
        Refused: the server did not want the session, the EHLO, or STARTTLS without which we do not go on.
        Problem: TLS is required and not offered.
        RemoteProtocolError: a reply that means nothing here.
    """
    if implicit:
        yield UpgradeTLS()
    _require((yield from _ask(b"", "CONNECT")), "CONNECT", 220)
    if implicit:
        return None
    reply, extensions = yield from hello(client_name)
    if "STARTTLS" in extensions:
        answer = yield from _ask(b"STARTTLS\r\n", "STARTTLS")
        if answer.is_positive or not cleartext or answer.code == 421:
            _require(answer, "STARTTLS", 220)
            yield UpgradeTLS()
            return None
    elif not cleartext:
        raise Problem(Cause.ENCRYPTION_REQUIRED, "the server does not offer STARTTLS", "STARTTLS")
    return reply, extensions


def hello(client_name: str) -> Dialogue[tuple[Reply, Extensions]]:
    """Say EHLO, or HELO to a server that does not know it (RFC 5321 3.2), and return what is offered."""
    reply = yield from _ask(command.command("EHLO", client_name), "EHLO")
    if reply.code // 100 == 2:
        return reply, Extensions.from_reply(reply)
    if not reply.is_permanent:
        _require(reply, "EHLO", 250)
    reply = yield from _ask(command.command("HELO", client_name), "HELO")
    return _require(reply, "HELO", 250), Extensions()


def login(extensions: Extensions, secrets: Secrets, mode: str | None, nonce: str) -> Dialogue[Reply]:
    """Authenticate, and return the 235 (RFC 4954 4).

    Args:
        extensions: what the server offers.
        secrets: what to log in with.
        mode: the one mechanism to use (4D's names), or None for the strongest.
        nonce: text never used before.

    Raises:
        Refused: the final reply was 4yz or 5yz.
        Problem: no mechanism fits; nothing was sent.
    """
    offered = extensions.mechanisms
    if not offered:
        raise Problem(
            Cause.LOGIN_NOT_OFFERED, f"the server offers no AUTH, and user is {secrets.user!r}", "AUTH"
        )
    name = sasl.choose(offered, secrets, mode)
    if name is None:
        wanted = mode or ("OAUTH2" if secrets.token is not None else "any for a password")
        raise Problem(
            Cause.MECHANISM_NOT_OFFERED, f"the server offers {', '.join(offered)}, not {wanted}", "AUTH"
        )
    try:
        return (yield from _authenticate(name, sasl.client_mechanism(name, secrets, nonce)))
    except LocalProtocolError as error:
        raise Problem(Cause.CREDENTIALS_UNFIT, str(error), "AUTH") from error


def _authenticate(name: str, mechanism: sasl.ClientMechanism) -> Dialogue[Reply]:
    initial = next(mechanism)
    shown = f"AUTH {name}" if initial is None else f"AUTH {name} ********"
    line = command.auth(name, initial)
    if len(line) > command.MAX_LINE:
        # RFC 4954 4 allows 12288 octets; servers that stop at 512 take the response on a line of its own.
        line, shown = command.auth(name), f"AUTH {name}"
        reply = yield from _ask(line, "AUTH", shown)
        if reply.code == 334 and initial is not None:
            reply = yield from _ask(command.auth_response(initial), "AUTH", "********")
    else:
        reply = yield from _ask(line, "AUTH", shown)
    while reply.code == 334:
        try:
            response = mechanism.send(base64.b64decode(reply.text, validate=True)) or b""
        except (binascii.Error, StopIteration, RemoteProtocolError) as error:
            yield from _ask(b"*\r\n", "AUTH")  # cancels the exchange (RFC 4954 4)
            raise _unfit_challenge(error) from error
        reply = yield from _ask(command.auth_response(response), "AUTH", "********")
    _require(reply, "AUTH", 235)
    if name.startswith("SCRAM-"):
        _verify(mechanism)
    return reply


def _unfit_challenge(error: Exception) -> Problem:
    if isinstance(error, RemoteProtocolError):
        return Problem(Cause.SERVER_NOT_AUTHENTIC, str(error), "AUTH")
    what = "is not base64" if isinstance(error, binascii.Error) else "is one more than the mechanism has"
    return Problem(Cause.MALFORMED_REPLY, f"the server's AUTH challenge {what}", "AUTH")


def _verify(mechanism: sasl.ClientMechanism) -> None:
    """Refuse a 235 that came before the server proved that it knows the password (RFC 5802 5)."""
    try:
        mechanism.send(b"")
    except StopIteration:
        return
    except RemoteProtocolError as error:
        raise _unfit_challenge(error) from error
    raise Problem(Cause.SERVER_NOT_AUTHENTIC, "the server accepted the login before its SCRAM proof", "AUTH")


# -- one transaction -----------------------------------------------------------------------------------


def transaction(
    envelope: Envelope, content: bytes, extensions: Extensions, *, utf8: bool = False
) -> Dialogue[Outcome]:
    """Send one message to all its recipients, or to nobody.

    MAIL and RCPTs go in one group where PIPELINING is offered, DATA with them only when there is a single
    recipient; no content octet leaves before every RCPT reply has been read (RFC 2920 3.1).

    Args:
        envelope: from whom, for whom.
        content: canonical octets (CRLF line ends), before transparency.
        extensions: what the server offers.
        utf8: whether the envelope or the header need SMTPUTF8 (RFC 6531).

    Raises:
        Problem: the message is too large for the server, or needs what it does not offer; nothing was sent.
        RemoteProtocolError: a reply that means nothing here.
    """
    lines = [command.mail(envelope.mail_from, _parameters(content, extensions, utf8=utf8))]
    lines += [command.rcpt(mailbox) for mailbox in envelope.rcpt_to]
    stages = ("MAIL", *["RCPT"] * len(envelope.rcpt_to))
    pipelining = "PIPELINING" in extensions
    with_data = pipelining and len(envelope.rcpt_to) == 1
    if with_data:
        replies = yield Exchange(b"".join((*lines, b"DATA\r\n")), (*stages, "DATA"))
    elif pipelining:
        replies = yield Exchange(b"".join(lines), stages)
    else:
        replies = yield from _one_by_one(lines, stages)
    refusal = _refusal(envelope, replies)
    data_reply = replies[2] if with_data and len(replies) == 3 else None
    if refusal is not None:
        if data_reply is not None and data_reply.code == 354:
            yield Exchange(wire.END_OF_CONTENT, ("CONTENT",))
        return refusal
    return (yield from _submit(content, extensions, data_reply))


def _parameters(content: bytes, extensions: Extensions, *, utf8: bool) -> tuple[str, ...]:
    parameters = []
    limit = extensions.size
    if limit is not None and len(content) > limit:
        raise Problem(
            Cause.MESSAGE_TOO_LARGE,
            f"the message has {len(content)} octets, the server takes {limit}",
            "MAIL",
        )
    if "SIZE" in extensions:
        parameters.append(f"SIZE={len(content)}")
    if not content.isascii() and "8BITMIME" in extensions:
        parameters.append("BODY=8BITMIME")
    if utf8 and "SMTPUTF8" not in extensions:
        raise Problem(
            Cause.SMTPUTF8_NOT_OFFERED,
            "the server does not offer SMTPUTF8, which an address or identifier outside ASCII needs",
            "MAIL",
        )
    if utf8:
        parameters.append("SMTPUTF8")
    return tuple(parameters)


def _one_by_one(lines: list[bytes], stages: tuple[str, ...]) -> Dialogue[list[Reply]]:
    replies: list[Reply] = []
    for line, stage in zip(lines, stages, strict=True):
        reply = yield from _ask(line, stage)
        replies.append(reply)
        if reply.code == 421 or (stage == "MAIL" and not reply.is_positive):
            break
    return replies


def _refusal(envelope: Envelope, replies: list[Reply]) -> Outcome | None:
    """Return how the transaction ended where MAIL or a recipient was refused."""
    if not replies[0].is_positive:
        return Outcome(replies[0], "MAIL")
    _require(replies[0], "MAIL", 250)
    refused: dict[str, Reply] = {}
    for mailbox, reply in zip(envelope.rcpt_to, replies[1:], strict=False):
        if reply.is_positive:
            _require(reply, "RCPT", 250)
        else:
            refused[mailbox] = reply
    return Outcome(next(iter(refused.values())), "RCPT", refused) if refused else None


def _submit(content: bytes, extensions: Extensions, data_reply: Reply | None) -> Dialogue[Outcome]:
    if data_reply is None and "CHUNKING" in extensions:
        content = content if content.endswith(wire.CRLF) or not content else content + wire.CRLF
        octets = command.bdat(content)
    else:
        if data_reply is None:
            data_reply = yield from _ask(b"DATA\r\n", "DATA")
        if not data_reply.is_positive:
            return Outcome(data_reply, "DATA")
        _require(data_reply, "DATA", 354)
        octets = wire.add_transparency(content)
    (reply,) = yield Exchange(octets, ("CONTENT",))
    if reply.is_positive:
        _require(reply, "CONTENT", 250)
    return Outcome(reply, "CONTENT")


# -- between and after transactions --------------------------------------------------------------------


def noop() -> Dialogue[Reply]:
    """Ask whether the session is alive; raises `Refused` unless it answers 2yz (RFC 5321 4.1.1.9)."""
    return _require((yield from _ask(b"NOOP\r\n", "NOOP")), "NOOP", 250)


def reset() -> Dialogue[Reply]:
    """Abort what transaction there is; raises `Refused` unless it answers 2yz (RFC 5321 4.1.1.5)."""
    return _require((yield from _ask(b"RSET\r\n", "RSET")), "RSET", 250)


def quit_session() -> Dialogue[Reply]:
    """Say goodbye, and return whatever the server says to it (RFC 5321 4.1.1.10)."""
    return (yield from _ask(b"QUIT\r\n", "QUIT"))
