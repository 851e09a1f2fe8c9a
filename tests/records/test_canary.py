from __future__ import annotations

import pytest

from pytest_smtp4d.faults.injection import PAYLOADS
from pytest_smtp4d.records.canary import CANARY, CANARY_FIELD, injected_command, injected_field

PATHS = [name for name in PAYLOADS if name.startswith(("command-", "parameter"))]
FIELDS = [name for name in PAYLOADS if name.startswith("field-after-")]
REAL = {"CRLF", "LF", "CR", "NUL-CRLF", "folded-CRLF", "quoted-CRLF", "address"}


def commands_of(sent: str) -> list[tuple[str, str]]:
    """Return the verbs and arguments of what a client has written."""
    lines = [line.partition(" ") for line in sent.split("\r\n")]
    return [(verb.upper(), argument) for verb, _, argument in lines]


def injected(sent: str) -> list[str]:
    """Return what the canary is in the lines that a client has written."""
    return [what for command in commands_of(sent) if (what := injected_command(*command)) is not None]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("command-after-CRLF", ["a recipient"]),
        ("command-after-LF", ["a parameter"]),
        ("command-after-CR", ["a parameter"]),
        ("command-after-low-octets", ["a parameter"]),
        ("command-after-percent-encoded", ["a parameter"]),
        ("parameter", ["a parameter"]),
        ("parameter-unclosed", ["a parameter"]),
        ("parameter-quoted", []),
    ],
)
def test_a_path_that_is_written_as_it_is(name: str, found: list[str]) -> None:
    """What a client lets out of the angle brackets is seen, in RCPT and in MAIL; a quoted string holds it."""
    assert injected(f"RCPT TO:<{PAYLOADS[name]}>") == found
    assert injected(f"MAIL FROM:<{PAYLOADS[name]}> SIZE=10") == found
    assert set(PATHS) == {"command-after-CRLF", "command-after-LF", "command-after-CR", "parameter",
                          "command-after-low-octets", "command-after-percent-encoded", "parameter-unclosed",
                          "parameter-quoted"}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"RCPT TO:<{CANARY}>", "a recipient"),
        (f"rcpt to: {CANARY.upper()}", "a recipient"),
        (f"MAIL FROM:<{CANARY}> SIZE=7", "a command"),
        (f"RCPT {CANARY}", "a command"),
        (f"NOOP {CANARY_FIELD}", "a command"),
        (f"VRFY {CANARY}", "a command"),
        (f"EHLO {CANARY}", "a command"),
        (f"{CANARY_FIELD}: sings", "a command"),
        (f'RCPT TO:<"ada> {CANARY}"@example.org>', None),
        (f'RCPT TO:<"ada\\"> ORCPT=rfc822;{CANARY}"@example.org>', None),
        (f"RCPT TO:<ada+{CANARY}>", None),
        (f"EHLO Hello {CANARY_FIELD}: sings", None),
        (f"AUTH PLAIN {CANARY}", None),
        ("RCPT TO:<ada@example.org>", None),
        ("NOOP", None),
    ],
)
def test_a_canary_in_a_command(line: str, found: str | None) -> None:
    """A command, a recipient and a parameter of its own are seen; in the middle of something it is text."""
    assert injected_command(*commands_of(line)[0]) == found


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("field", ["Subject: {}", "To: {} <ada@example.org>", 'X-Name: "{}"'])
def test_a_value_that_is_written_as_it_is(name: str, field: str) -> None:
    """A real line end makes a field of its own; what is none in mail is text."""
    content = f"From: a@example.com\r\n{field.format(PAYLOADS[name])}\r\nTo: b@example.org\r\n\r\nHi\r\n"
    expected = "a field" if name.removeprefix("field-after-") in REAL else None
    assert injected_field(content.encode()) == expected


@pytest.mark.parametrize("name", PAYLOADS)
def test_what_arrives_as_text_is_no_injection(name: str) -> None:
    """In the body, in one folded field, in an encoded word: whatever the payload, it is text."""
    folded = " ".join(PAYLOADS[name].split())
    content = f"Subject: {folded}\r\nX-Folded: Hello\r\n {folded}\r\n\r\n{PAYLOADS[name]}\r\n"
    assert injected_field(content.encode()) is None
    word = "".join(f"={octet:02X}" for octet in PAYLOADS[name].encode())
    assert injected_field(f"Subject: =?utf-8?q?{word}?=\r\n\r\n".encode()) is None


def test_a_field_of_a_part_is_a_field() -> None:
    """A file name that breaks out adds a field to its part; a mail that is attached has fields of its own."""
    part = f'Content-Disposition: attachment; filename="{PAYLOADS["field-after-quoted-CRLF"]}"'
    content = f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{part}\r\n\r\nx\r\n--b--\r\n"
    assert injected_field(content.encode()) == "a field"
    attached = f"Content-Type: message/rfc822\r\n\r\n{CANARY_FIELD}: sings\r\n\r\n"
    content = f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{attached}\r\n--b--\r\n"
    assert injected_field(content.encode()) is None
