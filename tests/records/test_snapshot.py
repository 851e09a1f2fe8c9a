from __future__ import annotations

import time
from datetime import datetime, timezone
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid

from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.records.record import ReceivedMessage, Session
from pytest_smtp4d.records.snapshot import snapshot


def received(content: bytes, *options: str, **rcpt_options: tuple[str, ...]) -> ReceivedMessage:
    """Return a message that a server received."""
    recipients = ("bob@example.org", "zoe@example.org")
    return ReceivedMessage(
        "shop@example.com",
        recipients,
        options,
        {f"{name}@example.org": parameters for name, parameters in rcpt_options.items()},
        content,
        datetime.now(timezone.utc),
        Session(("127.0.0.1", 41234)),
    )


def sent_at(moment: float, port: int) -> ReceivedMessage:
    """Compose and receive the same mail as an application at this moment, with a page on this port."""
    message = EmailMessage(SMTP)
    message["Date"] = formatdate(moment)
    message["From"] = "Zoë's Shop <shop@example.com>"
    message["To"] = "bob@example.org"
    message["Subject"] = "Größe " * 12
    message["Message-ID"] = own = make_msgid(domain="example.com")
    message["References"] = f"{make_msgid(domain='example.com')} {own}"
    message["List-Unsubscribe"] = f"<http://localhost:{port}/u?d=1>"
    message.set_content(f"Hello\n\nhttp://127.0.0.1:{port}/confirm or http://shop.example:8080/\n")
    picture = make_msgid(domain="example.com")
    message.add_alternative(f'<p>Größe</p>\n<img src="cid:{picture[1:-1]}">\n', subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]
    html.add_related(b"PNG", "image", "png", cid=picture, filename="logo.png")  # type: ignore[union-attr]
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="größe.pdf")
    size = f"SIZE={len(bytes(message))}"
    return received(bytes(message), size, "BODY=8BITMIME", bob=("NOTIFY=NEVER",))


EXPECTED = """\
[envelope]
MAIL FROM:<shop@example.com> SIZE=<size> BODY=8BITMIME
RCPT TO:<bob@example.org> NOTIFY=NEVER
RCPT TO:<zoe@example.org>

[header]
Date: <date>
From: Zoë's Shop <shop@example.com>
To: bob@example.org
Subject: Größe Größe Größe Größe Größe Größe Größe Größe Größe Größe Größe Größe
Message-ID: <message-id-1>
References: <message-id-2> <message-id-1>
List-Unsubscribe: <http://localhost:<port>/u?d=1>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="<boundary-1>"

[text body]
Hello

http://127.0.0.1:<port>/confirm or http://shop.example:8080/

[html body]
<p>Größe</p>
<img src="cid:<content-id-1>">

[attachments]
logo.png, image/png, attachment, content-id <content-id-1>, 3 octets, SHA-256 \
796120837694d3f3f29259cfeb25091698c2a0aa87873658d840b4993ee889b3
größe.pdf, application/pdf, attachment, 4 octets, SHA-256 \
315d429b7714cedb6ad04ac31240145257692630457f3c88253c5beceac76027
"""


def test_the_whole_form() -> None:
    """Envelope, header in the order sent, bodies and attachments; what differs is a placeholder."""
    assert snapshot(sent_at(time.time(), 41234)) == EXPECTED


def test_two_runs_are_equal() -> None:
    """Another day, other identifiers, boundaries and ports, a longer SIZE: the same text."""
    assert snapshot(sent_at(0, 8000)) == snapshot(sent_at(time.time(), 54321))


def test_what_is_worth_seeing_stays() -> None:
    """A date that is none, an identifier without brackets, a reference to no part, other fields' numbers."""
    content = (
        b"Date: 2026-11-25\r\nMessage-ID: abc\r\nX-Order: 4711:25\r\nReferences:\r\n"
        b"Content-Type: text/html\r\n\r\nmailhost:25 cid:a%40b cid:A@b CID:a@b 1.127.0.0.1:25\r\n\r\n"
    )
    assert snapshot(received(content)).split("\n\n", 1)[1] == (
        "[header]\nDate: 2026-11-25\nMessage-ID: abc\nX-Order: 4711:25\n"
        "References:\nContent-Type: text/html\n\n"
        "[html body]\nmailhost:25 cid:<content-id-1> cid:<content-id-2> cid:<content-id-1> 1.127.0.0.1:25\n"
    )


def test_a_message_of_nothing() -> None:
    """Only the envelope is left of a message without octets."""
    assert snapshot(received(b"")) == (
        "[envelope]\nMAIL FROM:<shop@example.com>\nRCPT TO:<bob@example.org>\nRCPT TO:<zoe@example.org>\n"
    )


@given(st.binary(max_size=300))
def test_any_octets_have_a_snapshot(octets: bytes) -> None:
    """No message is an error; its lines end with LF alone, and it ends with a line end."""
    text = snapshot(received(b"Content-Type: multipart/mixed; boundary=b\r\n" + octets))
    assert "\r" not in text
    assert text.endswith("\n")
