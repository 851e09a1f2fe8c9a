"""Parsing: linear time whatever the mail holds, and what it costs beside the standard library.

`python tests/benchmarks/parse.py` prints, for each shape, the time at one size, at ten times the size, and
their ratio (10 is linear), then an ordinary mail against `email.message_from_bytes` with `policy.default`,
all its views read by both, and against the parser alone with `policy.compat32`, by which the standard library
splits a message and decodes nothing: the whole mail object, the subject only, the text only.
"""

from __future__ import annotations

import email
import email.policy
import statistics
import time
from collections.abc import Callable
from datetime import datetime, timezone

from pytest_smtp4d.mail.attachment import mail_new_attachment
from pytest_smtp4d.mail.compose import compose
from pytest_smtp4d.mail.incoming import IncomingMail
from pytest_smtp4d.mail.parse import html_body_of, mail_convert_from_mime, text_body_of

SHAPES: dict[str, Callable[[int], bytes]] = {
    "one long text": lambda size: (
        b"Subject: x\r\n\r\n" + b"A line of text, as long as most are.\r\n" * (size // 38)
    ),
    "one long base64": lambda size: (
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * 19 * (size // 76)
    ),
    "quoted-printable": lambda size: (
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        + b"caf=C3=A9 with a blank at the end \r\n" * (size // 36)
    ),
    "one long field": lambda size: b"Subject: " + b"x" * size + b"\r\n\r\nbody",
    "many fields": lambda size: b"X-Field: value\r\n" * (size // 16) + b"\r\nbody",
    "many folds": lambda size: b"Subject: x" + b"\r\n x" * (size // 4) + b"\r\n\r\nbody",
    "many addresses": lambda size: (
        b"To: " + b"Ann Example <ann@example.com>, " * (size // 31) + b"\r\n\r\nbody"
    ),
    "many encoded words": lambda size: b"Subject: " + b"=?utf-8?q?=C3=A4?= " * (size // 19) + b"\r\n\r\nbody",
    "open brackets": lambda size: b"To: " + b'(<"' * (size // 3) + b"\r\n\r\nbody",
    "many parts": lambda size: (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        + b"--x\r\n\r\ntext\r\n" * (size // 13)
        + b"--x--\r\n"
    ),
    "deeply nested": lambda size: b"".join(
        b"Content-Type: multipart/mixed; boundary=b%06d\r\n\r\n--b%06d\r\n" % (level, level)
        for level in range(size // 60)
    ),
    "lines that are nearly delimiters": lambda size: (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n" + b"--y\r\n" * (size // 5) + b"--x--"
    ),
}


def seconds(work: Callable[[], object]) -> float:
    """Return the best of three runs: the noise of a shared machine only ever adds."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def ordinary() -> bytes:
    """Return text, HTML and an attachment, 6 kB in all."""
    mail = {
        "from": "Shop <shop@example.com>",
        "to": "Ann Example <ann@example.org>",
        "subject": "Rechnung für Frau Müller",
        "textBody": "Sehr geehrte Frau Müller,\n\nanbei die Rechnung.\n" * 12,
        "htmlBody": "<p>Sehr geehrte Frau Müller,</p>\n" * 24,
        "attachments": [mail_new_attachment(bytes(range(256)) * 10, "invoice.pdf")],
    }
    return compose(mail, now=datetime(2026, 1, 31, tzinfo=timezone.utc), unique=lambda: "0123456789")


def ours(octets: bytes) -> None:
    """Read a mail and its views with this project."""
    mail = mail_convert_from_mime(octets)
    assert mail["subject"]
    assert mail["to"]
    assert text_body_of(mail)
    assert html_body_of(mail)
    assert mail["attachments"][0].get_content()


def theirs(octets: bytes) -> None:
    """Read the same with the standard library."""
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert message["Subject"]
    assert message["To"].addresses
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content()
    assert html.get_content()
    assert next(message.iter_attachments()).get_content()


def repeat(read: Callable[[bytes], object], octets: bytes) -> None:
    """Read a mail a hundred times."""
    for _ in range(100):
        read(octets)


VIEWS: dict[str, Callable[[bytes], object]] = {
    "the whole": mail_convert_from_mime,
    "the subject": lambda octets: IncomingMail(octets).subject,
    "the recipients": lambda octets: IncomingMail(octets).addresses("to"),
    "the text": lambda octets: IncomingMail(octets).text,
}


def against_compat32(octets: bytes) -> None:
    """Print what each view costs, as a share of the standard library's parser in the same round."""
    shares: dict[str, list[float]] = {name: [] for name in VIEWS}
    for _ in range(7):
        parser = seconds(lambda: repeat(email.message_from_bytes, octets))
        for name, view in VIEWS.items():
            shares[name].append(seconds(lambda view=view: repeat(view, octets)) / parser)  # type: ignore[misc]
    for name, found in shares.items():
        print(f"{name:15} {statistics.median(found):.2f} of compat32, {len(octets)} octets")  # noqa: T201


def main() -> None:
    """Print the ratios."""
    size = 200_000
    for name, make in SHAPES.items():
        small, large = make(size), make(10 * size)
        first = seconds(lambda octets=small: mail_convert_from_mime(octets))  # type: ignore[misc]
        second = seconds(lambda octets=large: mail_convert_from_mime(octets))  # type: ignore[misc]
        grown = f"{first * 1000:8.1f} ms, ten times the size {second * 1000:8.1f} ms"
        print(f"{name:33} {grown}, ratio {second / first:5.1f}")  # noqa: T201
    octets = ordinary()
    rounds = [
        (seconds(lambda: repeat(ours, octets)), seconds(lambda: repeat(theirs, octets))) for _ in range(5)
    ]
    mine, other = (statistics.median(column) * 10_000 for column in zip(*rounds, strict=True))
    ratio = statistics.median(theirs_ / ours_ for ours_, theirs_ in rounds)
    print(f"an ordinary mail: {mine:.0f} µs, standard library {other:.0f} µs, {ratio:.1f} times faster")  # noqa: T201
    against_compat32(octets)


if __name__ == "__main__":
    main()
