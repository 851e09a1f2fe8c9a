"""A pytest session inside a test, in the same process: it takes nothing away from the outer test."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Run

INNER = {
    "nothing": "def test_x(): pass",
    "a server": (
        "import smtplib\\n"
        "def test_x(smtp_server, transporter):\\n"
        "    assert transporter.send({'from': 'ada@example.com', 'to': 'bob@example.org', 'textBody': 'Hi.'})"
    ),
    "a failure": "def test_x(smtp_server):\\n    smtp_server.messages.one()",
}


def nested(outer: str, inner: str) -> str:
    """Return an outer test that runs an inner session before, and says `outer` after it."""
    return f"""
pytest_plugins = ["pytester"]

import socket

@pytest.mark.smtp_server(tls="none")
def test_outer(smtp_server, pytester):
    with socket.create_connection(smtp_server.address, timeout=5) as connection:
        stream = connection.makefile("rwb")
        stream.readline()
        pytester.makepyfile('''{inner}''')
        pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio")
        {outer}
"""


@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
def test_the_outer_tests_faults_are_judged(run: Run, inner: str) -> None:
    """One that was declared after the inner session, and never hit, is an error."""
    result = run(nested('smtp_server.on("RCPT").reply(550, "5.1.1 no")', inner), subprocess=True)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["fault never hit: on('RCPT')*"])


@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
def test_the_outer_tests_violations_are_judged(run: Run, inner: str) -> None:
    """What its client does after the inner session fails it, with the whole transcript."""
    violates = r'stream.write(b"RCPT TO:<bob@example.org>\r\n"); stream.flush(); stream.readline()'
    result = run(nested(violates, inner), subprocess=True)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["client violated SMTP: out-of-order*", "*SMTP transcript*", "C: RCPT TO:<bob@example.org>"]
    )
    assert "fault never hit" not in result.stdout.str()
