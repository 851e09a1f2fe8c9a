from __future__ import annotations

from tests.plugin.conftest import Run


def test_no_smtp4d_switches_the_plugin_off(run: Run) -> None:
    """With -p no:smtp4d there is no fixture, no marker and no option, and other tests run as ever."""
    source = """
        def test_other():
            pass

        def test_mail(smtp_server):
            pass
        """
    result = run(source, "-p", "no:smtp4d")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E       fixture 'smtp_server' not found"])
    result = run(source, "-p", "no:smtp4d", "--smtp4d-transcript=all")
    result.stderr.fnmatch_lines(["*unrecognized arguments: --smtp4d-transcript=all"])
