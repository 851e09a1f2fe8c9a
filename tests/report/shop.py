"""The report of a small run with one of everything."""

from __future__ import annotations

import struct
import zlib

from pytest_smtp4d.records.violation import Violation
from pytest_smtp4d.report.document import ReportDocument
from pytest_smtp4d.smtp.reply import Reply
from tests.report.records import (
    DIALOGUE,
    Connection,
    Dialogue,
    Line,
    Sent,
    content,
    failure,
    message,
    record,
    report,
    without_message,
)

HTML = (
    "<html><head><style>h1 {{ font-family: sans-serif }} a:link {{ color: green "
    "}}</style></head><body><h1>{title}</h1>"
    "<p><img src='cid:logo' alt='our logo' width=64 height=64> Dear Bob, your code is 4711.</p>"
    "<p><a href='https://shop.example/pay?id=7&amp;t=abc'>Pay now</a> <a "
    "href='http://shop.example/'>our shop</a> "
    "<a href='https://shop.example/pay?id=7&amp;t=abc'>Pay now</a></p></body></html>"
)


def picture(width: int = 64, height: int = 64) -> bytes:
    """Return a PNG (RFC 2083): two colours from corner to corner."""

    def chunk(name: bytes, octets: bytes) -> bytes:
        return struct.pack(">I", len(octets)) + name + octets + struct.pack(">I", zlib.crc32(name + octets))

    rows = b"".join(
        b"\0" + b"".join(b"\x17\x57\xc2" if x + y < width else b"\xff\xd8\x4d" for x in range(width))
        for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    image = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + image


LOGO = picture()
TERMS = b"%PDF-\x00\xff\r\n"
INVOICE = content(
    "Invoice 42 – thank you",
    "Dear Bob,\n\nyour code is 4711.\n",
    HTML.format(title="Invoice"),
    (("logo.png", "image/png", LOGO, "logo"), ("../../terms.pdf", "application/pdf", TERMS, None)),
)
REMINDER = content(
    "Invoice 42 – reminder", "Dear Bob,\n\nyour code is 4712.\n", HTML.format(title="Reminder")
)
EXPECTED = "Hello Bob,\n" + "and a line\n" * 1400 + "Yours, Bob\n"
RECEIVED_TEXT = EXPECTED.replace("Yours, Bob", "Yours, Ada")


def shop() -> ReportDocument:
    """Return the report: two invoices, a failure with its near miss, a refusal, a TLS alert, a newsletter."""
    near = {"name": "text_body", "expected": EXPECTED, "received": RECEIVED_TEXT, "agrees": False}
    no_quit = Violation("no-quit", "(connection closed)", "RFC 5321 4.1.1.10", False)
    fault = "on('RCPT').reply(550, '5.1.1 No such user') at test_shop.py:31"
    faulty = Dialogue(
        (
            *DIALOGUE,
            Line("C", b"RCPT TO:<nobody@example.org>", "RCPT"),
            Line("S", b"550 5.1.1 No such user", "RCPT", fault=fault),
        )
    )
    refused = Sent(rcpt_to=(), refused={"nobody@example.org": Reply(550, "5.1.1 No such user")}, reply=None)
    alert = Connection(ended="TLS alert: unknown ca", client_name=None, tls=None)
    invoice = message(INVOICE, ("bob@example.org", "eve@example.net"))
    welcome = "tests/test_shop.py::test_welcome"
    return report(
        {
            "tests/test_shop.py::test_invoice": [
                record(invoice, message(REMINDER), user="ada", mechanism="PLAIN")
            ],
            welcome: [record(message(content("Welcome", RECEIVED_TEXT)), violations=(no_quit,))],
            "tests/test_shop.py::test_unknown_user": [
                without_message(Connection((refused,), transcript=faulty))
            ],
            "tests/test_shop.py::test_untrusted": [without_message(alert)],
            "tests/test_shop.py::test_other": [record(message(content("Newsletter", "nothing to see")))],
        },
        {welcome: failure("AssertionError: no message with text_body='Hello…' arrived", [near])},
    )
