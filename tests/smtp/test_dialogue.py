"""The client's dialogue, played against lists of replies: no socket anywhere."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.errors import Cause, Problem, RemoteProtocolError
from pytest_smtp4d.smtp import dialogue
from pytest_smtp4d.smtp.dialogue import AddTransparency, Dialogue, Exchange, Refused, UpgradeTLS
from pytest_smtp4d.smtp.envelope import Envelope
from pytest_smtp4d.smtp.extension import Extensions
from pytest_smtp4d.smtp.reply import Reply
from pytest_smtp4d.smtp.sasl import Derivation, Secrets

T = TypeVar("T")


@dataclass
class Play:
    """A peer that answers from a script, in order, and keeps what it was sent."""

    script: list[Reply]
    sent: list[bytes] = field(default_factory=list)
    shown: list[str | None] = field(default_factory=list)

    def run(self, talk: Dialogue[T]) -> T:
        """Run the dialogue to its end, as a driver does."""
        try:
            step = next(talk)
            while True:
                if isinstance(step, UpgradeTLS):
                    self.sent.append(b"<TLS>")
                    step = talk.send(None)
                elif isinstance(step, Derivation | AddTransparency):
                    step = talk.send(step.derive())
                else:
                    step = talk.send(self.answers(step))
        except StopIteration as end:
            value: T = end.value
            return value

    def answers(self, step: Exchange) -> list[Reply]:
        """One reply for each stage; fewer after a 421."""
        self.sent.append(step.octets)
        self.shown.append(step.shown)
        replies: list[Reply] = []
        for _ in step.stages:
            replies.append(self.script.pop(0))
            if replies[-1].code == 421:
                break
        return replies


def play(*script: str) -> Play:
    """Make a peer from replies such as "250 OK"; "|" parts the lines of one."""
    return Play([Reply(int(line[:3]), line[4:].replace("|", "\n")) for line in script])


OFFERS = "250 mx.example.com|PIPELINING|8BITMIME|SIZE 1000|STARTTLS|AUTH PLAIN"


# -- opening


def test_starttls_is_taken_where_it_is_offered() -> None:
    """Greeting, EHLO, STARTTLS, handshake; what was offered before is forgotten (RFC 3207 4.2)."""
    peer = play("220 mx", OFFERS, "220 go")
    assert peer.run(dialogue.secure("me.example.com", implicit=False, cleartext=True)) is None
    assert peer.sent == [b"", b"EHLO me.example.com\r\n", b"STARTTLS\r\n", b"<TLS>"]


def test_implicit_tls_comes_before_the_greeting() -> None:
    """RFC 8314 3.3."""
    peer = play("220 mx")
    assert peer.run(dialogue.secure("me", implicit=True, cleartext=False)) is None
    assert peer.sent == [b"<TLS>", b""]


def test_cleartext_is_refused_unless_allowed() -> None:
    """Nothing offered: an error by default, and a session in clear with permission."""
    with pytest.raises(Problem) as caught:
        play("220 mx", "250 mx").run(dialogue.secure("me", implicit=False, cleartext=False))
    assert caught.value.cause is Cause.ENCRYPTION_REQUIRED
    opened = play("220 mx", "250 mx|SIZE").run(dialogue.secure("me", implicit=False, cleartext=True))
    assert opened is not None
    assert "SIZE" in opened[1]


def test_a_refused_starttls_is_a_refusal_unless_cleartext_is_allowed() -> None:
    """The server's own code tells why; with permission, the session goes on in clear."""
    script = ("220 mx", OFFERS, "454 4.7.0 Not now")
    with pytest.raises(Refused) as caught:
        play(*script).run(dialogue.secure("me", implicit=False, cleartext=False))
    assert (caught.value.stage, caught.value.reply.code) == ("STARTTLS", 454)
    assert play(*script).run(dialogue.secure("me", implicit=False, cleartext=True)) is not None


@pytest.mark.parametrize("greeting", ["554 No service here", "421 Too busy"])
def test_a_greeting_can_be_a_refusal(greeting: str) -> None:
    """RFC 5321 3.1: 554, or 421, and nothing is said to such a server."""
    peer = play(greeting)
    with pytest.raises(Refused) as caught:
        peer.run(dialogue.secure("me", implicit=False, cleartext=True))
    assert (caught.value.stage, str(caught.value.reply)) == ("CONNECT", greeting)
    assert peer.sent == [b""]


def test_helo_is_the_way_back() -> None:
    """A server that does not know EHLO is greeted with HELO, and offers nothing (RFC 5321 3.2)."""
    peer = play("502 What?", "250 mx")
    reply, extensions = peer.run(dialogue.hello("me"))
    assert (reply.code, extensions) == (250, Extensions())
    assert peer.sent == [b"EHLO me\r\n", b"HELO me\r\n"]


@pytest.mark.parametrize(
    ("script", "stage"), [(("421 Bye",), "EHLO"), (("450 Wait",), "EHLO"), (("502 What?", "550 No"), "HELO")]
)
def test_a_refused_hello_is_a_refusal(script: tuple[str, ...], stage: str) -> None:
    """4yz is no sign of old age, so HELO is not tried after it."""
    with pytest.raises(Refused) as caught:
        play(*script).run(dialogue.hello("me"))
    assert caught.value.stage == stage


# -- login


def login(
    peer: Play, secrets: Secrets, mode: str | None = None, offered: str = "PLAIN LOGIN CRAM-MD5"
) -> Reply:
    """Log in at a peer."""
    return peer.run(dialogue.login(Extensions({"AUTH": offered}), secrets, mode, "nonce"))


def test_the_initial_response_saves_a_round_trip() -> None:
    """One command for PLAIN, and the log never sees it."""
    peer = play("235 2.7.0 Welcome")
    assert login(peer, Secrets("me", "pw"), "PLAIN").code == 235
    assert peer.sent == [b"AUTH PLAIN AG1lAHB3\r\n"]
    assert peer.shown == ["AUTH PLAIN ********"]


def test_login_is_asked_twice() -> None:
    """User name and password, whatever the prompts say."""
    peer = play("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 OK")
    login(peer, Secrets("me", "pw"), "LOGIN")
    assert peer.sent == [b"AUTH LOGIN\r\n", b"bWU=\r\n", b"cHc=\r\n"]
    assert peer.shown == ["AUTH LOGIN", "********", "********"]


def test_a_long_token_goes_on_a_line_of_its_own() -> None:
    """Servers that stop at 512 octets take it there (RFC 4954 4)."""
    token = "t" * 2000
    peer = play("334 ", "235 OK")
    login(peer, Secrets("me", token=token), offered="XOAUTH2")
    assert peer.sent[0] == b"AUTH XOAUTH2\r\n"
    assert len(peer.sent[1]) > 2000
    assert peer.shown == ["AUTH XOAUTH2", "********"]


def test_an_oauth2_error_challenge_is_answered_and_the_final_code_counts() -> None:
    """334 with JSON, an empty answer, 535."""
    peer = play("334 eyJzdGF0dXMiOiI0MDAifQ==", "535 5.7.8 Bad token")
    with pytest.raises(Refused) as caught:
        login(peer, Secrets("me", token="t"), offered="XOAUTH2")
    assert (caught.value.stage, caught.value.reply.code) == ("AUTH", 535)
    assert peer.sent[1] == b"\r\n"


@pytest.mark.parametrize(
    ("mode", "script", "words"),
    [
        ("CRAM-MD5", ("334 not base64!", "501 cancelled"), "is not base64"),
        ("CRAM-MD5", ("334 é", "501 cancelled"), "is not base64"),
        ("LOGIN", ("334 ", "334 ", "334 ", "501 cancelled"), "is one more than the mechanism has"),
    ],
)
def test_an_unfit_challenge_cancels_the_exchange(mode: str, script: tuple[str, ...], words: str) -> None:
    """A lone "*" (RFC 4954 4), and the reason in the problem."""
    peer = play(*script)
    with pytest.raises(Problem, match=words) as caught:
        login(peer, Secrets("me", "pw"), mode)
    assert caught.value.cause is Cause.MALFORMED_REPLY
    assert peer.sent[-1] == b"*\r\n"


@pytest.mark.parametrize(
    "prompts", [("Username:", "Password:"), ("é", "ü"), ("VXNlcm5hbWU6", "UGFzc3dvcmQ6 ")]
)
def test_the_prompts_of_login_are_for_people(prompts: tuple[str, str]) -> None:
    """Servers exist that write them in clear text; any prompt is answered, the user first."""
    peer = play(f"334 {prompts[0]}", f"334 {prompts[1]}", "235 OK")
    assert login(peer, Secrets("me", "pw"), "LOGIN").code == 235
    assert peer.sent == [b"AUTH LOGIN\r\n", b"bWU=\r\n", b"cHc=\r\n"]


@pytest.mark.parametrize("challenge", ["PDEyMz4= ", "PDEyMz4=", "PDEyMz4", " PDEyMz4=\t"])
def test_a_challenge_is_read_with_blanks_around_it_and_without_padding(challenge: str) -> None:
    """Some servers write so; the digest is that of the octets meant."""
    peer = play(f"334 {challenge}", "235 OK")
    login(peer, Secrets("tim", "tanstaaftanstaaf"), "CRAM-MD5")
    strict = play("334 PDEyMz4=", "235 OK")
    login(strict, Secrets("tim", "tanstaaftanstaaf"), "CRAM-MD5")
    assert peer.sent == strict.sent


@pytest.mark.parametrize("reason", ["eyJzdGF0dXMiOiI0MDEifQ", "not base64!", "é", ""])
def test_a_refused_token_is_its_535(reason: str) -> None:
    """The 334 before it only carries a reason (RFC 7628 3.2.3): it is answered, however it is written."""
    peer = play(f"334 {reason}", "535 5.7.8 denied")
    with pytest.raises(Refused) as caught:
        login(peer, Secrets("me", token="t"), offered="XOAUTH2")
    assert str(caught.value.reply) == "535 5.7.8 denied"
    assert peer.sent[1] == b"\r\n"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
def test_a_salted_password_is_a_step_of_its_own(mechanism: str) -> None:
    """The driver derives, in a thread of its choice; more than a million iterations are refused at once."""
    talk = dialogue.login(Extensions({"AUTH": mechanism}), Secrets("me", "pw"), None, "nonce")
    next(talk)
    salt = base64.b64encode(b"salt").decode()

    def challenge(iterations: str) -> list[Reply]:
        first = f"r=nonce1,s={salt},i={iterations}".encode()
        return [Reply(334, base64.b64encode(first).decode())]

    step = talk.send(challenge("1000000"))
    assert isinstance(step, Derivation)
    assert (step.salt, step.iterations, "pw" in repr(step)) == (b"salt", 1_000_000, False)
    for iterations in ("1000001", "9" * 5000, "0", "-1", "\u0661", "1_0", " 5"):
        talk = dialogue.login(Extensions({"AUTH": mechanism}), Secrets("me", "pw"), None, "nonce")
        next(talk)
        cancel = talk.send(challenge(iterations))
        assert isinstance(cancel, Exchange)
        assert cancel.octets == b"*\r\n"
        with pytest.raises(Problem, match=r"iteration count|malformed") as caught:
            talk.send([Reply(501)])
        assert caught.value.cause is Cause.SERVER_NOT_AUTHENTIC


def test_a_235_before_the_servers_proof_is_not_believed() -> None:
    """SCRAM authenticates the server, too (RFC 5802 5)."""
    with pytest.raises(Problem) as caught:
        login(play("235 OK"), Secrets("me", "pw"), offered="SCRAM-SHA-256")
    assert caught.value.cause is Cause.SERVER_NOT_AUTHENTIC


@pytest.mark.parametrize(
    ("offered", "secrets", "mode", "cause"),
    [
        ("", Secrets("me", "pw"), None, Cause.LOGIN_NOT_OFFERED),
        ("LOGIN", Secrets("me", "pw"), "PLAIN", Cause.MECHANISM_NOT_OFFERED),
        ("XOAUTH2", Secrets("me", "pw"), None, Cause.MECHANISM_NOT_OFFERED),
        ("PLAIN", Secrets("me", None), None, Cause.CREDENTIALS_UNFIT),
        ("PLAIN", Secrets("me", None, "token"), "PLAIN", Cause.CREDENTIALS_UNFIT),
        ("PLAIN", Secrets("m\0e", "pw"), None, Cause.CREDENTIALS_UNFIT),
    ],
)
def test_nothing_is_sent_when_no_login_is_possible(
    offered: str, secrets: Secrets, mode: str | None, cause: Cause
) -> None:
    """The problem is ours to tell, not the server's."""
    peer = play()
    with pytest.raises(Problem) as caught:
        login(peer, secrets, mode, offered)
    assert (caught.value.cause, caught.value.stage, peer.sent) == (cause, "AUTH", [])


# -- transactions

ONE = Envelope("a@example.com", ("b@example.org",))
TWO = Envelope("a@example.com", ("b@example.org", "c@example.org"))
PLAIN_EXTENSIONS = Extensions()
PIPELINING = Extensions({"PIPELINING": ""})
CHUNKING = Extensions({"CHUNKING": "", "PIPELINING": ""})


def test_without_pipelining_each_command_waits() -> None:
    """MAIL, RCPT, DATA, content: one reply each."""
    peer = play("250 OK", "250 OK", "354 go", "250 2.0.0 Queued")
    outcome = peer.run(dialogue.transaction(ONE, b"x\r\n.y\r\n", PLAIN_EXTENSIONS))
    assert outcome.is_accepted
    assert peer.sent == [
        b"MAIL FROM:<a@example.com>\r\n",
        b"RCPT TO:<b@example.org>\r\n",
        b"DATA\r\n",
        b"x\r\n..y\r\n.\r\n",
    ]


def test_one_recipient_goes_in_a_group_with_data() -> None:
    """RFC 2920 3.1: MAIL, RCPT and DATA in one write."""
    peer = play("250 OK", "250 OK", "354 go", "250 Queued")
    assert peer.run(dialogue.transaction(ONE, b"x\r\n", PIPELINING)).is_accepted
    assert [octets.count(b"\r\n") for octets in peer.sent] == [3, 2]


def test_several_recipients_keep_data_back() -> None:
    """No DATA before every RCPT reply was read: a server would queue for those it took."""
    peer = play("250 OK", "250 OK", "250 OK", "354 go", "250 Queued")
    assert peer.run(dialogue.transaction(TWO, b"x\r\n", PIPELINING)).is_accepted
    assert peer.sent[0].count(b"\r\n") == 3
    assert peer.sent[1] == b"DATA\r\n"


def test_chunking_saves_the_round_trip_of_data() -> None:
    """With several recipients, or without PIPELINING, BDAT LAST does the work of DATA and content."""
    peer = play("250 OK", "250 OK", "250 OK", "250 Queued")
    assert peer.run(dialogue.transaction(TWO, b".x", CHUNKING)).is_accepted
    assert peer.sent[1] == b"BDAT 4 LAST\r\n.x\r\n"
    peer = play("250 OK", "250 OK", "354 go", "250 Queued")
    assert peer.run(dialogue.transaction(ONE, b"x", CHUNKING)).is_accepted
    assert peer.sent[1] == b"x\r\n.\r\n"


def test_one_refusal_and_nobody_gets_it() -> None:
    """All or nothing: the first refusal decides, all are named, no content leaves."""
    for extensions in (PLAIN_EXTENSIONS, PIPELINING, CHUNKING):
        peer = play("250 OK", "550 5.1.1 Who?", "452 4.5.3 Full")
        outcome = peer.run(dialogue.transaction(TWO, b"x", extensions))
        assert not outcome.is_accepted
        assert (outcome.stage, outcome.reply.code) == ("RCPT", 550)
        assert {mailbox: reply.code for mailbox, reply in outcome.refused.items()} == {
            "b@example.org": 550,
            "c@example.org": 452,
        }
        assert not any(b"x" in octets.replace(b"example", b"") for octets in peer.sent)


def test_a_354_after_the_refusal_gets_a_lone_dot() -> None:
    """RFC 2920 3.1: a server that says 354 without a recipient is answered by nothing but the end."""
    peer = play("250 OK", "550 Who?", "354 go", "554 No valid recipients")
    outcome = peer.run(dialogue.transaction(ONE, b"secret\r\n", PIPELINING))
    assert (outcome.stage, outcome.reply.code) == ("RCPT", 550)
    assert peer.sent[-1] == b".\r\n"


@pytest.mark.parametrize(
    ("script", "stage", "code"),
    [
        (("550 5.7.1 No", "503 first MAIL", "503 first RCPT"), "MAIL", 550),
        (("421 Bye",), "MAIL", 421),
        (("250 OK", "421 Bye"), "RCPT", 421),
        (("250 OK", "250 OK", "451 Later"), "DATA", 451),
        (("250 OK", "250 OK", "421 Bye"), "DATA", 421),
        (("250 OK", "250 OK", "354 go", "554 5.6.0 Spam"), "CONTENT", 554),
        (("250 OK", "250 OK", "354 go", "421 Bye"), "CONTENT", 421),
    ],
)
def test_the_deciding_reply_is_named(script: tuple[str, ...], stage: str, code: int) -> None:
    """Wherever the server says no, the outcome says where."""
    outcome = play(*script).run(dialogue.transaction(ONE, b"x", PIPELINING))
    assert (outcome.stage, outcome.reply.code, outcome.is_accepted) == (stage, code, False)


@pytest.mark.parametrize(
    "script",
    [
        ("354 huh?", "250 OK", "354 go"),
        ("250 OK", "354 huh?", "354 go"),
        ("250 OK", "250 OK", "250 huh?"),
        ("250 OK", "250 OK", "354 go", "354 huh?"),
    ],
)
def test_a_reply_that_means_nothing_there_is_the_servers_error(script: tuple[str, ...]) -> None:
    """A 354 to MAIL, a 250 to DATA: nobody knows what such a server did."""
    with pytest.raises(RemoteProtocolError, match="was due"):
        play(*script).run(dialogue.transaction(ONE, b"x", PIPELINING))


def test_parameters_follow_what_is_offered() -> None:
    """SIZE and BODY where offered and needed; SMTPUTF8 where asked for."""
    offers = Extensions({"SIZE": "100", "8BITMIME": "", "SMTPUTF8": ""})
    script = ("250 OK", "250 OK", "354 go", "250 OK")
    peer = play(*script)
    peer.run(dialogue.transaction(ONE, b"plain\r\n", offers))
    assert peer.sent[0] == b"MAIL FROM:<a@example.com> SIZE=7\r\n"
    peer = play(*script)
    peer.run(dialogue.transaction(ONE, "grün\r\n".encode(), offers, utf8=True))
    assert peer.sent[0] == b"MAIL FROM:<a@example.com> SIZE=7 BODY=8BITMIME SMTPUTF8\r\n"


@pytest.mark.parametrize(
    ("offers", "utf8", "cause"),
    [
        ({"SIZE": "4"}, False, Cause.MESSAGE_TOO_LARGE),
        ({}, True, Cause.SMTPUTF8_NOT_OFFERED),
    ],
)
def test_what_the_server_cannot_take_is_not_tried(offers: dict[str, str], utf8: bool, cause: Cause) -> None:
    """Too large, or not sayable without SMTPUTF8: nothing is sent."""
    peer = play()
    with pytest.raises(Problem) as caught:
        peer.run(dialogue.transaction(ONE, b"hello\r\n", Extensions(offers), utf8=utf8))
    assert (caught.value.cause, peer.sent) == (cause, [])


CODES = st.sampled_from([200, 220, 250, 235, 334, 354, 421, 450, 451, 500, 502, 535, 550, 554])
REPLIES = st.lists(
    st.builds(Reply, CODES, st.sampled_from(["", "OK", "mx\nSTARTTLS\nPIPELINING"])), min_size=12, max_size=12
)


@given(REPLIES, st.sampled_from([PLAIN_EXTENSIONS, PIPELINING, CHUNKING]), st.sampled_from([ONE, TWO]))
def test_any_replies_end_a_transaction(
    script: list[Reply], extensions: Extensions, envelope: Envelope
) -> None:
    """An outcome or the server's error, and never success but for a 2yz to the content."""
    peer = Play(list(script))
    try:
        outcome = peer.run(dialogue.transaction(envelope, b"x", extensions))
    except RemoteProtocolError:
        return
    assert outcome.is_accepted == (outcome.stage == "CONTENT" and outcome.reply.code // 100 == 2)
    content_left = any(b"x\r\n" in octets for octets in peer.sent)
    assert content_left or not outcome.is_accepted
    assert not (outcome.refused and content_left)


@given(REPLIES, st.booleans(), st.booleans())
def test_any_replies_end_an_opening(script: list[Reply], implicit: bool, cleartext: bool) -> None:
    """A result, a refusal, a problem or the server's error; and cleartext only with permission."""
    try:
        opened = Play(list(script)).run(dialogue.secure("me", implicit=implicit, cleartext=cleartext))
    except (Refused, Problem, RemoteProtocolError):
        return
    assert opened is None or cleartext


def test_between_transactions() -> None:
    """NOOP, RSET and QUIT are what they are; the first two raise a refusal."""
    assert play("250 OK").run(dialogue.noop()).code == 250
    assert play("250 OK").run(dialogue.reset()).code == 250
    assert play("500 What?").run(dialogue.quit_session()).code == 500
    with pytest.raises(Refused):
        play("421 Bye").run(dialogue.noop())
    with pytest.raises(Refused):
        play("500 What?").run(dialogue.reset())


def test_a_refusal_outlives_what_happens_to_the_dot_after_it() -> None:
    """A server that refused the recipient, and takes a lone dot without an answer: the refusal is told."""
    talk = dialogue.transaction(
        Envelope("a@example.com", ("b@example.org",)), b"x\r\n", Extensions({"PIPELINING": ""})
    )
    next(talk)
    step = talk.send([Reply(250), Reply(550, "5.1.1 Who?"), Reply(354)])
    assert isinstance(step, Exchange)
    assert step.octets == b".\r\n"
    with pytest.raises(StopIteration) as end:
        talk.throw(Problem(Cause.CONNECTION_LOST, "it left", "CONTENT"))
    outcome = end.value.value
    assert (outcome.stage, str(outcome.reply)) == ("RCPT", "550 5.1.1 Who?")
    assert list(outcome.refused) == ["b@example.org"]


@pytest.mark.parametrize(
    ("code", "again"), [(500, True), (502, True), (504, True), (552, False), (250, False)]
)
def test_an_unknown_bdat_is_told_from_a_refused_message(code: int, again: bool) -> None:
    """What a server that offers CHUNKING and lacks it answers means: send the same by DATA."""
    peer = play("250 OK", "250 OK", f"{code} x")
    outcome = peer.run(
        dialogue.transaction(
            Envelope("a@example.com", ("b@example.org",)), b"x\r\n", Extensions({"CHUNKING": ""})
        )
    )
    assert (outcome.chunked, outcome.needs_data) == (True, again)
    assert not dialogue.Outcome(Reply(502), "CONTENT").needs_data


def test_a_greeting_of_another_code_is_quoted() -> None:
    """What answers there is named by its own words, however many they are."""
    with pytest.raises(RemoteProtocolError, match="CONNECT with '250 POP3 is next door', where 220 was due"):
        play("250 POP3 is next door").run(dialogue.secure("me", implicit=False, cleartext=True))
    with pytest.raises(RemoteProtocolError) as caught:
        play("354 " + "x" * 9000).run(dialogue.secure("me", implicit=False, cleartext=True))
    assert len(str(caught.value)) < 300


def test_transparency_of_large_content_is_a_step_of_its_own() -> None:
    """The driver does it, outside its event loop; what is sent is the same."""
    content = b".line\r\n" * 300_000
    peer = play("250 OK", "250 OK", "354 go", "250 OK")
    outcome = peer.run(
        dialogue.transaction(Envelope("a@example.com", ("b@example.org",)), content, Extensions())
    )
    assert outcome.is_accepted
    assert peer.sent[-1] == b"..line\r\n" * 300_000 + b".\r\n"
