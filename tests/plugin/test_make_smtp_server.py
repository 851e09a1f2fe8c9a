from __future__ import annotations

import re

import pytest

from pytest_smtp4d import MakeSMTPServer, SettingsError
from tests.plugin.conftest import Run


def test_several_servers_in_one_test(make_smtp_server: MakeSMTPServer) -> None:
    """Each call starts a server with settings of its own."""
    plain, secure = make_smtp_server(tls="none"), make_smtp_server(tls="implicit")
    assert plain.port != secure.port
    assert (plain.url, secure.url) == (
        f"smtp://127.0.0.1:{plain.port}",
        f"smtps://127.0.0.1:{secure.port}",
    )


def test_a_wrong_setting_names_the_nearest(make_smtp_server: MakeSMTPServer) -> None:
    """A typing slip is a SettingsError at the call, with the way out."""
    words = "there is no setting 'certifcate' (did you mean 'certificate'?)"
    with pytest.raises(SettingsError, match=re.escape(words)):
        make_smtp_server(certifcate="expired")  # type: ignore[call-arg]


def test_all_are_stopped_though_one_start_fails(run: Run) -> None:
    """Servers made before a failure are stopped when the test ends."""
    result = run(
        """
        import socket
        made = []

        def test_fails(make_smtp_server):
            made.append(make_smtp_server())
            make_smtp_server(port=made[0].port)

        def test_stopped():
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(made[0].address, timeout=5)
        """
    )
    result.assert_outcomes(passed=1, failed=1)


def test_it_starts_from_the_suites_settings_not_from_the_marker(run: Run) -> None:
    """smtp_server_settings are its defaults; the marker is for smtp_server alone."""
    result = run(
        """
        @pytest.fixture(scope="session")
        def smtp_server_settings():
            return {"tls": "none", "recipient_limit": 3}

        @pytest.mark.smtp_server(recipient_limit=7)
        def test_defaults(make_smtp_server, smtp_server):
            made = make_smtp_server().settings
            assert (made.tls, made.recipient_limit) == ("none", 3)
            assert make_smtp_server(recipient_limit=5).settings.recipient_limit == 5
            assert (smtp_server.settings.tls, smtp_server.settings.recipient_limit) == ("none", 7)
        """
    )
    result.assert_outcomes(passed=1)
