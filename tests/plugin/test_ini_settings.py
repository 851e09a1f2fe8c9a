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
