from __future__ import annotations

import pytest

from pytest_smtp4d.faults.sweep import grid
from tests.plugin.conftest import Run

SWEPT = """
@pytest.mark.smtp_sweep(stages=["MAIL", "RCPT"], kinds=["refuse-for-now", "disconnect-before"])
def test_send(smtp_server, make_transporter):
    status = make_transporter(connection_time_out=1, send_time_out=1).send(MAIL)
    assert len(smtp_server.messages) == status.success
    assert (smtp_server.active_fault is None) == status.success
    if smtp_server.active_fault is not None:
        assert status.command == smtp_server.active_fault[0]
"""

IDS = ["undisturbed", "MAIL-refuse-for-now", "MAIL-disconnect-before", "RCPT-refuse-for-now"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_it_runs_once_undisturbed_and_once_for_each_point(run: Run, workers: tuple[str, ...]) -> None:
    """Each point is an ordinary item with a readable id, beside the undisturbed one."""
    result = run(SWEPT, "-v", *workers)
    result.assert_outcomes(passed=5)
    for name in (*IDS, "RCPT-disconnect-before"):
        result.stdout.fnmatch_lines([f"*test_it.py::test_send[[]{name}[]]*"])


def test_k_selects_points(run: Run) -> None:
    """-k works on stages and kinds."""
    run(SWEPT, "-k", "RCPT and refuse").assert_outcomes(passed=1, deselected=4)


def test_the_whole_grid_by_default(run: Run) -> None:
    """Without arguments every stage of a session has every kind it can have, known at collection."""
    result = run("@pytest.mark.smtp_sweep\ndef test_it(transporter): pass", "--collect-only", "-q")
    items = [line for line in result.outlines if "::test_it[" in line]
    assert len(items) == 1 + len(grid())
    assert items[0] == "test_it.py::test_it[undisturbed]"


def test_a_stage_that_is_not_reached_skips_and_says_so(run: Run) -> None:
    """A test that does nothing at a stage cannot be disturbed there."""
    result = run(
        """
        @pytest.mark.smtp_sweep(stages=["VRFY", "MAIL"], kinds=["refuse-for-good"])
        def test_send(smtp_server, transporter):
            assert transporter.send(MAIL).success == (smtp_server.active_fault is None or
                                                      smtp_server.active_fault[0] == "VRFY")
        """,
        "-rs",
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*2 passed, 1 unreached*"])
    result.stdout.no_fnmatch_line("SKIPPED*")


def test_occurrence_lets_the_first_ones_through(run: Run) -> None:
    """occurrence=2 disturbs the second time the stage is reached."""
    result = run(
        """
        @pytest.mark.smtp_sweep(stages=["MAIL"], kinds=["refuse-for-good"], occurrence=2)
        def test_send(smtp_server, transporter):
            assert transporter.send(MAIL)
            assert transporter.send(MAIL).success == (smtp_server.active_fault is None)
        """
    )
    result.assert_outcomes(passed=2)


def test_with_other_parametrisation(run: Run) -> None:
    """It multiplies with parametrize, and ids stay readable."""
    result = run(
        """
        @pytest.mark.parametrize("name", ["ada", "bob"])
        @pytest.mark.smtp_sweep(stages=["MAIL"], kinds=["refuse-for-good"])
        def test_send(smtp_server, transporter, name):
            transporter.send(MAIL)
        """,
        "-v",
    )
    result.assert_outcomes(passed=4)
    for name in ("ada", "bob"):
        for point in ("undisturbed", "MAIL-refuse-for-good"):
            result.stdout.re_match_lines([rf".*test_send\[({name}-{point}|{point}-{name})\] PASSED.*"])


def test_async_tests(pytester: pytest.Pytester) -> None:
    """A coroutine function is swept like any other, by pytest-asyncio."""
    pytester.makepyfile(
        """
        import pytest
        from pytest_smtp4d import AsyncSMTPTransporter

        MAIL = {"from": "ada@example.com", "to": "bob@example.org", "subject": "Hello", "textBody": "Hi."}

        @pytest.mark.smtp_sweep(stages=["RCPT", "HELP"], kinds=["refuse-for-good"])
        async def test_send(smtp_server):
            async with AsyncSMTPTransporter(**smtp_server.client_options()) as transporter:
                status = await transporter.send(MAIL)
            assert len(smtp_server.messages) == status.success
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-o", "asyncio_mode=auto")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*2 passed, 1 unreached*"])


def test_a_failing_point_stays_a_failure_with_its_transcript(run: Run) -> None:
    """What the test states must hold under any fault; where it does not, the dialogue is shown."""
    result = run(
        """
        @pytest.mark.smtp_sweep(stages=["RCPT"], kinds=["refuse-for-good"])
        def test_send(smtp_server, transporter):
            assert transporter.send(MAIL)
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*test_send[[]RCPT-refuse-for-good[]]*", "*SMTP transcript*", "S: 550 5.1.1 *"]
    )


def test_a_test_without_a_server_is_a_collection_error(run: Run) -> None:
    """A sweep of nothing would pass for ever."""
    result = run("@pytest.mark.smtp_sweep\ndef test_it(): pass")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["*test_it: smtp_sweep: the test does not use the fixture smtp_server: request it"]
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("stage=['MAIL']", "smtp_sweep has no argument 'stage' (did you mean 'stages'?)"),
        ("kinds=['refuse']", "unknown kind 'refuse' of a sweep*"),
        ("occurrence=0", "occurrence is *not 0"),
        ("['MAIL']", "smtp_sweep: stages, kinds, occurrence are given by name, not ['MAIL']"),
    ],
)
def test_a_wrong_argument_is_a_collection_error(run: Run, arguments: str, words: str) -> None:
    """Each names the value and the way out."""
    result = run(f"@pytest.mark.smtp_sweep({arguments})\ndef test_it(smtp_server): pass")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    pattern = words.replace("[", "[[]").replace("?", "[?]")
    result.stdout.fnmatch_lines([f"*test_it.py::test_it: {pattern}"])
