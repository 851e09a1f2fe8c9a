"""Five mistakes planted in an application with ten green tests: which of them are found, and how."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
SHOP = PROJECT / "docs" / "examples" / "planted"
PAGE = PROJECT / "docs" / "how-to" / "intercept-mail.md"

MISTAKES = {
    "no verification": "certificate-not-verified",
    "injection": "injection",
    "double send": "duplicate-message",
    "Bcc field": "bcc-disclosed",
    "missing Date": "missing-field",
}
ALL = ("-o", "smtp4d_fatal_violations=*")
WAYS = {
    "fixture alone": ("-p", "with_fixture", "test_shop.py"),
    "unedited, `--smtp4d-intercept`": ("--smtp4d-intercept", "test_shop.py"),
    "the same, `fatal_violations = *`": ("--smtp4d-intercept", *ALL, "test_shop.py"),
    "fixture, `fatal_violations = *`, one sweep, one injection": (
        *("-p", "with_fixture", *ALL),
        *("test_shop.py", "with_verdict.py"),
    ),
}
FOUND = {
    "fixture alone": set(),
    "unedited, `--smtp4d-intercept`": {"no verification"},
    "the same, `fatal_violations = *`": {"no verification", "double send", "Bcc field", "missing Date"},
    "fixture, `fatal_violations = *`, one sweep, one injection": set(MISTAKES),
}
OFFLINE = """
import socket

def getaddrinfo(host, port, *hints, **more):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

socket.getaddrinfo = getaddrinfo
"""


def run_shop(*options: str, folder: Path) -> str:
    """Run the shop's tests as its developers do; return what pytest printed."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        *options,
    ]
    path = os.pathsep.join(map(str, (folder, SHOP, PROJECT)))
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(command, cwd=SHOP, env=environment, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


def test_the_shops_ten_tests_pass(tmp_path: Path) -> None:
    """Without the plugin's help, and without a network."""
    (tmp_path / "offline.py").write_text(OFFLINE, encoding="utf-8")
    assert "10 passed" in run_shop("-p", "offline", "test_shop.py", folder=tmp_path)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_found(tmp_path: Path, way: str) -> None:
    """These mistakes, by the verdict alone: no test says anything about mail. Payloads cause others, too."""
    output = run_shop(*WAYS[way], folder=tmp_path)
    names = set(re.findall(r"([a-z0-9-]+) \(RFC \d+", output))
    found = {mistake for mistake, name in MISTAKES.items() if name in names}
    assert found == FOUND[way], output[-3000:]
    assert "with_verdict.py" in WAYS[way] or names <= set(MISTAKES.values())
    assert ("10 passed" in output) == (not names)


def test_the_page_says_what_is_found() -> None:
    """Its table is what the test above finds."""
    head = f"| planted | {' | '.join(WAYS)} |"
    rows = [
        f"| {mistake} | {' | '.join('found' if mistake in FOUND[way] else '' for way in WAYS)} |"
        for mistake in MISTAKES
    ]
    assert "\n".join((head, "| --- |" + " --- |" * len(WAYS), *rows)) in PAGE.read_text(encoding="utf-8")
