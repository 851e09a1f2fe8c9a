"""One suite, run together with each plugin that others use, and what must hold with all of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.report.conftest import Reported, report_of, reported, told

__all__ = ["reported"]

SUITE = """
import socket

def test_arrives(smtp_server, transporter):
    assert transporter.send({**MAIL, "subject": "Arrives"})
    assert smtp_server.messages.one(subject="Arrives")

def test_fails(smtp_server, transporter):
    transporter.send({**MAIL, "subject": "Fails"})
    assert not smtp_server.messages, "on purpose"

def test_violates(smtp_server):
    with socket.create_connection(smtp_server.address) as client, client.makefile("rwb", 0) as file:
        for line in (b"", b"HELO me", b"MAIL FROM:<ada@example.com>", b"DATA", b"QUIT"):
            file.write(line + b"\\r\\n" if line else b"")
            file.readline()

@pytest.mark.smtp_fault("VRFY", reply=250)
def test_never_hits(smtp_server, transporter):
    transporter.send({**MAIL, "subject": "Never hits"})
"""
"""A test that passes, one that fails, one that the verdict fails, one that it ends with an error."""

TOLD = {
    "test_arrives": ("passed", ["Arrives"]),
    "test_fails": ("failed", ["Fails"]),
    "test_violates": ("failed", ["refused: 503 5.5.1 Send RCPT first"]),
    "test_never_hits": ("error", ["Never hits"]),
}
"""Each test's outcome in the report, and the titles of what it holds."""


def check(result: pytest.RunResult, report: object) -> None:
    """Fixtures, verdict, transcript section and report of `SUITE` are what they are without other plugins."""
    result.assert_outcomes(passed=2, failed=2, errors=1)
    output = result.stdout.str()
    assert "client violated SMTP: out-of-order" in output
    assert "fault never hit: on('VRFY')" in output
    assert output.count("- SMTP transcript -") == 3
    outcomes = {test.rpartition("::")[2]: (outcome, titles) for test, (outcome,), titles in told(report)}
    assert outcomes == TOLD


Together = Callable[..., pytest.RunResult]


@pytest.fixture
def together(reported: Reported, pytester: pytest.Pytester) -> Together:
    """Run `SUITE` with the arguments and the plugins given, and check it."""

    def run(*arguments: str, kept: tuple[str, ...] = ()) -> pytest.RunResult:
        result = reported(SUITE, *arguments, kept=kept)
        check(result, report_of(pytester))
        return result

    return run
