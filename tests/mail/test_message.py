from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage, Message
from email.mime.text import MIMEText
from typing import Any

import pytest

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.message import message_envelope, message_octets


def message_of(**fields: str) -> EmailMessage:
    """Return a message with these fields ("_" for "-") and a short text."""
    message = EmailMessage()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content("Hello")
    return message


@pytest.mark.parametrize(
    ("fields", "envelope"),
    [
        ({"From": "a@example.com", "To": "b@example.com"}, ("a@example.com", ("b@example.com",))),
        (
            {"From": "a@example.com", "Sender": "s@example.com", "To": "b@example.com"},
            ("s@example.com", ("b@example.com",)),
        ),
        (
            {"From": "A <a@example.com>, b@example.com", "Cc": "c@example.com"},
            ("a@example.com", ("c@example.com",)),
        ),
        (
            {
                "From": "a@example.com",
                "To": "b@example.com, B <b@EXAMPLE.com>",
                "Cc": "c@example.com",
                "Bcc": "b@example.com, d@example.com",
            },
            ("a@example.com", ("b@example.com", "c@example.com", "d@example.com")),
        ),
        (
            {"From": "Jörg <a@example.com>", "To": "Team: b@example.com;"},
            ("a@example.com", ("b@example.com",)),
        ),
    ],
)
def test_the_envelope(fields: dict[str, str], envelope: tuple[str, tuple[str, ...]]) -> None:
    """Sender, else From; To, Cc and Bcc without repetition."""
    assert message_envelope(message_of(**fields)) == envelope


def test_the_envelope_of_an_older_message() -> None:
    """A message of the older policy may repeat fields, fold them and hold encoded words."""
    message = MIMEText("x")
    message["From"] = "=?utf-8?q?J=C3=B6rg?= <a@example.com>"
    message["To"] = "b@example.com,\n c@example.com"
    message["To"] = "d@exämple.com"
    assert message_envelope(message) == (
        "a@example.com",
        ("b@example.com", "c@example.com", "d@xn--exmple-cua.com"),
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"To": "a@example.com"}, "the message has no origin: give it a From field"),
        ({"From": "a@example.com"}, "the message has no destination"),
        ({"From": "a@example.com", "To": "nobody"}, "To: "),
    ],
)
def test_no_envelope(fields: dict[str, str], words: str) -> None:
    """Without an origin or a destination there is nothing to send."""
    with pytest.raises(MailError) as caught:
        message_envelope(message_of(**fields))
    assert words in str(caught.value)


@pytest.mark.parametrize("eightbit", [True, False])
def test_octets(eightbit: bool) -> None:
    """CRLF line ends, no Bcc, 8-bit only where it is offered; and the message itself is left alone."""
    message = message_of(
        From="a@example.com", To="b@example.com", Bcc="secret@example.com", Resent_Bcc="secret@example.com"
    )
    message.set_content("Grüße\nFrom me\n", cte="8bit")
    octets = message_octets(message, eightbit=eightbit, utf8=False)
    assert b"secret" not in octets
    assert octets.isascii() is not eightbit
    assert octets.count(b"\n") == octets.count(b"\r\n")
    assert message["Bcc"] == "secret@example.com"
    read = email.message_from_bytes(octets, policy=email.policy.default)
    assert read.get_content().splitlines() == ["Grüße", "From me"]


def test_octets_with_smtputf8() -> None:
    """With SMTPUTF8 headers are raw UTF-8, else encoded."""
    message = message_of(From="a@example.com", Subject="Grüße")
    assert "Subject: Grüße".encode() in message_octets(message, eightbit=True, utf8=True)
    assert b"Subject: =?utf-8?" in message_octets(message, eightbit=True, utf8=False)


def test_octets_of_an_older_message() -> None:
    """A message of the older policy is written too."""
    message = MIMEText("Grüße", _charset="utf-8")
    message["Subject"] = "x"
    assert message_octets(message, eightbit=False, utf8=True).isascii()


def raw(octets: bytes) -> Message[Any, Any]:
    """Return a message that holds what no generator would make."""
    return email.message_from_bytes(octets)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            raw(b"Subject: x\n\n" + b"x" * 999),
            "a line of 999 octets (at most 998): set cte='quoted-printable'",
        ),
        (
            raw(b"Subject: x\nContent-Type: application/octet-stream\n\nr\xf6h"),
            "the server does not offer 8BITMIME: give 8-bit parts cte='base64'",
        ),
    ],
)
def test_what_smtp_does_not_carry(message: Message[Any, Any], words: str) -> None:
    """Too long a line, or octets that were not offered, are refused with the way out."""
    with pytest.raises(MailError) as caught:
        message_octets(message, eightbit=False, utf8=False)
    assert words in str(caught.value)


def test_a_message_that_cannot_be_written() -> None:
    """What the standard library cannot write is a MailError, not its own exception."""
    message = message_of(From="a@example.com")
    message.set_payload(5)  # type: ignore[call-overload]
    with pytest.raises(MailError, match="the message cannot be written"):
        message_octets(message, eightbit=True, utf8=False)
