from __future__ import annotations

import base64
import json
import quopri
from email import message_from_bytes, policy

import pytest

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.report.page import read_page, render
from pytest_smtp4d.report.redact import REPLACEMENT, Redaction
from pytest_smtp4d.report.settings import compiled
from tests.report.records import content, failure, message, record, report

SECRET = "geheim-4711"
REDACTION = Redaction(compiled([r"geheim-\d+"]))


def part(body: bytes, encoding: str, kind: str = "text/plain; charset=utf-8") -> bytes:
    """Return a mail of one part."""
    head = f"Subject: x\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(part(f"Grüße {SECRET}\r\n".encode(), "8bit"), id="8bit"),
        pytest.param(part(base64.encodebytes(f"Grüße {SECRET}\r\n".encode()), "base64"), id="base64"),
        pytest.param(part(quopri.encodestring(f"{'x' * 70}{SECRET}ü".encode()), "quoted-printable"), id="qp"),
        pytest.param(part(f"{SECRET}".encode("utf-16"), "base64"), id="not-base64-at-all"),
        pytest.param(part(f"<p>{SECRET}</p>".encode(), "7bit", "text/html"), id="html"),
        pytest.param(part(b"<p>geheim&#45;47&#49;1</p>", "7bit", "text/html"), id="entities"),
        pytest.param(
            part(b"<a href='https://x.example/?t=geheim&#45;4711'>x</a>", "7bit", "text/html"),
            id="link",
        ),
        pytest.param(f"X-Token: {SECRET}\r\n\r\nbody".encode(), id="field"),
        pytest.param(f"X-Token: a\r\n {SECRET}\r\n\r\nbody".encode(), id="folded-field"),
        pytest.param(
            b"Subject: =?utf-8?b?" + base64.b64encode(f"für {SECRET}".encode()) + b"?=\r\n\r\nbody",
            id="encoded-word",
        ),
        pytest.param(
            part(SECRET.encode("latin-1"), "7bit", "application/octet-stream; name=a"), id="attachment"
        ),
        pytest.param(part(b"x", "7bit", "application/pdf; name*=utf-8''geheim%2D4711.pdf"), id="parameter"),
    ],
)
def test_a_pattern_is_taken_out_wherever_the_mail_holds_it(octets: bytes) -> None:
    """No view and no source of the page holds what a pattern matches, however it was encoded."""
    assert SECRET.encode() not in REDACTION.content(octets)
    page = render(report({"test_a": [record(message(octets))]}, redaction=REDACTION))
    whole = json.dumps(read_page(page), ensure_ascii=False) + page
    assert SECRET not in whole
    parsed = message_from_bytes(REDACTION.content(octets), policy=policy.default)
    assert parsed["Subject"] is not None or parsed["X-Token"] is not None


def test_what_surrounds_a_match_stays() -> None:
    """The rest of a base64 body in UTF-8 is as it was."""
    octets = REDACTION.content(part(base64.encodebytes(f"Grüße {SECRET}, Bob".encode()), "base64"))
    parsed = message_from_bytes(octets, policy=policy.default)
    assert parsed.get_content() == f"Grüße {REPLACEMENT}, Bob"


def test_a_mail_without_a_match_is_not_touched() -> None:
    """Not an octet of it changes."""
    octets = content(
        "Grüße", "Straße\r\n" * 50, "<p>x&amp;y</p>", (("a.bin", "image/png", bytes(range(256)), "c"),)
    )
    assert REDACTION.content(octets) == octets


def test_failures_envelopes_and_names_are_redacted() -> None:
    """The words of a failure, recipients and the transcript are redacted too."""
    whole = report(
        {"test_a": [record(message(content(), (f"{SECRET}@example.org",)), user=SECRET)]},
        {
            "test_a": failure(
                f"assert {SECRET!r}", [{"name": "x", "expected": SECRET, "received": "", "agrees": False}]
            )
        },
        redaction=REDACTION,
    )
    assert SECRET not in json.dumps(whole)


def test_a_pattern_that_is_none_is_refused() -> None:
    """The error names the ini and the pattern."""
    with pytest.raises(SettingsError, match=r"smtp4d_report_redact: '\(' is no regular expression"):
        compiled(["ok", "("])
