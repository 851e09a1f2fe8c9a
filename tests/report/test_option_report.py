from __future__ import annotations

import os
import stat
import sys

import pytest

from tests.report.conftest import MAIL, Reported, page_of, quiet, report_of, told

SUITE = """
def send(transporter, subject, **more):
    return transporter.send({**MAIL, "subject": subject, **more})

def test_passes(smtp_server, transporter):
    assert send(transporter, "one") and send(transporter, "two")

def test_without_mail():
    pass

def test_fails(smtp_server, transporter):
    send(transporter, "in the test that fails")
    assert 1 == 2

def test_refused(smtp_server, transporter):
    smtp_server.on("RCPT").reply(550, "5.1.1 No such user")
    assert send(transporter, "refused").status == 550

@pytest.mark.smtp_server(users={"ada": "secret-4711"})
def test_login(smtp_server, make_transporter):
    assert not make_transporter(password="wrong").check_connection()

@pytest.mark.xfail
def test_xfails(smtp_server, transporter):
    send(transporter, "expected to fail")
    assert False

def test_unhit(smtp_server, transporter):
    smtp_server.on("QUIT").reply(500)
    send(transporter, "nobody quits")
    smtp_server.on("VRFY").reply(250)

def test_skips(smtp_server):
    pytest.skip("no")

@pytest.mark.parametrize("number", range(3))
def test_many(smtp_server, transporter, number):
    send(transporter, f"mail {number}")
"""
TOLD = [
    ("test_it.py::test_passes", ["passed"], ["one", "two"]),
    ("test_it.py::test_fails", ["failed"], ["in the test that fails"]),
    ("test_it.py::test_refused", ["passed"], ["RCPT bob@example.org refused: 550 5.1.1 No such user"]),
    (
        "test_it.py::test_login",
        ["passed"],
        ["session without mail: AUTH refused: 535 5.7.8 Authentication credentials invalid"],
    ),
    ("test_it.py::test_xfails", ["xfailed"], ["expected to fail"]),
    ("test_it.py::test_unhit", ["error"], ["nobody quits"]),
    ("test_it.py::test_many[0]", ["passed"], ["mail 0"]),
    ("test_it.py::test_many[1]", ["passed"], ["mail 1"]),
    ("test_it.py::test_many[2]", ["passed"], ["mail 2"]),
]


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_the_page_holds_everything_sent_by_test(
    reported: Reported, pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    """The same tests and mails in the order of collection, with xdist and without; its path is said."""
    result = reported(SUITE, *arguments, status=1)
    report = report_of(pytester)
    assert told(report) == TOLD
    assert report["run"]["outcomes"] == {"passed": 7, "failed": 1, "xfailed": 1, "error": 1, "skipped": 1}
    path = pytester.path / "out" / "mail.html"
    assert any(line.strip("- ") == f"SMTP report: {path}" for line in result.outlines)
    assert "secret-4711" not in page_of(pytester)
    (session,) = report["tests"][2]["attempts"][0]["sessions"]
    (line,) = [line for line in session["lines"] if line[6]]
    assert line[1] == "550 5.1.1 No such user"
    assert line[6].startswith("on('RCPT').reply(550, '5.1.1 No such user') at test_it.py:")


def test_a_failure_is_told_with_its_nearest_miss(reported: Reported, pytester: pytest.Pytester) -> None:
    """The words of the assertion, and what was expected beside what was received, not cut."""
    reported(
        """
        def test_it(smtp_server, transporter):
            transporter.send({**MAIL, "textBody": "x" * 15000 + "y"})
            smtp_server.messages.one(subject="Hello", text_body="x" * 15000 + "z")
        """,
        status=1,
    )
    (failure,) = report_of(pytester)["tests"][0]["attempts"][0]["failures"]
    assert failure["phase"] == "call"
    assert "no message with subject='Hello'" in failure["words"]
    subject, body = failure["differences"]
    assert (subject["name"], subject["agrees"]) == ("subject", True)
    assert (body["name"], body["agrees"]) == ("text_body", False)
    assert body["expected"] == "x" * 15000 + "z"
    assert body["received"].strip() == "x" * 15000 + "y"


def test_a_run_without_mail_writes_a_page(reported: Reported, pytester: pytest.Pytester) -> None:
    """The page says that no mail was sent."""
    reported("def test_it(): pass", status=0)
    assert "No mail was sent in this run." in page_of(pytester)
    assert report_of(pytester)["run"]["outcomes"] == {"passed": 1}


def test_a_session_that_serves_two_tests_is_told_once(reported: Reported, pytester: pytest.Pytester) -> None:
    """A mail over a connection of the whole session stands in the test that sent it, and nowhere else."""
    reported(
        """
        from pytest_smtp4d import SMTPTransporter

        @pytest.fixture(scope="session")
        def app(smtp_server_factory):
            return smtp_server_factory()

        @pytest.fixture(scope="session")
        def sender(app):
            with SMTPTransporter(**app.client_options()) as transporter:
                yield transporter

        def test_first(sender):
            assert sender.send({**MAIL, "subject": "first"})

        def test_second(sender):
            assert sender.send({**MAIL, "subject": "second"})
        """,
        status=0,
    )
    assert told(report_of(pytester)) == [
        ("test_it.py::test_first", ["passed"], ["first"]),
        ("test_it.py::test_second", ["passed"], ["second"]),
    ]


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_reruns_are_attempts(
    reported: Reported, pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    """A test that was run again is one test with two attempts, each with its mail, failure and outcome."""
    pytest.importorskip("pytest_rerunfailures")
    reported(
        """
        TRIES = []

        def test_it(smtp_server, transporter):
            TRIES.append(1)
            transporter.send({**MAIL, "subject": f"try {len(TRIES)}"})
            assert len(TRIES) == 2
        """,
        "--reruns=2",
        *arguments,
        kept=("rerunfailures",),
        status=0,
    )
    report = report_of(pytester)
    assert told(report) == [("test_it.py::test_it", ["failed", "passed"], ["try 1", "try 2"])]
    first, second = report["tests"][0]["attempts"]
    assert "assert 1 == 2" in first["failures"][0]["words"]
    assert not second["failures"]
    assert report["run"]["outcomes"] == {"passed": 1}


def test_a_worker_that_is_killed_loses_only_its_own(reported: Reported, pytester: pytest.Pytester) -> None:
    """What it had sent is there, the test that it ran is there as crashed, and the page says so."""
    reported(
        """
        import os

        @pytest.mark.parametrize("number", range(6))
        def test_it(smtp_server, transporter, number):
            transporter.send({**MAIL, "subject": f"mail {number}"})
            if number == 3:
                os._exit(1)
        """,
        *("-n", "2"),
    )
    report = report_of(pytester)
    crashed = ("test_it.py::test_it[3]", ["crashed"], ["what this test sent was lost with its process"])
    assert told(report) == [
        crashed if n == 3 else (f"test_it.py::test_it[{n}]", ["passed"], [f"mail {n}"]) for n in range(6)
    ]
    assert "crashed while running 'test_it.py::test_it[3]'" in report["run"]["notes"][0]


def test_an_interrupted_run_writes_what_there_was(reported: Reported, pytester: pytest.Pytester) -> None:
    """After Ctrl-C the page holds the tests that had ended."""
    reported(
        """
        def test_first(smtp_server, transporter):
            transporter.send(MAIL)

        def test_second():
            raise KeyboardInterrupt
        """,
        status=2,
    )
    assert told(report_of(pytester)) == [("test_it.py::test_first", ["passed"], ["Hello"])]


@pytest.mark.parametrize("option", ["smtp4d_report = out/from-ini.html"])
def test_the_ini_is_relative_to_its_file(
    reported: Reported, pytester: pytest.Pytester, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ini writes a page where its file stands, wherever pytest was started; an empty option: none."""
    pytester.makeini(f"[pytest]\n{option}")
    pytester.mkdir("below")
    pytester.makepyfile(test_it="def test_it(): pass")
    monkeypatch.chdir(pytester.path / "below")
    pytester.runpytest_subprocess(*quiet(), str(pytester.path), "--smtp4d-report=")
    assert not (pytester.path / "out").exists()
    pytester.runpytest_subprocess(*quiet(), str(pytester.path))
    assert (pytester.path / "out" / "from-ini.html").exists()


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="[tool.pytest] is of pytest 9")
def test_toml_has_its_own_types(reported: Reported, pytester: pytest.Pytester) -> None:
    """In `[tool.pytest]` the limit is a number and the patterns are a list."""
    pytester.makepyprojecttoml(
        """
        [tool.pytest]
        smtp4d_report = "toml.html"
        smtp4d_report_limit = 1000
        smtp4d_report_redact = ["Hel+o"]
        """
    )
    pytester.makepyfile(
        test_it=f"def test_it(smtp_server, transporter): transporter.send({MAIL})",
    )
    assert pytester.runpytest_subprocess(*quiet()).ret == 0
    report = report_of(pytester, "toml.html")
    assert "larger than its limit of 1000 octets" in report["run"]["notes"][-1]
    assert told(report) == [("test_it.py::test_it", ["passed"], ["[redacted]"])]


def test_only_failed_tests(reported: Reported, pytester: pytest.Pytester) -> None:
    """`smtp4d_report_tests = failed` leaves the others out, and the page says so."""
    pytester.makeini("[pytest]\nsmtp4d_report_tests = failed")
    reported(SUITE, status=1)
    report = report_of(pytester)
    assert [test["id"] for test in report["tests"]] == ["test_it.py::test_fails", "test_it.py::test_unhit"]
    assert report["run"]["notes"] == ["only failed tests are shown (smtp4d_report_tests = failed)"]


def test_patterns_are_redacted(reported: Reported, pytester: pytest.Pytester) -> None:
    """`smtp4d_report_redact` takes a secret out of body, link, header, envelope, failure and test id."""
    pytester.makeini("[pytest]\nsmtp4d_report_redact =\n    geheim\\d+\n    other")
    reported(
        """
        @pytest.mark.parametrize("value", ["geheim1"])
        def test_it(smtp_server, transporter, value):
            html = "<a href='https://x.example/geheim2'>\\u00fc geheim3</a>"
            transporter.send({**MAIL, "subject": "geheim4", "to": "geheim5@example.org", "htmlBody": html})
            assert value == "geheim6"
        """,
        status=1,
    )
    assert "geheim" not in page_of(pytester)
    assert "geheim" not in str(report_of(pytester))


@pytest.mark.parametrize(
    ("ini", "words"),
    [
        ("smtp4d_report_tests = some", "smtp4d_report_tests is 'some': give one of all, failed"),
        ("smtp4d_report_limit = huge", "smtp4d_report_limit is 'huge': give a number of octets"),
        ("smtp4d_report_limit = -1", "smtp4d_report_limit is '-1': give a number of octets"),
        ("smtp4d_report_attachments = none", "smtp4d_report_attachments is 'none': give one of small, all"),
        ("smtp4d_report_redact = (", "smtp4d_report_redact: '(' is no regular expression"),
    ],
)
def test_a_setting_that_cannot_be_is_a_usage_error(
    reported: Reported, pytester: pytest.Pytester, ini: str, words: str
) -> None:
    """Status 4 before any test; the words name the setting and the value."""
    pytester.makeini(f"[pytest]\n{ini}")
    result = reported(SUITE, status=4)
    assert words in result.stderr.str()


@pytest.mark.parametrize("place", ["folder", "file/mail.html", "/proc/mail.html"])
def test_a_path_that_cannot_be_written_is_a_usage_error(
    reported: Reported, pytester: pytest.Pytester, place: str
) -> None:
    """Status 4 before any test: a folder, a path below a file, a place that nobody may write to."""
    pytester.mkdir("folder")
    (pytester.path / "file").write_text("", encoding="utf-8")
    result = reported("def test_it(): print('ran')", f"--smtp4d-report={place}", "-s", status=4)
    assert "cannot be written" in result.stderr.str()
    assert "ran" not in result.stdout.str()


@pytest.mark.skipif(sys.platform == "win32", reason="no umask there")
def test_the_page_is_written_whole_and_readable(reported: Reported, pytester: pytest.Pytester) -> None:
    """An older page is replaced; nothing else stays in the folder; its mode is that of any new file."""
    (pytester.path / "out").mkdir()
    (pytester.path / "out" / "mail.html").write_text("old", encoding="utf-8")
    other = pytester.path / "other"
    other.write_text("", encoding="utf-8")
    reported("def test_it(): pass", status=0)
    assert os.listdir(pytester.path / "out") == ["mail.html"]  # noqa: PTH208 # the names are compared
    mode = stat.S_IMODE((pytester.path / "out" / "mail.html").stat().st_mode)
    assert mode == stat.S_IMODE(other.stat().st_mode)


def test_a_place_that_is_lost_during_the_run_is_told(reported: Reported, pytester: pytest.Pytester) -> None:
    """The tests keep their outcomes, and the summary says why there is no page."""
    result = reported(
        """
        import pathlib

        def test_it():
            pathlib.Path("out").rmdir()
            pathlib.Path("out").write_text("a file now")
        """,
        status=0,
    )
    assert "mail.html cannot be written: " in result.stdout.str()


def test_without_the_option_nothing_is_imported(pytester: pytest.Pytester) -> None:
    """A run with mail and without a report never imports the rooms of the report."""
    pytester.makepyfile(
        test_it="""
        import sys

        def test_it(smtp_server, transporter):
            assert not [name for name in sys.modules if name.startswith("pytest_smtp4d.report")]
        """
    )
    assert pytester.runpytest_subprocess(*quiet()).ret == 0


def test_collecting_writes_nothing(reported: Reported, pytester: pytest.Pytester) -> None:
    """`--collect-only` leaves an older page alone."""
    reported("def test_it(): pass", "--collect-only")
    assert not (pytester.path / "out").exists()


def test_the_seed_is_told(pytester: pytest.Pytester) -> None:
    """With pytest-randomly the page says which seed gives this order again."""
    pytester.makepyfile(test_it="def test_it(): pass")
    options = [*quiet("randomly"), "--randomly-seed=42", "--smtp4d-report=mail.html"]
    result = pytester.runpytest_subprocess(*options)
    assert result.ret == 0
    assert report_of(pytester, "mail.html")["run"]["seed"] == "42"
