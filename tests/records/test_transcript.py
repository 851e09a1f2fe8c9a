from __future__ import annotations

import base64
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.records.masking import MASK, redact
from pytest_smtp4d.records.record import Session
from pytest_smtp4d.records.recorder import Recorder
from pytest_smtp4d.records.transcript import Transcript
from pytest_smtp4d.smtp.command import VERBS
from pytest_smtp4d.smtp.reply import Reply
from pytest_smtp4d.words import escaped


class Recording:
    """A transcript and the recorder that writes it, with what a test does not care about filled in."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.transcript = Transcript(self.recorder)

    def said(self, octets: bytes, stage: str = "MAIL") -> None:
        """Record what the server said."""
        self.recorder.stage = stage
        self.recorder.sent(octets)

    def heard(self, line: bytes) -> None:
        """Record a command line."""
        verb, _, argument = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape").partition(" ")
        self.recorder.stage = verb.upper() if verb.upper() in VERBS else "UNKNOWN"
        self.recorder.command(line, verb.upper(), argument.strip(), pipelined=False)

    def content(self, octets: bytes) -> None:
        """Record content, without a dot behind it."""
        self.recorder.stage = "CONTENT"
        self.recorder.chunk(octets)


def test_lines_read_as_a_dialogue() -> None:
    """`str(transcript)` is one `C: …` or `S: …` a line, a multi-line reply several of them."""
    recording = Recording()
    transcript = recording.transcript
    recording.said(b"220 mx.example.com ESMTP\r\n", "CONNECT")
    recording.heard(b"EHLO client.example.org\r\n")
    recording.said(b"250-mx.example.com\r\n250 SIZE 1000\r\n", "EHLO")
    assert str(transcript) == (
        "S: 220 mx.example.com ESMTP\nC: EHLO client.example.org\nS: 250-mx.example.com\nS: 250 SIZE 1000"
    )
    assert [line.stage for line in transcript.lines] == ["CONNECT", "EHLO", "EHLO", "EHLO"]


def test_a_line_knows_its_circumstances() -> None:
    """A line carries direction, octets, stage, TLS state and time."""
    recording = Recording()
    transcript = recording.transcript
    recording.recorder.tls, recording.recorder.at = True, 0.25
    recording.heard(b"MAIL FROM:<a@example.com>\r\n")
    (line,) = transcript.lines
    assert (line.direction, line.octets, line.stage, line.tls, line.at, line.is_content) == (
        "C",
        b"MAIL FROM:<a@example.com>",
        "MAIL",
        True,
        0.25,
        False,
    )


@pytest.mark.parametrize(
    ("line", "stored"),
    [
        ("AUTH PLAIN AGpvZQBodW50ZXIy", f"AUTH PLAIN {MASK}"),
        ("auth plain AGpvZQBodW50ZXIy", f"auth plain {MASK}"),
        ("AUTH Plain AGpvZQBodW50ZXIy", f"AUTH Plain {MASK}"),
        ("AUTH  LOGIN  am9l", f"AUTH  LOGIN {MASK}"),
        ("AUTH LOGIN", "AUTH LOGIN"),
        ("AUTH cram-md5", "AUTH cram-md5"),
        ("AUTH Xoauth2", "AUTH Xoauth2"),
        ("AUTH", "AUTH"),
        ("AUTH AGpvZQBodW50ZXIy", f"AUTH {MASK}"),
        ("AUTH aHVudGVyMg==", f"AUTH {MASK}"),
        ("AUTH SCRAM-SHA-256 biwsbj1qb2Us", f"AUTH SCRAM-SHA-256 {MASK}"),
        ("AUTH a.mechanism.too.long.to.be.one secret", f"AUTH {MASK}"),
        ("MAIL FROM:<a@example.com> AUTH=joe", "MAIL FROM:<a@example.com> AUTH=joe"),
        ("AUTH\tPLAIN AGpvZQBodW50ZXIy", f"AUTH\\tPLAIN {MASK}"),
        ("AUTHPLAIN AGpvZQBodW50ZXIy", f"AUTHPLAIN {MASK}"),
        ("authenticate plain AGpvZQBodW50ZXIy", f"authenticate {MASK}"),
        ("AUTH=AGpvZQBodW50ZXIy", f"AUTH {MASK}"),
        ("AUTHAGpvZQBodW50ZXIy", f"AUTH {MASK}"),
        ("AUTHOR", "AUTHOR"),
    ],
)
def test_a_login_is_masked(line: str, stored: str) -> None:
    """Of AUTH the verb and the mechanism stay, whatever may be a secret does not."""
    assert escaped(redact(line).encode()) == stored
    recording = Recording()
    transcript = recording.transcript
    recording.heard(line.encode() + b"\r\n")
    assert str(transcript) == f"C: {stored}"


def test_answers_to_challenges_are_masked() -> None:
    """A line that answers a challenge is stored as a mask; the challenge is shown."""
    recording = Recording()
    transcript = recording.transcript
    recording.heard(b"AUTH LOGIN\r\n")
    recording.said(b"334 VXNlcm5hbWU6\r\n", "AUTH")
    recording.recorder.response(b"am9l\r\n", "LOGIN")
    assert str(transcript) == f"C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: {MASK}"


def test_a_stray_answer_is_masked() -> None:
    """A client that answers a challenge it never got (AUTH refused) does not leak its password as a verb."""
    recording = Recording()
    transcript = recording.transcript
    recording.heard(b"HELLO\r\n")
    recording.heard(b"AUTH LOGIN\r\n")
    recording.said(b"504 5.5.4 no\r\n", "AUTH")
    recording.heard(b"aHVudGVyMg==\r\n")
    assert str(transcript) == f"C: HELLO\nC: AUTH LOGIN\nS: 504 5.5.4 no\nC: {MASK}"


@given(
    secret=st.binary(min_size=12, max_size=60),
    mechanism=st.sampled_from(["PLAIN", "LOGIN", "xoauth2", "Plain"]),
)
def test_no_secret_survives(secret: bytes, mechanism: str) -> None:
    """No part of an initial response is in any view of a transcript."""
    response = base64.b64encode(secret)
    recording = Recording()
    transcript = recording.transcript
    recording.heard(b"AUTH " + mechanism.encode() + b" " + response + b"\r\n")
    recording.recorder.response(response + b"\r\n", "LOGIN")
    views = (str(transcript), transcript.render(content=True), repr(transcript), repr(transcript.lines))
    assert not any(response.decode() in view for view in views)


CONTENT = b"Subject: Hi\r\nX-Id: 1\r\n\r\nDear Bob,\r\nbye\r\n"


def test_content_is_elided_after_its_header() -> None:
    """Content ends after the header with a line that says what was left out; asked for, it is whole."""
    recording = Recording()
    transcript = recording.transcript
    recording.recorder.content(CONTENT, None)
    assert str(transcript) == (
        "C: Subject: Hi\nC: X-Id: 1\nC: \nC: [2 lines, 16 octets of content left out]\nC: ."
    )
    assert transcript.render(content=True) == "C: Subject: Hi\nC: X-Id: 1\nC: \nC: Dear Bob,\nC: bye\nC: ."


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"", ""),
        (b"no header at all", "C: [1 line, 16 octets of content left out]"),
        (b"\r\nbody\r\n", "C: \nC: [1 line, 6 octets of content left out]"),
        (b"A: 1\n\nbody", "C: A: 1\nC: \nC: [1 line, 4 octets of content left out]"),
        (b"A: 1\r\n\r\n", "C: A: 1\nC: "),
        (b"A: \xff\x00\r\n\r\nx", "C: A: \\xff\\x00\nC: \nC: [1 line, 1 octets of content left out]"),
    ],
)
def test_odd_content_is_shown(content: bytes, shown: str) -> None:
    """Content without a header, without a body or with odd octets has a place in the dialogue, too."""
    recording = Recording()
    transcript = recording.transcript
    recording.content(content)
    assert str(transcript) == shown


def test_content_is_kept_by_reference() -> None:
    """A transcript does not copy the octets of a message."""
    recording = Recording()
    transcript = recording.transcript
    recording.content(CONTENT)
    assert transcript.lines[0].octets is CONTENT


def test_unprintable_octets_are_escaped() -> None:
    """Controls, odd octets and bidirectional marks are shown escaped; text in any script is not."""
    assert escaped(b"a\x00\x1b[31m\xff\n") == "a\\x00\\x1b[31m\\xff\\n"
    assert escaped("Grüße, Ελλάδα".encode()) == "Grüße, Ελλάδα"
    assert escaped("a\u202eb".encode()) == "a\\u202eb"


@given(st.lists(st.tuples(st.sampled_from(["C", "S"]), st.binary(), st.booleans(), st.booleans())))
def test_any_octets_can_be_shown(entries: list[tuple[str, bytes, bool, bool]]) -> None:
    """Whatever is sent, a transcript shows it, printable and with a direction on every line."""
    recording = Recording()
    transcript = recording.transcript
    for direction, octets, secret, is_content in entries:
        if is_content:
            recording.content(octets)
        elif secret:
            recording.recorder.response(octets, "PLAIN")
        elif direction == "C":
            recording.heard(octets)
        else:
            recording.said(octets)
    for whole in (False, True):
        text = transcript.render(content=whole)
        assert all(line[:3] in ("C: ", "S: ") and line.isprintable() for line in text.split("\n") if text)
    assert len(transcript) == len(transcript.lines)


def test_a_live_transcript_is_read_from_another_thread() -> None:
    """Reading while the session grows never fails and never sees a line twice."""
    recording = Recording()
    transcript = recording.transcript
    done = threading.Event()

    def record() -> None:
        for number in range(2000):
            recording.heard(b"NOOP %d\r\n" % number)
        done.set()

    writer = threading.Thread(target=record)
    writer.start()
    while not done.is_set():
        lines = transcript.lines
        assert [line.octets for line in lines] == [b"NOOP %d" % number for number in range(len(lines))]
    writer.join()
    assert len(transcript.lines) == 2000


# -- the brief form -------------------------------------------------------------------------------------


def long_session(replies: int) -> Session:
    """Return a session with so many commands and replies after its EHLO."""
    recorder = Recorder()
    session = Session(("127.0.0.1", 40001), recorder)
    recorder.stage = "EHLO"
    recorder.command(b"EHLO me\r\n", "EHLO", "me", pipelined=False)
    recorder.reply(Reply(250, "localhost\nSIZE 1000\n8BITMIME"))
    recorder.stage = "NOOP"
    for number in range(replies):
        recorder.command(f"NOOP {number}\r\n".encode(), "NOOP", str(number), pipelined=False)
        recorder.reply(Reply(250, "2.0.0 OK"))
    return session


def test_a_brief_transcript_has_a_reply_to_ehlo_in_one_line() -> None:
    """All else is as in the whole one."""
    brief = long_session(1).transcript.brief()
    assert brief == "C: EHLO me\nS: 250 localhost | SIZE 1000 | 8BITMIME\nC: NOOP 0\nS: 250 2.0.0 OK"


def test_a_brief_transcript_of_a_long_session() -> None:
    """The first 30 and the last 20 lines, and a line with the number of the others and how to see them."""
    lines = long_session(100).transcript.brief().split("\n")
    assert len(lines) == 51
    assert lines[29] == "S: 250 2.0.0 OK"
    assert lines[28] == "C: NOOP 13"
    assert lines[30] == "[152 lines left out; --smtp4d-transcript=full shows them]"
    assert lines[31] == "C: NOOP 90"
    assert lines[-2] == "C: NOOP 99"


def test_a_brief_transcript_leaves_nothing_out_for_nothing() -> None:
    """A session of 51 lines or less is whole."""
    assert "left out" not in long_session(24).transcript.brief()
    assert len(long_session(24).transcript.brief().split("\n")) == 50


def test_a_brief_transcript_cuts_long_lines() -> None:
    """A line has 200 characters at most, and says how long it was."""
    recorder = Recorder()
    session = Session(("127.0.0.1", 40001), recorder)
    recorder.command(b"NOOP " + b"x" * 500 + b"\r\n", "NOOP", "x" * 500, pipelined=False)
    assert session.transcript.brief() == f"C: NOOP {'x' * 192}… (508 characters)"
