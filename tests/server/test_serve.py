"""The server outside pytest."""

from __future__ import annotations

import base64
import contextlib
import json
import mailbox
import signal
import smtplib
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.server.serve import parse_fault
from pytest_smtp4d.server.server import SMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = b"Subject: x\r\n\r\nHello.\r\n"


@contextlib.contextmanager
def serve(*options: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run the command on a free port; yield the port and the process, which is ended by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "pytest_smtp4d", "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stdout is not None
    try:
        line = process.stderr.readline()
        assert line.startswith("listening on smtp"), line + process.stderr.read()
        yield int(line.rpartition(":")[2]), process
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


def deliver(port: int, content: bytes = CONTENT) -> None:
    """Send a message to two recipients."""
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        client.sendmail("ada@example.com", ["bob@example.org", "eve@example.net"], content)


def test_messages_are_printed() -> None:
    """Envelope and content, as they come; SIGTERM ends it with status 0 and nothing more to say."""
    with serve("--tls", "none") as (port, process):
        deliver(port)
        process.terminate()
        out, err = process.communicate(timeout=10)
    assert out == (
        "--- from <ada@example.com> to <bob@example.org>, <eve@example.net>, 22 octets\n"
        "Subject: x\n\nHello.\n"
    )
    assert (process.returncode, err) == (0, "")


def test_messages_are_printed_as_json() -> None:
    """An object a line, for programs."""
    with serve("--print", "json", "--user", "*", "--no-require-auth") as (port, process):
        deliver(port)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
    document = json.loads(out)
    assert base64.b64decode(document.pop("content")) == CONTENT
    assert document.pop("receivedAt")
    assert document.pop("clientName")
    assert document == {
        "mailFrom": "ada@example.com",
        "rcptTo": ["bob@example.org", "eve@example.net"],
        "mailOptions": ["size=22"],
        "rcptOptions": {"bob@example.org": [], "eve@example.net": []},
        "user": None,
        "tls": None,
    }


def test_messages_go_into_a_maildir(tmp_path: Path) -> None:
    """There before the client hears 250, with the envelope in the trace header."""
    with serve("--maildir", str(tmp_path / "mail")) as (port, _):
        deliver(port)
        (message,) = mailbox.Maildir(str(tmp_path / "mail"))
    assert message["Return-Path"] == "<ada@example.com>"
    assert message.get_all("Delivered-To") == ["bob@example.org", "eve@example.net"]
    assert message["Subject"] == "x"
    assert message.get_payload() == "Hello.\n"


def test_clients_of_any_language_can_trust_it(tmp_path: Path) -> None:
    """`--ca-file` says where the CA goes; settings are options."""
    ca_file = tmp_path / "ca.pem"
    options = (
        "--tls",
        "implicit",
        "--tls-versions",
        "TLSv1.3",
        "--extensions",
        "SIZE,DSN",
        "--size-limit",
        "99",
    )
    with serve(*options, "--ca-file", str(ca_file)) as (port, process):
        assert process.stderr is not None
        assert process.stderr.readline() == f"clients may trust {ca_file}\n"
        context = ssl.create_default_context(cafile=str(ca_file))
        with smtplib.SMTP_SSL("localhost", port, timeout=5, context=context) as client:
            client.ehlo()
            assert client.esmtp_features == {"size": "99", "dsn": ""}


def test_faults_are_options() -> None:
    """As in a test: which stage, for whom, what."""
    fault = "RCPT eve@* times=1 reply='550 5.1.1 No such user'"
    recipients = ["bob@example.org", "eve@example.net"]
    with (
        serve("--fault", fault, "--fault", "NOOP disconnect") as (port, _),
        smtplib.SMTP("127.0.0.1", port, timeout=5) as client,
    ):
        refused = client.sendmail("ada@example.com", recipients, CONTENT)
        assert refused == {"eve@example.net": (550, b"5.1.1 No such user")}
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("MAIL reply='451 4.3.0 Later'", ["ReplyWith(reply=Reply(code=451, text='4.3.0 Later'"]),
        ("MAIL '*@x y' after=1 delay=0.5", ["Delay(seconds=0.5)"]),
        ("CONTENT accept disconnect", ["Accept()", "Disconnect(abort=False, after_octets=None)"]),
        ("CONTENT disconnect=abort", ["Disconnect(abort=True, after_octets=None)"]),
        ("CONTENT disconnect=4096", ["Disconnect(abort=False, after_octets=4096)"]),
        ("* silence", ["Silence()"]),
        (r"EHLO send='250 \"x\"\xff\r\n'", [r"""Send(octets=b'250 "x"\xff\r\n')"""]),
        ("EHLO trickle=5", ["Trickle(octets_per_second=5.0)"]),
    ],
)
def test_the_words_of_a_fault(words: str, shown: list[str]) -> None:
    """Every action of the marker, quoted as in a shell."""
    server = SMTPServer()
    parse_fault(server, words)
    (fault,) = server.rules.faults
    assert all(one in repr(fault.actions) for one in shown)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("MIAL silence", "did you mean 'MAIL'"),
        ("MAIL silense=1", "did you mean 'silence'"),
        ("MAIL x y", "'y' says nothing"),
        ("MAIL reply='many words'", "reply cannot be 'many words'"),
        ("MAIL reply='999 x'", "999"),
        ("MAIL silence=yes", "it takes no value"),
        ("MAIL 'open", "No closing quotation"),
    ],
)
def test_words_that_are_no_fault(words: str, error: str) -> None:
    """The error shows what was wrong."""
    with pytest.raises(SettingsError, match=error):
        parse_fault(SMTPServer(), words)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--host", "0.0.0.0"], "can be reached from other machines"),
        (["--extensions", "SISE"], "did you mean 'SIZE'"),
        (["--fault", "XYZZY"], "unknown stage"),
        (["--user", "ada"], "users has an account without '=': write `user=secret`"),
        (["--token", "ada"], "tokens has an account without '=': write `user=secret`"),
        (["--tls", "ssl"], "invalid choice"),
        (["--maildir", "x", "--print", "json"], "not allowed with"),
    ],
)
def test_options_that_cannot_be(options: list[str], error: str) -> None:
    """Status 2 and a sentence, as with any command."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest_smtp4d", "serve", *options], capture_output=True, text=True, timeout=30
    )
    assert run.returncode == 2
    assert error in run.stderr
    assert "Traceback" not in run.stderr
