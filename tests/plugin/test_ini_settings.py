from __future__ import annotations

from dataclasses import fields

import pytest

from pytest_smtp4d import ServerSettings
from pytest_smtp4d.server.ini import SETTINGS
from tests.plugin.conftest import Run


def test_every_setting_is_an_ini() -> None:
    """The table in the plugin, which may import nothing, names the settings as they are, in their order."""
    assert list(SETTINGS) == [field.name for field in fields(ServerSettings) if field.init]


def test_the_ini_file_gives_the_suites_defaults(run: Run, pytester: pytest.Pytester) -> None:
    """Each type is read: text, truth, numbers, lists and accounts; fixtures and markers win over it."""
    pytester.makeini(
        """
        [pytest]
        smtp4d_tls = implicit
        smtp4d_esmtp = no
        smtp4d_size_limit = 1000
        smtp4d_greylist = 1.5
        smtp4d_extensions = SIZE 8BITMIME
        smtp4d_users =
            ada: se:cret
            bob: hunter2
        """
    )
    result = run(
        """
        def test_it(smtp_server):
            settings = smtp_server.settings
            assert (settings.tls, settings.esmtp, settings.size_limit) == ("implicit", False, 1000)
            assert (settings.greylist, settings.extensions) == (1.5, ("SIZE", "8BITMIME"))
            assert dict(settings.users) == {"ada": "se:cret", "bob": "hunter2"}

        @pytest.mark.smtp_server(tls="none")
        def test_a_marker_wins(smtp_server):
            assert smtp_server.settings.tls == "none"
        """
    )
    result.assert_outcomes(passed=2)


def test_anybody_may_log_in(run: Run, pytester: pytest.Pytester) -> None:
    """smtp4d_users = * accepts any login."""
    pytester.makeini("[pytest]\nsmtp4d_users = *\n")
    run("def test_it(smtp_server): assert smtp_server.settings.users == '*'").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("smtp4d_tls = start", "ini: smtp4d_tls cannot be 'start' (did you mean 'starttls'?)"),
        ("smtp4d_port = many", "ini: smtp4d_port is a whole number, 0 to let the system choose, not 'many'"),
        ("smtp4d_users = ada", "ini: smtp4d_users has an account without ':': write `user: secret`"),
        ("smtp4d_auth = PLAIM", "ini: smtp4d_auth cannot hold 'PLAIM' (did you mean 'PLAIN'?)"),
    ],
)
def test_a_wrong_value_is_a_usage_error(run: Run, pytester: pytest.Pytester, line: str, words: str) -> None:
    """It names the ini, the value and the way out, before anything is collected."""
    pytester.makeini(f"[pytest]\n{line}\n")
    result = run("def test_it(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {words}" in result.stderr.str()


PLACES = {
    "ini_options": ("pyproject.toml", "[tool.pytest.ini_options]"),
    "tool.pytest": ("pyproject.toml", "[tool.pytest]"),
    "pytest.toml": ("pytest.toml", "[pytest]"),
}
"""Where TOML may stand: the file and the table; the last two are of pytest 9."""

in_each_place = pytest.mark.parametrize(
    ("file", "table"),
    [
        pytest.param(
            *place,
            id=name,
            marks=pytest.mark.skipif(
                name != "ini_options" and pytest.version_tuple < (9,), reason=f"{name} is of pytest 9"
            ),
        )
        for name, place in PLACES.items()
    ],
)

TYPED = """
smtp4d_timeout = 30
smtp4d_strict = false
smtp4d_intercept = false
smtp4d_block = true
smtp4d_block_allow = ["mailpit:1025"]
smtp4d_report = "out.html"
smtp4d_report_limit = 1000000
smtp4d_report_redact = ["tok-[0-9]+"]
smtp4d_tls = "implicit"
smtp4d_size_limit = 1000
smtp4d_greylist = 1.5
smtp4d_extensions = []
smtp4d_names = ["mail.example.com"]
smtp4d_users = { ada = "se:cret", bob = "hunter2" }
smtp4d_tokens = ["ada: tok-1"]
"""
"""Each type of TOML that a value of ours may have."""

READ = """
def test_it(smtp_server, request):
    settings = smtp_server.settings
    assert (settings.strict, settings.tls, settings.size_limit) == (False, "implicit", 1000)
    assert (settings.greylist, settings.extensions) == (1.5, ())
    assert settings.names == ("mail.example.com",)
    assert dict(settings.users) == {"ada": "se:cret", "bob": "hunter2"}
    assert dict(settings.tokens) == {"ada": "tok-1"}
    assert request.node.get_closest_marker("timeout").args == (30.0,)
"""


@in_each_place
def test_toml_has_its_own_types(run: Run, pytester: pytest.Pytester, file: str, table: str) -> None:
    """Numbers, truth, lists and tables are read in each place in which TOML may stand, on every pytest."""
    (pytester.path / file).write_text(table + TYPED, encoding="utf-8")
    run(READ).assert_outcomes(passed=1)
    assert (pytester.path / "out.html").exists()


@in_each_place
def test_an_option_overrides_toml(run: Run, pytester: pytest.Pytester, file: str, table: str) -> None:
    """`-o smtp4d_timeout=7` is text, whatever type the file has."""
    (pytester.path / file).write_text(f"{table}\nsmtp4d_timeout = 30\n", encoding="utf-8")
    result = run(
        "def test_it(smtp_server, request): assert request.node.get_closest_marker('timeout').args == (7.0,)",
        "-o",
        "smtp4d_timeout=7",
    )
    result.assert_outcomes(passed=1)


@in_each_place
@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "smtp4d_timeout = true",
            "ini: smtp4d_timeout is *True*: give a number of seconds, or 0 for no limit",
        ),
        ("smtp4d_timeout = [30]", "ini: smtp4d_timeout is *30*: give a number of seconds, or 0 for no limit"),
        ("smtp4d_timeout = 1979-05-27", "ini: smtp4d_timeout is *1979*: give a number of seconds, *"),
        ("smtp4d_strict = 3", "ini: smtp4d_strict is True or False, not *3*"),
        ("smtp4d_intercept = 3", "ini: smtp4d_intercept is true or false, not *3*"),
        ("smtp4d_block = 3", "*smtp4d_block is *3*: write true, false or warn"),
        ("smtp4d_block_allow = [3]", "ini: smtp4d_block_allow is several words, not [[]3[]]"),
        ("smtp4d_tls = 3", "ini: smtp4d_tls *3*"),
        ("smtp4d_port = 2.5", "ini: smtp4d_port is a whole number, 0 to let the system choose, not *2.5*"),
        ("smtp4d_names = [3]", "ini: smtp4d_names holds 3, which is no host name and no IP address"),
        ("smtp4d_extensions = [true]", "ini: smtp4d_extensions holds True, which is no name"),
        ("smtp4d_users = {ada = 3}", "ini: smtp4d_users: the password of 'ada' is a text, not a int"),
        ("smtp4d_report_limit = 2.5", "ini: smtp4d_report_limit is *2.5*: give a number of octets, *"),
        ("smtp4d_report_tests = []", "ini: smtp4d_report_tests is [[]]: give one of all, failed"),
        ("smtp4d_report_redact = [3]", "ini: smtp4d_report_redact is [[]3[]]: give regular expressions, *"),
    ],
)
def test_a_wrong_type_is_a_usage_error(
    run: Run, pytester: pytest.Pytester, file: str, table: str, line: str, words: str
) -> None:
    """Whether it is used or not, with the name and the value, before anything is collected."""
    (pytester.path / file).write_text(f"{table}\n{line}\n", encoding="utf-8")
    result = run("def test_it(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {words}"])


@pytest.mark.parametrize("line", ["smtp4d_report = false", "smtp4d_timeout = 'soon'"])
@pytest.mark.skipif(pytest.version_tuple < (9,), reason="[tool.pytest] is of pytest 9")
def test_no_value_of_the_native_table_is_passed_over(run: Run, pytester: pytest.Pytester, line: str) -> None:
    """A value that is false in Python is looked at, too; elsewhere pytest makes a text of it."""
    pytester.makepyprojecttoml(f"[tool.pytest]\n{line}\n")
    assert run("def test_it(): pass").ret == pytest.ExitCode.USAGE_ERROR
