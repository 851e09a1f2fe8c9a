from __future__ import annotations

from tests.plugin.conftest import Run


def test_a_suite_gives_its_defaults(run: Run) -> None:
    """What the overriding fixture returns holds for all servers; markers merge over it, the closest wins."""
    result = run(
        """
        @pytest.fixture(scope="session")
        def smtp_server_settings():
            return {"tls": "implicit", "users": {"ada": "secret"}, "recipient_limit": 3}

        @pytest.mark.smtp_server(recipient_limit=5, size_limit=1000)
        class TestMarked:
            def test_class(self, smtp_server):
                settings = smtp_server.settings
                assert (settings.tls, settings.recipient_limit, settings.size_limit) == ("implicit", 5, 1000)

            @pytest.mark.smtp_server(recipient_limit=7)
            def test_closest(self, smtp_server):
                settings = smtp_server.settings
                assert (settings.tls, settings.recipient_limit, settings.size_limit) == ("implicit", 7, 1000)

        def test_plain(smtp_server, transporter):
            assert smtp_server.settings.recipient_limit == 3
            assert transporter.send(MAIL)
            assert smtp_server.messages[0].session.user == "ada"
        """
    )
    result.assert_outcomes(passed=3)


def test_a_wrong_default_is_an_error_with_the_way_out(run: Run) -> None:
    """A typing slip in the fixture is a SettingsError of the test that uses it."""
    result = run(
        """
        @pytest.fixture(scope="session")
        def smtp_server_settings():
            return {"tsl": "none"}

        def test_it(smtp_server):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *SettingsError: there is no setting 'tsl' (did you mean 'tls'?)"])
