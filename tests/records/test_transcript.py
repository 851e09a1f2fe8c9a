from __future__ import annotations

import base64
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.records.transcript import MASK, Transcript, escaped, redact


def append(transcript: Transcript, direction: str, octets: bytes, **marks: bool | str) -> None:
    """Append with what a test does not care about filled in."""
    stage = str(marks.pop("stage", "MAIL"))
    transcript.append("C" if direction == "C" else "S", octets, stage=stage, tls=False, at=0.0, **marks)  # type: ignore[arg-type]


def test_lines_read_as_a_dialogue() -> None:
    """`str(transcript)` is one `C: …` or `S: …` a line, a multi-line reply several of them."""
    transcript = Transcript()
    append(transcript, "S", b"220 mx.example.com ESMTP\r\n", stage="CONNECT")
    append(transcript, "C", b"EHLO client.example.org\r\n", stage="EHLO")
    append(transcript, "S", b"250-mx.example.com\r\n250 SIZE 1000\r\n", stage="EHLO")
    assert str(transcript) == (
        "S: 220 mx.example.com ESMTP\nC: EHLO client.example.org\nS: 250-mx.example.com\nS: 250 SIZE 1000"
    )
    assert [line.stage for line in transcript.lines] == ["CONNECT", "EHLO", "EHLO", "EHLO"]


def test_a_line_knows_its_circumstances() -> None:
    """A line carries direction, octets, stage, TLS state and time."""
    transcript = Transcript()
    transcript.append("C", b"MAIL FROM:<a@example.com>\r\n", stage="MAIL", tls=True, at=0.25)
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
    transcript = Transcript()
    append(transcript, "C", line.encode() + b"\r\n", stage="AUTH")
    assert str(transcript) == f"C: {stored}"


def test_answers_to_challenges_are_masked() -> None:
    """A line that answers a challenge is stored as a mask; the challenge is shown."""
    transcript = Transcript()
    append(transcript, "C", b"AUTH LOGIN\r\n", stage="AUTH")
    append(transcript, "S", b"334 VXNlcm5hbWU6\r\n", stage="AUTH")
    append(transcript, "C", b"am9l\r\n", stage="AUTH", secret=True)
    assert str(transcript) == f"C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: {MASK}"


def test_a_stray_answer_is_masked() -> None:
    """A client that answers a challenge it never got (AUTH refused) does not leak its password as a verb."""
    transcript = Transcript()
    append(transcript, "C", b"HELLO\r\n", stage="UNKNOWN")
    append(transcript, "C", b"AUTH LOGIN\r\n", stage="AUTH")
    append(transcript, "S", b"504 5.5.4 no\r\n", stage="AUTH")
    append(transcript, "C", b"aHVudGVyMg==\r\n", stage="UNKNOWN")
    assert str(transcript) == f"C: HELLO\nC: AUTH LOGIN\nS: 504 5.5.4 no\nC: {MASK}"


@given(
    secret=st.binary(min_size=12, max_size=60),
    mechanism=st.sampled_from(["PLAIN", "LOGIN", "xoauth2", "Plain"]),
)
def test_no_secret_survives(secret: bytes, mechanism: str) -> None:
    """No part of an initial response is in any view of a transcript."""
    response = base64.b64encode(secret)
    transcript = Transcript()
    append(transcript, "C", b"AUTH " + mechanism.encode() + b" " + response + b"\r\n", stage="AUTH")
    append(transcript, "C", response + b"\r\n", stage="AUTH", secret=True)
    views = (str(transcript), transcript.render(content=True), repr(transcript), repr(transcript.lines))
    assert not any(response.decode() in view for view in views)


CONTENT = b"Subject: Hi\r\nX-Id: 1\r\n\r\nDear Bob,\r\nbye\r\n"


def test_content_is_elided_after_its_header() -> None:
    """Content ends after the header with a line that says what was left out; asked for, it is whole."""
    transcript = Transcript()
    append(transcript, "C", CONTENT, stage="CONTENT", is_content=True)
    append(transcript, "C", b".", stage="CONTENT")
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
    transcript = Transcript()
    append(transcript, "C", content, stage="CONTENT", is_content=True)
    assert str(transcript) == shown


def test_content_is_kept_by_reference() -> None:
    """A transcript does not copy the octets of a message."""
    transcript = Transcript()
    append(transcript, "C", CONTENT, stage="CONTENT", is_content=True)
    assert transcript.lines[0].octets is CONTENT


def test_unprintable_octets_are_escaped() -> None:
    """Controls, odd octets and bidirectional marks are shown escaped; text in any script is not."""
    assert escaped(b"a\x00\x1b[31m\xff\n") == "a\\x00\\x1b[31m\\xff\\n"
    assert escaped("Grüße, Ελλάδα".encode()) == "Grüße, Ελλάδα"
    assert escaped("a\u202eb".encode()) == "a\\u202eb"


@given(st.lists(st.tuples(st.sampled_from(["C", "S"]), st.binary(), st.booleans(), st.booleans())))
def test_any_octets_can_be_shown(entries: list[tuple[str, bytes, bool, bool]]) -> None:
    """Whatever is sent, a transcript shows it, printable and with a direction on every line."""
    transcript = Transcript()
    for direction, octets, secret, is_content in entries:
        append(transcript, direction, octets, secret=secret, is_content=is_content)
    for whole in (False, True):
        text = transcript.render(content=whole)
        assert all(line[:3] in ("C: ", "S: ") and line.isprintable() for line in text.split("\n") if text)
    assert len(transcript) == len(entries)


def test_a_live_transcript_is_read_from_another_thread() -> None:
    """Reading while the session grows never fails and never sees a line twice."""
    transcript = Transcript()
    done = threading.Event()

    def record() -> None:
        for number in range(2000):
            append(transcript, "C", b"NOOP %d" % number)
        done.set()

    writer = threading.Thread(target=record)
    writer.start()
    while not done.is_set():
        lines = transcript.lines
        assert [line.octets for line in lines] == [b"NOOP %d" % number for number in range(len(lines))]
    writer.join()
    assert len(transcript.lines) == 2000
