"""Strangers: programs that others wrote. A missing one skips its tests, or fails them where required."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers.postfix import Postfix, running_postfix

PROJECT = Path(__file__).parents[2]
PACKAGES = {
    "node": "nodejs",
    "dovecot": "dovecot-core",
    "smtp-sink": "postfix",
    "php": "php-cli libphp-phpmailer",
    "go": "golang-go",
}

CONTENT = b"".join(
    (
        b"From: Ada <ada@example.com>\r\n",
        b"To: bob@example.org\r\n",
        b"Subject: Dots and blanks\r\n",
        b"\r\n",
        b".leading dot\r\n",
        b"..two of them\r\n",
        b".\r\n",
        b"\r\n",
        b"trailing blanks  \t\r\n",
        b"a long line: " + b"x" * 900 + b"\r\n",
        b"\r\n",
    )
)
"""A message whose octets a careless client or server would change."""

Foreign = Callable[[str], str]


def missing(what: str, way_out: str) -> None:
    """Skip the test that needs something foreign, or fail it where everything foreign is required."""
    reason = f"{what} is not installed: {way_out}"
    if os.environ.get("SMTP4D_REQUIRE_PEERS") == "1":
        pytest.fail(f"{reason} (SMTP4D_REQUIRE_PEERS is set)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def foreign() -> Foreign:
    """Find a foreign program, or skip (or fail) the test that needs it."""

    def find(program: str) -> str:
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/lib/dovecot")
        if path is None:
            missing(program, f"apt-get install {PACKAGES.get(program, program)}")
        assert path is not None
        return path

    return find


@pytest.fixture(scope="session")
def nodemailer(foreign: Foreign) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a script under Node that may `require("nodemailer")`; arguments are `process.argv.slice(1)`."""
    node = foreign("node")
    modules = PROJECT / ".peers" / "node_modules"
    if not (modules / "nodemailer").is_dir() and "NODE_PATH" not in os.environ:
        missing("nodemailer", "npm install --prefix .peers nodemailer")

    def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [node, "-e", script, *arguments],
            env={"NODE_PATH": str(modules), **os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture(scope="session")
def postfix_server(foreign: Foreign) -> Iterator[Postfix]:
    """A Postfix for all the tests that need one."""
    with running_postfix(foreign) as server:
        yield server


@pytest.fixture
def postfix(postfix_server: Postfix) -> Iterator[Postfix]:
    """The Postfix, without sessions; its mailboxes are empty before and must be empty after."""
    postfix_server.wait_for_quiet()
    yield postfix_server
    left = [mailbox for mailbox in postfix_server.mailboxes() if not mailbox.is_empty()]
    for mailbox in left:
        mailbox.take()
    assert not left, f"the test left mail in {left}"
