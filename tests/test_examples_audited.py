"""A suite that knows nothing of us passes by itself, and fails when audited, for what is true."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_smtp4d.records.violation import VIOLATIONS

SHOP = Path(__file__).parents[1] / "docs" / "examples" / "audited"

OFFLINE = """
import socket

def getaddrinfo(host, port, *hints, **more):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

socket.getaddrinfo = getaddrinfo
"""

REASONS = {
    "test_an_order_is_confirmed": "certificate-not-verified",
    "test_a_password_is_reset": "cleartext-credentials",
    "test_a_newsletter_is_sent": "line-too-long",
}


def run_shop(*options: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the shop's tests as its developers do."""
    (folder / "offline.py").write_text(OFFLINE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(Path(__file__).parents[1])))}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(command, cwd=SHOP, env=environment, capture_output=True, text=True, timeout=60)


def test_the_shops_tests_pass(tmp_path: Path) -> None:
    """Without the option; no mail arrives anywhere, and nobody notices."""
    result = run_shop("-p", "offline", folder=tmp_path)
    assert "3 passed" in result.stdout


@pytest.mark.parametrize(("test", "reason"), REASONS.items())
def test_audited_they_fail_for_true_reasons(tmp_path: Path, test: str, reason: str) -> None:
    """With it each test is judged by what the shop does on the wire."""
    if reason not in VIOLATIONS:
        pytest.skip(f"the judge does not know {reason} yet")
    result = run_shop("--smtp4d-intercept", "-k", test, folder=tmp_path)
    assert result.returncode == 1
    assert f"client violated SMTP: {reason} (" in result.stdout
    assert "for mail.shop.invalid:" in result.stdout
