from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

CLIENT = Path(__file__).with_name("client.py")
WHERE = ("{host}", "{port}", "{ca}")
LOGIN = ("{user}", "{password}")


def judge(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest_smtp4d", "judge", *arguments],
        input=stdin.decode(),
        capture_output=True,
        text=True,
        timeout=60,
    )


def client(sin: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a client that has this sin."""
    return "--", sys.executable, str(CLIENT), sin, *WHERE, *arguments


def points(*stages: str, kinds: str) -> tuple[str, ...]:
    """Return the options that choose the points of the sweep."""
    return "--stages", ",".join(stages), "--kinds", kinds


def verdict(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit status, and each run by the id of its point."""
    result = judge("--json", *arguments)
    assert result.stderr == "", result.stderr
    runs = json.loads(result.stdout)["runs"]
    return result.returncode, {f"{run['stage']}-{run['kind']}": run for run in runs}


def test_a_careful_program_is_not_at_fault() -> None:
    """Exit status 0, and a line a run: an error although the mail arrived is a note."""
    chosen = points(
        "TLS", "CONTENT", "QUIT", kinds="impostor,wrong-host,expired,refuse-for-now,silence,disconnect-after"
    )
    result = judge(*chosen, *client("careful", *LOGIN))
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    head, undisturbed, *lines, last = result.stdout.splitlines()
    assert head.split() == ["stage", "kind", "exit", "arrived", "seconds", "verdict"]
    assert undisturbed.split()[:4] == ["-", "undisturbed", "0", "once"]
    assert [line.split()[:4] for line in lines] == [
        ["TLS", "disconnect-after", "1", "none"],
        ["TLS", "silence", "1", "none"],
        ["TLS", "impostor", "1", "none"],
        ["TLS", "wrong-host", "1", "none"],
        ["TLS", "expired", "1", "none"],
        ["CONTENT", "refuse-for-now", "1", "none"],
        ["CONTENT", "disconnect-after", "1", "once"],
        ["CONTENT", "silence", "1", "none"],
        ["QUIT", "refuse-for-now", "0", "once"],
        ["QUIT", "silence", "0", "once"],
    ]
    assert [line for line in lines if not line.endswith("  ok")] == [lines[6]]
    assert lines[6].endswith("note: an error although the mail arrived")
    assert last == "11 runs, none at fault"
    for word in ("hung", "twice", "claimed"):
        assert word not in result.stdout


def test_a_program_that_waits_for_ever_hung() -> None:
    """It is killed at the limit, and has no exit status."""
    status, runs = verdict("--limit", "1.5", *points("MAIL", kinds="silence"), *client("hangs"))
    assert status == 1
    assert (runs["MAIL-silence"]["hung"], runs["MAIL-silence"]["exitStatus"]) == (True, None)
    assert not runs["None-None"]["hung"]


def test_a_program_that_says_nothing_of_an_error_claimed_success() -> None:
    """Exit status 0 although nothing arrived."""
    status, runs = verdict(*points("RCPT", kinds="refuse-for-good"), *client("claims"))
    assert status == 1
    assert runs["RCPT-refuse-for-good"] == {
        "stage": "RCPT",
        "kind": "refuse-for-good",
        "exitStatus": 0,
        "arrived": "none",
        "seconds": runs["RCPT-refuse-for-good"]["seconds"],
        "hung": False,
        "claimedSuccess": True,
        "sentTwice": False,
        "violations": [],
    }


@pytest.mark.parametrize("sin", ["twice", "twice-no-id"])
def test_a_mail_that_is_sent_again_after_its_250(sin: str) -> None:
    """Known by recipient and Message-ID, or without one by its content; it counts, for the 250 was got."""
    status, runs = verdict(*points("QUIT", kinds="refuse-for-good"), *client(sin))
    run = runs["QUIT-refuse-for-good"]
    assert (status, run["arrived"], run["sentTwice"]) == (1, "twice", True)


def test_a_mail_that_is_sent_again_after_a_lost_250_is_a_note() -> None:
    """Nobody can know that it arrived: the table says twice, and the exit status is 0."""
    result = judge(*points("CONTENT", kinds="disconnect-after"), *client("retries"))
    assert result.returncode == 0, result.stdout
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("CONTENT"))
    assert line.split()[:4] == ["CONTENT", "disconnect-after", "0", "twice"]
    assert line.endswith("note: sent again, as the 250 was lost")


def test_a_program_that_verifies_nothing() -> None:
    """Every certificate that must be refused is one violation."""
    status, runs = verdict(*points("TLS", kinds="impostor,wrong-host,expired"), *client("unverified"))
    assert status == 1
    assert {point: run["violations"] for point, run in runs.items()} == {
        "None-None": [],
        "TLS-impostor": ["certificate-not-verified"],
        "TLS-wrong-host": ["certificate-not-verified"],
        "TLS-expired": ["certificate-not-verified"],
    }


def test_a_password_in_clear() -> None:
    """A program that takes STARTTLS only when it is offered gives its password away to whoever strips it."""
    chosen = points("STARTTLS", kinds="stripped")
    status, runs = verdict(*chosen, *client("opportunistic", *LOGIN))
    assert status == 1
    assert runs["STARTTLS-stripped"]["violations"] == ["cleartext-credentials"]
    assert verdict(*chosen, *client("careful", *LOGIN))[0] == 0


@pytest.mark.parametrize("tls", ["none", "implicit"])
def test_other_kinds_of_tls(tls: str) -> None:
    """What a program never reaches is said in one line, and not judged; implicit TLS has no STARTTLS."""
    chosen = points("STARTTLS", "AUTH", "MAIL", kinds="refuse-for-good,stripped")
    program = [sys.executable, "-c", IMPLICIT if tls == "implicit" else PLAIN, *WHERE]
    result = judge("--tls", tls, *chosen, "--", *program)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "never reached, so not judged: STARTTLS-refuse-for-good, STARTTLS-stripped, AUTH-" in result.stdout
    assert result.stdout.splitlines()[-1] == "2 runs, none at fault"


PLAIN = """
import smtplib, sys
with smtplib.SMTP(sys.argv[1], int(sys.argv[2])) as client:
    client.sendmail("ada@example.com", ["bob@example.org"], "Subject: x\\r\\n\\r\\nx\\r\\n")
"""
IMPLICIT = """
import os, smtplib, ssl, sys
assert os.environ["SSL_CERT_FILE"] == os.environ["NODE_EXTRA_CA_CERTS"] == sys.argv[3]
with smtplib.SMTP_SSL(sys.argv[1], int(sys.argv[2]), context=ssl.create_default_context()) as client:
    client.sendmail("ada@example.com", ["bob@example.org"], "Subject: x\\r\\n\\r\\nx\\r\\n")
"""

STDIN = """
import smtplib, sys
content = sys.stdin.buffer.read()
with smtplib.SMTP(sys.argv[1], int(sys.argv[2])) as client:
    client.sendmail("ada@example.com", ["bob@example.org"], content)
sys.exit(0 if len(content) > 100_000 else 3)
"""


def test_standard_input_is_given_to_every_run() -> None:
    """It is read once; each run reads all of it. Braces that are no placeholder stay as they are."""
    content = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * 60_000
    chosen = ("--json", "--tls", "none", *points("QUIT", kinds="garbage,refuse-for-good"))
    result = judge(*chosen, "--", sys.executable, "-c", STDIN, *WHERE, "{json}", "{}", stdin=content)
    runs = json.loads(result.stdout)["runs"]
    assert [run["arrived"] for run in runs] == ["once"] * 3


# -- when there is nothing to judge --------------------------------------------------------------------------


def test_nothing_arrived_undisturbed() -> None:
    """Status 2, with the program's output and transcript, and no secret in either; nothing else runs."""
    result = judge(*client("tells", *LOGIN))
    assert (result.returncode, result.stdout) == (2, "")
    assert "delivered no mail instead of one, and ended with status 0" in result.stderr
    assert "my password is ********\n" in result.stderr
    assert "(it never connected)" in result.stderr


def test_no_login_was_made() -> None:
    """The transcript says why nothing arrived: a login is demanded where the command names {user}."""
    program = ("--tls", "none", "--", sys.executable, "-c", PLAIN, *WHERE)
    result = judge("--json", *program, "{user}")
    answer = json.loads(result.stdout)
    assert (result.returncode, len(answer["runs"])) == (2, 1)
    assert answer["error"].startswith("undisturbed, the program delivered no mail")
    assert "SMTPSenderRefused" in answer["output"]
    assert "S: 530 5.7.0" in answer["transcript"]


def test_two_mails_undisturbed() -> None:
    """A program that sends two mails cannot be judged: status 2 says how many there were."""
    script = PLAIN + PLAIN.replace("Subject: x", "Subject: y")
    result = judge("--tls", "none", "--", sys.executable, "-c", script, *WHERE)
    assert result.returncode == 2
    assert "delivered 2 mails instead of one" in result.stderr
    assert "C: mail FROM" in result.stderr


def test_a_command_that_cannot_know_the_server() -> None:
    """One that names no {port} is told to, beside what it wrote."""
    result = judge("--", sys.executable, "-c", "print('nothing to do')")
    assert result.returncode == 2
    assert "write {host} and {port} where the program takes host and port" in result.stderr
    assert "--- its output\nnothing to do\n" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("curl", "{port}"), "unrecognized arguments: curl {port}", id="no-dashes"),
        pytest.param((), "there is no command: write it behind `--`", id="nothing"),
        pytest.param(("--",), "there is no command: write it behind `--`", id="no-command"),
        pytest.param(
            ("--", "no-such-program", "{port}"), "'no-such-program' cannot be started", id="unknown"
        ),
        pytest.param(("--", "/", "{port}"), "'/' cannot be started: Permission denied", id="forbidden"),
        pytest.param(("--stages", "RCTP", "--", "x", "{port}"), "did you mean 'RCPT'?", id="stage"),
        pytest.param(("--kinds", "silent", "--", "x", "{port}"), "did you mean 'silence'?", id="kind"),
        pytest.param(("--stages", "", "--", "x", "{port}"), "nothing to sweep", id="no-stages"),
        pytest.param(("--limit", "0", "--", "x", "{port}"), "seconds above 0, not '0'", id="limit"),
        pytest.param(("--limit", "nan", "--", "x", "{port}"), "seconds above 0, not 'nan'", id="nan"),
    ],
)
def test_what_cannot_be(arguments: tuple[str, ...], words: str) -> None:
    """Status 2, and an error that names what is wrong."""
    result = judge(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


# -- processes -----------------------------------------------------------------------------------------------


def test_output_without_end_blocks_nobody() -> None:
    """A program that writes five megabytes is read to its end."""
    status, runs = verdict(*points("QUIT", kinds="refuse-for-good"), *client("chatty"))
    assert (status, len(runs)) == (0, 2)


def test_only_the_end_of_the_output_is_kept() -> None:
    """What is shown is bounded, begins with a whole line, and says how much is missing."""
    script = "print('y' * 999 + chr(10), end='', flush=True);" * 300 + "print('the end')"
    result = judge("--", sys.executable, "-c", script, "{port}")
    output = result.stderr.partition("--- its output\n")[2].partition("--- its sessions")[0]
    first, *lines = output.splitlines()
    assert first == f"[{(300 - len(lines) + 1) * 1000} octets left out]"
    assert len(output) <= (64 << 10) + len(first) + 1
    assert {len(line) for line in lines[:-1]} == {999}
    assert lines[-1] == "the end"


def test_mail_that_a_process_in_the_background_sends() -> None:
    """A program that hands its mail to a process in the background has not claimed what is not so."""
    status, runs = verdict(*points("QUIT", kinds="refuse-for-good"), *client("background"))
    assert status == 0
    assert {run["arrived"] for run in runs.values()} == {"once"}


def test_a_reader_that_goes_ends_the_judge() -> None:
    """As with `| head -1`: no traceback, and the exit status of SIGPIPE, which is no verdict."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "pytest_smtp4d", "judge", *client("careful")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("stage")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 128 + signal.SIGPIPE


def is_gone(pid: int) -> bool:
    """Return whether a process ends soon."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                select.select([], [], [], 0.01)
                continue
        return True
    return False


MAIN = "import sys; from pytest_smtp4d.__main__ import main; sys.exit(main())"

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")


@needs_proc
def test_what_a_program_started_is_killed_with_it() -> None:
    """At the limit the whole process group goes."""
    result = judge("--limit", "2", *client("grandchild"))
    assert result.returncode == 2
    assert "was killed at the limit" in result.stderr
    pid = int(result.stderr.partition("child ")[2].split()[0])
    assert is_gone(pid)


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_judge_and_what_it_runs(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C, SIGTERM and SIGHUP: the exit status is a shell's for that signal, and nothing is left."""
    told = tmp_path / "told"
    os.mkfifo(told)
    script = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(told)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(600)
"""
    # Where the suite itself ignores a signal, as a job in the background does, the judge would, too.
    heeding = f"import signal; signal.signal({int(number)}, signal.SIG_DFL); {MAIN}"
    with subprocess.Popen(
        [sys.executable, "-c", heeding, "judge", "--", sys.executable, "-c", script, "{port}"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        pids = [int(word) for word in told.read_text().split()]
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert said == f"stopped by {number.name}\n"
    assert all(is_gone(pid) for pid in pids)
