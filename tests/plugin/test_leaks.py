from __future__ import annotations

import re

import pytest

from tests.plugin.conftest import MAIL

CONFTEST = """
import gc, threading
import psutil

def pytest_unconfigure():
    gc.collect()
    process = psutil.Process()
    threads = sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
    sockets = [c.laddr.port for c in process.net_connections("inet")]
    print(f"\\nLEFT threads={threads} sockets={sockets}")
"""

TESTS = f"""
import smtplib
import pytest

MAIL = {MAIL!r}

@pytest.mark.parametrize("number", range(200))
def test_mail(smtp_server, transporter, make_smtp_server, number):
    assert transporter.send(MAIL)
    with smtplib.SMTP(*smtp_server.address) as client:
        client.sendmail("ada@example.com", ["bob@example.org"], "Subject: Hi\\r\\n\\r\\nHi.\\r\\n")
    abandoned = make_smtp_server(tls="implicit")
    assert len(smtp_server.messages) == 2
"""


def test_two_hundred_tests_leave_nothing(pytester: pytest.Pytester) -> None:
    """After 200 tests with 400 servers: one thread, the loop's; no open socket; no warning."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=TESTS)
    result = pytester.runpytest_subprocess(
        *("-p", "no:randomly", "-p", "no:asyncio", "-p", "no:cacheprovider"),
        *("-p", "no:rerunfailures", "-W", "error", "-q"),  # that one listens on a socket of its own
    )
    result.assert_outcomes(passed=200)
    (left,) = [line for line in result.outlines if line.startswith("LEFT")]
    assert re.fullmatch(r"LEFT threads=\['[^',]*smtp4d[^',]*'\] sockets=\[\]", left)
    assert "Warning" not in result.stdout.str() + result.stderr.str()
