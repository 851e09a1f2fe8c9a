"""The server outside pytest."""

from __future__ import annotations

import base64
import contextlib
import json
import mailbox
import re
import select
import shutil
import signal
import smtplib
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.rules import Rules
from pytest_smtp4d.server.fault_words import parse_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

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


def wait_for(attempt: Callable[[], T]) -> T:
    """Return what an attempt gives, once it gives something and does not fail."""
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError):
            if result := attempt():
                return result
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)


def deliver(port: int, content: bytes = CONTENT) -> None:
    """Send a message to two recipients."""
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        client.sendmail("ada@example.com", ["bob@example.org", "eve@example.net"], content)


def events(out: str) -> list[dict[str, Any]]:
    """Return the events of standard output."""
    return [json.loads(line) for line in out.splitlines()]


def test_messages_are_printed() -> None:
    """Envelope and content, as they come; SIGTERM ends it with status 0."""
    with serve("--tls", "none") as (port, process):
        deliver(port)
        process.terminate()
        out, err = process.communicate(timeout=10)
    assert out == (
        "--- from <ada@example.com> to <bob@example.org>, <eve@example.net>, 22 octets\n"
        "Subject: x\n\nHello.\n"
    )
    assert process.returncode == 0
    assert re.fullmatch(r"127\.0\.0\.1:\d+ ended: QUIT, 1 message\n", err)


def test_events_are_printed_as_json() -> None:
    """An object a line, for programs: where it listens, each message as it was parsed, and each session."""
    with serve("--print", "json", "--tls", "none") as (port, process):
        deliver(port)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
    listening, message, session = events(out)
    assert (listening["event"], listening["port"], listening["http"]) == ("listening", port, None)
    assert message["event"] == "message"
    assert message["rcptTo"] == ["bob@example.org", "eve@example.net"]
    assert (message["subject"], message["text"]) == ("x", "Hello.")
    assert {problem["name"] for problem in message["problems"]} == {"missing-field"}
    assert "content" not in message
    assert (session["event"], session["ended"], session["messages"]) == ("session", "QUIT", 1)


def test_the_octets_of_a_message_are_printed_where_they_are_asked_for() -> None:
    """`--print-content` adds them, as base64."""
    with serve("--print", "json", "--print-content", "--tls", "none") as (port, process):
        deliver(port)
        process.terminate()
        out, _ = process.communicate(timeout=10)
    assert base64.b64decode(events(out)[1]["content"]) == CONTENT


def test_a_reader_that_does_not_read_loses_output_and_never_mail() -> None:
    """Standard output is full: every message is taken all the same, SIGTERM ends it, and the loss is told."""
    large = CONTENT + b"x" * 900 + b"\r\n"
    with serve("--tls", "none", "--user", "*", "--no-require-auth") as (port, process):
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            for _ in range(12_000):
                client.sendmail("ada@example.com", ["bob@example.org"], large)
        process.terminate()
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert "not read" in process.stderr.read()


def test_a_maildir_that_is_removed_is_made_again(tmp_path: Path) -> None:
    """Whoever cleans up between tests may remove the folder."""
    folder = tmp_path / "mail"
    with serve("--maildir", str(folder), "--tls", "none") as (port, _):
        deliver(port)
        shutil.rmtree(folder)
        deliver(port)
        assert len(mailbox.Maildir(str(folder))) == 1


def test_the_ready_file_says_where(tmp_path: Path) -> None:
    """It is there when the server listens, and gone when the server is."""
    path = tmp_path / "ready.json"
    path.write_text("of yesterday")
    with serve("--ready-file", str(path)) as (port, process):
        assert process.stderr is not None
        process.stderr.readline()
        place = json.loads(wait_for(path.read_text))
        assert (place["port"], place["pid"], place["http"]) == (port, process.pid, None)
        context = ssl.create_default_context(cafile=place["caFile"])
        with smtplib.SMTP("localhost", port, timeout=5) as client:
            client.starttls(context=context)
    assert not path.exists()


def test_the_authority_of_a_folder_is_used_again(tmp_path: Path) -> None:
    """A client that trusts it trusts the next server, too; what holds a key is its owner's alone."""
    folder = tmp_path / "ca"
    first: ssl.SSLContext | None = None
    for _ in range(2):
        with serve("--ca-dir", str(folder)) as (port, _process):
            first = first or ssl.create_default_context(cafile=str(folder / "ca.pem"))
            with smtplib.SMTP("localhost", port, timeout=5) as client:
                client.starttls(context=first)
    assert [oct((folder / name).stat().st_mode & 0o777) for name in ("ca-key.pem", "client.pem")] == [
        "0o600"
    ] * 2


def test_greylisting_goes_by_the_wall_clock() -> None:
    """Nobody can move the clock of a program from outside: it goes by itself."""
    with serve("--greylist", "0.2", "--tls", "none") as (port, _):

        def again() -> bool:
            try:
                deliver(port)
            except smtplib.SMTPRecipientsRefused:
                return False
            return True

        assert not again()
        assert wait_for(again)


def test_it_ends_with_its_parent() -> None:
    """`--until-stdin-closes`: no server outlives the program that started it."""
    command = [sys.executable, "-m", "pytest_smtp4d", "serve", "--port", "0", "--until-stdin-closes"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stderr is not None
    process.stderr.readline()
    process.stdin.close()
    assert process.wait(10) == 0
    process.stderr.close()


def test_what_goes_wrong_is_said() -> None:
    """A login and a recipient that were refused, a handshake that failed, a violation, and how it ended."""
    with serve("--user", "me=secret", "--fault", "RCPT reply='550 5.1.1 No such user'") as (port, process):
        with smtplib.SMTP("localhost", port, timeout=5) as client, pytest.raises(ssl.SSLError):
            client.starttls(context=ssl.create_default_context())
        with smtplib.SMTP("localhost", port, timeout=5) as client:
            client.starttls(context=ssl._create_unverified_context())
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("me", "wrong")
            client.login("me", "secret")
            client.mail("ada@example.com")
            client.rcpt("bob@example.org")
        process.terminate()
        _, err = process.communicate(timeout=10)
    assert "535" in err
    assert "550 5.1.1 No such user" in err
    assert "fault at RCPT" in err
    assert "does not trust" in err or "certificate" in err
    assert "wrong" not in err
    assert "secret" not in err


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
    fault = parse_fault(Rules(), words)
    assert all(one in repr(fault._actions) for one in shown)


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
        parse_fault(Rules(), words)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--host", "0.0.0.0"], "can be reached from other machines"),
        (["--extensions", "SISE"], "did you mean 'SIZE'"),
        (["--fault", "XYZZY"], "unknown stage"),
        (["--user", "ada"], "users has an account without '=': write `user=secret`"),
        (["--token", "ada"], "tokens has an account without '=': write `user=secret`"),
        (["--tls", "ssl"], "invalid choice"),
        (["--http", "99999"], "it is [HOST:]PORT"),
        (["--http", "0.0.0.0:0"], "can be reached from other machines"),
        (["--keep", "0"], "it is a whole number, 1 or more"),
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
