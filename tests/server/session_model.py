"""A model of the states of RFC 5321, to be held against a server: what it must answer and record.

RFC 5321 4.1.4 (order of commands), 3.3 (transactions), RFC 3207 4.2 (what STARTTLS forgets), RFC 4954 4 and 6
(AUTH), RFC 3030 2 (BDAT). The model knows the RFCs and the contract, and nothing of the code that it judges.
"""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pytest_smtp4d.records.record import ReceivedMessage, Session

SIZE_LIMIT, RECIPIENT_LIMIT = 40, 2
SETTINGS: list[dict[str, Any]] = [
    {},
    {"tls": "none"},
    {"users": {"ada": "pass"}},
    {"users": {"ada": "pass"}, "tls": "none", "require_auth": False},
    {"users": {"ada": "pass"}, "auth_without_tls": True},
    {"require_tls": True, "users": {"ada": "pass"}, "require_auth": False},
    {"require_tls": True},
    {"recipient_limit": 0},
]
SENDERS = st.sampled_from(["ada@example.com", "", "bob@example.org"])
RECIPIENTS = st.sampled_from(["bob@example.org", "cy@example.net", "postmaster"])
CONTENTS = st.sampled_from([b"", b"Subject: x\r\n\r\nx\r\n", b"..\r\n", b"x" * (SIZE_LIMIT + 1) + b"\r\n"])
CHUNKS = st.sampled_from([b"", b"Subject: x\r\n", b".\r\n", b"y" * 15, b"z" * (SIZE_LIMIT + 1)])
BEFORE_TLS = {"EHLO", "STARTTLS", "NOOP", "QUIT"}
BEFORE_AUTH = {*BEFORE_TLS, "HELO", "AUTH", "RSET", "HELP"}


class Client(Protocol):
    """What the model speaks through: `DrivenSession`, or `RawClient`."""

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""

    def reply(self) -> str:
        """Return the next reply."""

    def code(self, line: bytes | str) -> int:
        """Send a command line and return the reply's code."""

    def start_tls(self) -> None:
        """Do the client's part of a handshake."""


@dataclass
class Expected:
    """A transaction as it must be recorded."""

    mail_from: str
    rcpt_to: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    code: int | None = None
    """Of the reply that ended it, or refused MAIL or DATA."""
    content: bytes | None = None
    """Of the message that came of it."""


class SessionModel(RuleBasedStateMachine):
    """Says anything in any order; a subclass brings the server."""

    settings: dict[str, Any]
    client: Client

    # -- what a subclass brings -----------------------------------------------------------------------------

    @abstractmethod
    def serve(self, settings: dict[str, Any]) -> None:
        """Start a server."""

    @abstractmethod
    def connect(self) -> Client:
        """Return a client with a new session, of which nothing was read."""

    @abstractmethod
    def recorded(self) -> tuple[Session, Sequence[ReceivedMessage]]:
        """Return what is recorded of the session, and all messages of the server."""

    # -- sessions -------------------------------------------------------------------------------------------

    @initialize(settings=st.sampled_from(SETTINGS))
    def begin(self, settings: dict[str, Any]) -> None:
        """Start with a server that has some settings."""
        self.settings = settings
        self.messages: list[Expected] = []
        self.serve({"size_limit": SIZE_LIMIT, "recipient_limit": RECIPIENT_LIMIT, **settings})
        self.new_session()

    def new_session(self) -> None:
        """Connect, and know nothing."""
        self.client = self.connect()
        assert self.client.reply().startswith("220")
        self.tls = False
        self.is_over = self.has_said_auth = False
        self.is_flawless = True
        self.commands: list[tuple[str, int]] = []
        self.transactions: list[Expected] = []
        self.forget_client()

    def forget_client(self) -> None:
        """Forget who it is, as after a handshake."""
        self.hello = ""
        self.name: str | None = None
        self.user: str | None = None
        self.forget_transaction()

    def forget_transaction(self) -> None:
        """Forget the envelope."""
        self.open: Expected | None = None
        self.chunks: bytes | None = None
        self.has_failed = False

    @precondition(lambda self: self.is_over)
    @rule()
    def connect_again(self) -> None:
        """Begin another session."""
        self.new_session()

    # -- saying ---------------------------------------------------------------------------------------------

    def said(self, line: str, *expected: int) -> int:
        """Say a command and hold the code of its reply against the first expectation that is not 0."""
        due = next(code for code in expected if code)
        got = self.client.code(line)
        verb = line.partition(" ")[0].upper()
        self.has_said_auth |= verb == "AUTH"
        # Behind AUTH, what is no command may be a secret that went astray.
        self.note("********" if verb == "XYZZY" and self.has_said_auth else verb, got)
        assert got == due, f"{line!r} was answered {got}; {due} was due"
        return got

    def note(self, verb: str, code: int) -> None:
        """Keep what was said, and whether everything was in order so far."""
        self.commands.append((verb, code))
        self.is_flawless &= code < 400

    @property
    def has_auth_in_clear(self) -> bool:
        """Whether AUTH is served without TLS."""
        return bool(self.settings.get("auth_without_tls", self.settings.get("tls") == "none"))

    def barred(self, verb: str) -> int:
        """Return 530 where the settings want TLS or a login first, else 0."""
        if self.settings.get("require_tls") and not self.tls and verb not in BEFORE_TLS:
            return 530
        needs_login = self.settings.get("require_auth", "users" in self.settings) and self.user is None
        return 530 if needs_login and verb not in BEFORE_AUTH else 0

    def without_hello(self) -> int:
        """Return 503 where nobody said HELO or EHLO, else 0."""
        return 0 if self.hello else 503

    @precondition(lambda self: not self.is_over)
    @rule(commands=st.integers(1, 7), secures=st.booleans(), by_chunks=st.booleans(), recipient=RECIPIENTS)
    def go_on(self, commands: int, secures: bool, by_chunks: bool, recipient: str) -> None:
        """Say what a client says that knows what it does; alone, the other rules seldom come so far."""
        for _ in range(commands):
            if not self.hello:
                self.greet("EHLO", "me.example.com")
            elif secures and not self.tls and self.settings.get("tls") != "none":
                self.starttls("")
            elif self.barred("MAIL") and self.open is None and self.hello == "EHLO":
                self.auth("pass", "at once")
            elif self.open is None:
                self.mail("ada@example.com", "")
            elif not self.open.rcpt_to:
                self.rcpt(recipient)
            elif by_chunks:
                self.bdat(b"Subject: x\r\n", commands % 2 == 0)
            else:
                self.data(b"Subject: x\r\n\r\nx\r\n")

    # -- commands that are always possible ------------------------------------------------------------------

    @precondition(lambda self: not self.is_over)
    @rule(
        verb=st.sampled_from(["HELO", "EHLO", "EHLO", "ehlo"]), name=st.sampled_from(["", "me.example.com"])
    )
    def greet(self, verb: str, name: str) -> None:
        """HELO and EHLO forget the transaction where they take effect."""
        if self.said(f"{verb} {name}".strip(), self.barred(verb.upper()), 250 if name else 501) == 250:
            self.hello, self.name = verb.upper(), name
            self.forget_transaction()

    @precondition(lambda self: not self.is_over)
    @rule(argument=st.sampled_from(["", "", "x"]))
    def rset(self, argument: str) -> None:
        """RSET forgets the transaction."""
        if self.said(f"RSET {argument}".strip(), self.barred("RSET"), 501 if argument else 250) == 250:
            self.forget_transaction()

    @precondition(lambda self: not self.is_over)
    @rule(line=st.sampled_from(["NOOP", "NOOP x", "VRFY", "VRFY x", "EXPN x", "HELP", "XYZZY"]))
    def say_aside(self, line: str) -> None:
        """NOOP, VRFY, EXPN, HELP and what is no command change nothing."""
        verb = line.partition(" ")[0]
        codes = {"NOOP": 250, "VRFY": 252 if " " in line else 501, "EXPN": 502, "HELP": 214}
        self.said(line, self.barred(verb), codes.get(verb, 500))

    @precondition(lambda self: not self.is_over)
    @rule(argument=st.sampled_from(["", "", "", "x"]))
    def quit(self, argument: str) -> None:
        """QUIT ends the session."""
        self.is_over = self.said(f"QUIT {argument}".strip(), 501 if argument else 221) == 221

    # -- TLS and login --------------------------------------------------------------------------------------

    @precondition(lambda self: not self.is_over)
    @rule(argument=st.sampled_from(["", "", "", "x"]))
    def starttls(self, argument: str) -> None:
        """STARTTLS forgets all that was said in clear text."""
        if self.settings.get("tls") == "none":
            self.said("STARTTLS", 502)
            return
        due = 503 if self.tls else self.without_hello() or (501 if argument else 220)
        if self.said(f"STARTTLS {argument}".strip(), due) == 220:
            self.client.start_tls()
            self.tls = True
            self.forget_client()
            self.said("NOOP", 250)

    @precondition(lambda self: not self.is_over)
    @rule(password=st.sampled_from(["pass", "pass", "wrong"]), way=st.sampled_from(["at once", "asked", "*"]))
    def auth(self, password: str, way: str) -> None:
        """AUTH logs in once, after EHLO, outside a transaction, and under TLS where that is on offer."""
        response = base64.b64encode(f"\0ada\0{password}".encode()).decode()
        refusal = (
            self.barred("AUTH")
            or (0 if "users" in self.settings else 502)
            or (0 if self.hello == "EHLO" else 503)
            or (503 if self.user is not None or self.open is not None else 0)
            or (0 if self.tls or self.has_auth_in_clear else 538)
        )
        outcome = 501 if way == "*" else 235 if password == "pass" else 535
        if way == "at once":
            outcome = 235 if password == "pass" else 535
            code = self.said(f"AUTH PLAIN {response}", refusal, outcome)
        else:
            code = self.said("AUTH PLAIN", refusal, 334)
            if code == 334:
                code = self.client.code("*" if way == "*" else response)
                self.commands.pop()
                self.note("AUTH", code)
                assert code == outcome
        if code == 235:
            self.user = "ada"

    # -- the transaction ------------------------------------------------------------------------------------

    @precondition(lambda self: not self.is_over)
    @rule(sender=SENDERS, parameter=st.sampled_from(["", "", "SIZE=1", f"SIZE={SIZE_LIMIT + 1}", "XYZZY"]))
    def mail(self, sender: str, parameter: str) -> None:
        """MAIL begins a transaction after HELO or EHLO, where none is open."""
        flaw = 0
        if parameter:
            flaw = 555 if self.hello == "HELO" or parameter == "XYZZY" else 0
            flaw = flaw or (552 if parameter == f"SIZE={SIZE_LIMIT + 1}" else 0)
        nested = 503 if self.open is not None else 0
        line = f"MAIL FROM:<{sender}> {parameter}".strip()
        code = self.said(line, self.barred("MAIL"), self.without_hello(), nested, flaw, 250)
        if self.open is None:
            self.transactions.append(Expected(sender, code=None if code == 250 else code))
            if code == 250:
                self.open = self.transactions[-1]

    @precondition(lambda self: not self.is_over)
    @rule(line=st.sampled_from(["MAIL ada@example.com", "MAIL FROM:<ada>", "RCPT TO:<>", "RCPT FROM:<a@b>"]))
    def say_wrongly(self, line: str) -> None:
        """A MAIL or RCPT of wrong syntax leaves everything as it is."""
        verb = line[:4]
        place = (self.open is None) is (verb == "RCPT")
        self.said(line, self.barred(verb), self.without_hello(), 503 if place else 0, 501)

    @precondition(lambda self: not self.is_over)
    @rule(recipient=RECIPIENTS)
    def rcpt(self, recipient: str) -> None:
        """RCPT adds a recipient to a transaction, up to the limit."""
        missing = 503 if self.open is None else 0
        limit = self.settings.get("recipient_limit", RECIPIENT_LIMIT)
        full = 452 if self.open is not None and len(self.open.rcpt_to) >= limit else 0
        line = f"RCPT TO:<{recipient}>"
        code = self.said(line, self.barred("RCPT"), self.without_hello(), missing, full, 250)
        if self.open is not None and code == 250:
            self.open.rcpt_to.append(recipient)
        elif self.open is not None and code == 452:
            self.open.refused.append(recipient)

    def not_ready(self, verb: str) -> int:
        """Return why content cannot come, or 0."""
        if code := self.barred(verb) or self.without_hello() or (503 if self.open is None else 0):
            return code
        assert self.open is not None
        if verb == "DATA" and (self.chunks is not None or self.has_failed):
            return 503
        if verb == "BDAT" and self.has_failed:
            return 503
        if not self.open.rcpt_to:
            return 554 if self.open.refused else 503
        return 0

    @precondition(lambda self: not self.is_over)
    @rule(content=CONTENTS)
    def data(self, content: bytes) -> None:
        """DATA takes content up to the dot, and that ends the transaction."""
        code = self.said("DATA", self.not_ready("DATA"), 354)
        if code != 354:
            if self.open is not None:
                self.open.code = code
            return
        self.client.send(
            b"".join(b"." + line if line[:1] == b"." else line for line in content.splitlines(True))
        )
        code = self.client.code(".")
        self.commands.pop()
        self.note("DATA", code)
        self.end_content(content, code)

    @precondition(lambda self: not self.is_over)
    @rule(chunk=CHUNKS, last=st.booleans())
    def bdat(self, chunk: bytes, last: bool) -> None:
        """BDAT takes so many octets, whatever it answers; the last one ends the transaction."""
        refusal = self.not_ready("BDAT")
        so_far = self.chunks or b""
        too_big = 552 if len(so_far) + len(chunk) > SIZE_LIMIT else 0
        self.client.send(f"BDAT {len(chunk)}{' LAST' if last else ''}\r\n".encode() + chunk)
        code = int(self.client.reply()[:3])
        self.note("BDAT", code)
        assert code == (refusal or too_big or 250)
        if refusal:
            return
        if last:
            self.end_content(so_far + chunk, code)
        elif too_big:
            assert self.open is not None
            self.has_failed, self.open.code = True, code
        else:
            self.chunks = so_far + chunk

    def end_content(self, content: bytes, code: int) -> None:
        """Hold the reply to content against its size, and remember the message."""
        assert code == (552 if len(content) > SIZE_LIMIT else 250)
        assert self.open is not None
        self.open.code = code
        if code == 250:
            self.open.content = content
            self.messages.append(self.open)
        self.forget_transaction()

    # -- what must be recorded ------------------------------------------------------------------------------

    @invariant()
    def is_recorded(self) -> None:
        """Envelope, content, replies, and who the client is."""
        if not hasattr(self, "client"):
            return
        session, messages = self.recorded()
        assert [(one.mail_from, list(one.rcpt_to), one.content) for one in messages] == [
            (one.mail_from, one.rcpt_to, one.content) for one in self.messages
        ]
        assert [
            (
                one.mail_from,
                list(one.rcpt_to),
                list(one.refused),
                one.reply.code if one.reply is not None else None,
                one.message.content if one.message is not None else None,
            )
            for one in session.transactions
        ] == [
            (one.mail_from, one.rcpt_to, sorted({*one.refused}, key=one.refused.index), one.code, one.content)
            for one in self.transactions
        ]
        heard = [(one.verb, one.reply.code if one.reply is not None else 0) for one in session.commands]
        assert heard == self.commands
        assert (session.client_name, session.user, session.tls is not None) == (
            self.name,
            self.user,
            self.tls,
        )
        fatal = [one.name for one in session.violations if one.fatal]
        assert not self.is_flawless or set(fatal) <= {"cleartext-credentials"}
