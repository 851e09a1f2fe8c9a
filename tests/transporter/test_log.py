"""4D's log files: what they hold, where they lie, and what they never hold."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d import Email, SMTPServer, SMTPTransporter, smtp_log
from pytest_smtp4d.transporter import log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_smtp4d import MakeTransporter

MAIL: Email = {
    "from": "a@example.com",
    "to": "b@example.org",
    "subject": "Logged",
    "textBody": "the body\r\n",
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder, and leave the regular log off."""
    monkeypatch.chdir(tmp_path)
    yield
    smtp_log(0)


def columns(path: Path) -> list[list[str]]:
    """Return the lines of a log, split into their five columns."""
    return [line.split("\t", 4) for line in path.read_text().splitlines()]


def test_the_extended_log_has_five_columns(
    smtp_server: SMTPServer, make_transporter: MakeTransporter, tmp_path: Path
) -> None:
    """I7, L4, L5, L6, L8: in Logs; numbers rise; start, exchanges, end and the full MIME are there."""
    with make_transporter(log_file="LogTest.txt") as transporter:
        assert transporter.send(MAIL)
    lines = columns(tmp_path / "Logs" / "LogTest.txt")
    assert all(len(line) == 5 for line in lines)
    numbers = [int(line[0]) for line in lines]
    assert numbers == sorted(set(numbers))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", line[1]) for line in lines)
    assert {line[2] for line in lines} == {str(os.getpid())}
    texts = [line[4] for line in lines]
    assert texts[0] == f"Session started: host 127.0.0.1, port {smtp_server.port}"
    assert texts[1].startswith("S < 220 ")
    assert any(text.startswith("TLS started: TLSv1") for text in texts)
    assert "C > Subject: Logged" in texts
    assert "C > the body" in texts
    assert "S < 250 2.0.0 OK: queued" in texts
    assert texts[-2:] == ["S < 221 2.0.0 Bye", "Session closed"]


@pytest.mark.parametrize(
    "options",
    [
        {"authentication_mode": "PLAIN"},
        {"authentication_mode": "LOGIN"},
        {"authentication_mode": "CRAM-MD5"},
        {"access_token_oauth2": "t0k3n" * 200},
        {},
    ],
)
@pytest.mark.smtp_server(users={"me": "hunter2"}, tokens={"me": "t0k3n" * 200})
def test_no_log_holds_a_secret(
    make_transporter: MakeTransporter, tmp_path: Path, options: dict[str, Any]
) -> None:
    """Commands and responses of AUTH are masked, in the clear and in base64."""
    smtp_log(1)
    with make_transporter(log_file="x.txt", user="me", password="hunter2", **options) as transporter:
        assert transporter.send(MAIL)
    for name in ("x.txt", "4DSMTPLog_1.txt"):
        text = (tmp_path / "Logs" / name).read_text()
        assert "\tC > AUTH" in text
        assert "********" in text
        assert not re.search("hunter2|aHVudGVyMg|h1bnRlcjI|odW50ZXIy|t0k3n|dDBrM24", text)


def test_an_absolute_path_stands_for_itself(make_transporter: MakeTransporter, tmp_path: Path) -> None:
    """L5: and missing folders are made."""
    path = tmp_path / "deep" / "down" / "smtp.log"
    with make_transporter(log_file=path) as transporter:
        transporter.send(MAIL)
    assert path.exists()
    assert not (tmp_path / "Logs").exists()


def test_a_log_is_appended_to(make_transporter: MakeTransporter, tmp_path: Path) -> None:
    """Nothing that was written is lost."""
    for _ in range(2):
        with make_transporter(log_file="x.txt") as transporter:
            transporter.send(MAIL)
    starts = [line[4] for line in columns(tmp_path / "Logs" / "x.txt") if "Session started" in line[4]]
    assert len(starts) == 2


def test_transporters_in_threads_share_a_file(make_transporter: MakeTransporter, tmp_path: Path) -> None:
    """L7: every line is whole, and every number is there once, in all logs together."""
    smtp_log(1)

    def work(transporter: SMTPTransporter) -> None:
        with transporter:
            for _ in range(5):
                assert transporter.send(MAIL)

    threads = [threading.Thread(target=work, args=(make_transporter(log_file="x.txt"),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = columns(tmp_path / "Logs" / "x.txt")
    assert all(len(line) == 5 for line in lines)
    all_lines = [*lines, *columns(tmp_path / "Logs" / "4DSMTPLog_1.txt")]
    assert len({line[0] for line in all_lines}) == len(all_lines) > len(lines)
    assert sum(line[4] == "C > Subject: Logged" for line in lines) == 20


def test_an_unwritable_log_never_fails_a_send(
    make_transporter: MakeTransporter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, over all sessions of the transporter, and the mail goes."""
    with make_transporter(log_file=tmp_path) as transporter, caplog.at_level(logging.WARNING):  # a folder
        assert transporter.send(MAIL)
        assert transporter.send(MAIL)
        transporter.close()
        assert transporter.send(MAIL)
    warnings = [record for record in caplog.records if record.name == "pytest_smtp4d"]
    assert len(warnings) == 1
    assert str(tmp_path) in warnings[0].getMessage()
    assert "mail is sent all the same" in warnings[0].getMessage()


def test_the_regular_log_has_the_header_only(make_transporter: MakeTransporter, tmp_path: Path) -> None:
    """I7, L1, L3, L4: all transporters, no bodies; 0 switches it off."""
    assert smtp_log() is None
    assert smtp_log(7) == smtp_log() == tmp_path / "Logs" / "4DSMTPLog_7.txt"
    for _ in range(2):
        with make_transporter() as transporter:
            assert transporter.send(MAIL)
    assert smtp_log(0) is None
    assert smtp_log() is None
    with make_transporter() as transporter:
        assert transporter.send(MAIL)
    texts = [line[4] for line in columns(tmp_path / "Logs" / "4DSMTPLog_7.txt")]
    assert texts.count("C > Subject: Logged") == 2
    assert not any("the body" in text for text in texts)


def test_the_regular_log_rolls(
    make_transporter: MakeTransporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L2, L3: a full file is closed and the next number opened; a file of that name is replaced."""
    monkeypatch.setattr(log, "REGULAR_LIMIT", 1000)
    folder = tmp_path / "Logs"
    folder.mkdir()
    (folder / "4DSMTPLog_2.txt").write_text("old")
    smtp_log(1)
    with make_transporter() as transporter:
        assert transporter.send(MAIL)
        assert transporter.send(MAIL)
    files = sorted(folder.iterdir())
    assert len(files) >= 2
    in_use = [folder / f"4DSMTPLog_{number}.txt" for number in (len(files), len(files) + 1)]
    assert smtp_log() in in_use  # a new file is there once something is written to it
    assert "old" not in (folder / "4DSMTPLog_2.txt").read_text()
    numbers = [
        int(line[0])
        for number in range(1, len(files) + 1)
        for line in columns(folder / f"4DSMTPLog_{number}.txt")
    ]
    assert numbers == sorted(numbers)


def test_a_regular_log_that_cannot_roll_never_fails_a_send(
    make_transporter: MakeTransporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder where the next file belongs is told of, and the mail goes."""
    monkeypatch.setattr(log, "REGULAR_LIMIT", 100)
    (tmp_path / "Logs" / "4DSMTPLog_2.txt").mkdir(parents=True)
    smtp_log(1)
    with make_transporter() as transporter:
        assert transporter.send(MAIL)


@pytest.mark.parametrize("number", [-1, True, "1", 1.0, b"1"])
def test_smtp_log_takes_a_number(number: Any) -> None:
    """0 for off, or where to begin."""
    with pytest.raises(ValueError, match="smtp_log takes 0"):
        smtp_log(number)


@pytest.mark.smtp_server(tls="none", size_limit=100)
def test_a_refusal_is_logged(make_transporter: MakeTransporter, tmp_path: Path) -> None:
    """What the server said no to, and that nothing more was said."""
    with make_transporter(log_file="x.txt") as transporter:
        assert not transporter.send({**MAIL, "textBody": "x" * 200})
    texts = [line[4] for line in columns(tmp_path / "Logs" / "x.txt")]
    assert "S < 250 SIZE 100" in texts or any("SIZE 100" in text for text in texts)
    assert texts[-1] == "Session closed"


@pytest.mark.skipif(sys.platform == "win32", reason="needs modes of files")
@pytest.mark.smtp_server(tls="none")
def test_a_log_is_its_owners(make_transporter: MakeTransporter, tmp_path: Path) -> None:
    """It holds mail: nobody else may read it."""
    smtp_log(1)
    with make_transporter(log_file="x.txt") as transporter:
        assert transporter.send(MAIL)
    for name in ("x.txt", "4DSMTPLog_1.txt"):
        assert (tmp_path / "Logs" / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.smtp_server(tls="none")
def test_control_characters_are_escaped(
    smtp_server: SMTPServer, make_transporter: MakeTransporter, tmp_path: Path
) -> None:
    """Neither a server nor a mail gets to move a terminal's cursor, or to begin a line of its own."""
    smtp_server.on("RCPT").send(b"550 \x1b[2J\x07 no\rfake\x9b\x7f \xc2\x85\r\n")
    with make_transporter(log_file="x.txt") as transporter:
        assert not transporter.send({**MAIL, "textBody": "a\tb\x1b[31mred"})
    text = (tmp_path / "Logs" / "x.txt").read_bytes().decode()
    assert "550 \\x1b[2J\\x07 no\\x0dfake" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)
