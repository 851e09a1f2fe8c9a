from __future__ import annotations

import pytest

from pytest_smtp4d import MakeTransporter, SMTPServer, SMTPTransporter
from tests.plugin.conftest import MAIL, Run


def test_it_is_made_for_the_server(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """Host, port, trust and login are the server's; time-outs are short, as a test wants them."""
    assert (transporter.host, transporter.port) == smtp_server.address
    assert (transporter.connection_time_out, transporter.send_time_out) == (2, 5)
    assert transporter.send(MAIL)
    assert smtp_server.messages.one().session.tls is not None


def test_it_opens_nothing_by_itself(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """A transporter that sends nothing connects to nothing."""
    assert transporter.keep_alive
    assert len(smtp_server.sessions) == 0


@pytest.mark.smtp_server(tls="none", users={"ada": "secret"})
def test_it_follows_the_marker(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """Without TLS it accepts that; with users it logs in."""
    assert transporter.accept_unsecure_connection
    assert transporter.send(MAIL)
    assert smtp_server.messages.one().session.user == "ada"


def test_make_transporter_overrides_options(
    smtp_server: SMTPServer, make_transporter: MakeTransporter
) -> None:
    """Options given by name win over those made for the server."""
    made = make_transporter(keep_alive=False, send_time_out=1)
    assert (made.host, made.keep_alive, made.send_time_out) == (smtp_server.host, False, 1)


def test_make_transporter_takes_any_server(run: Run) -> None:
    """Given a server, it uses that one, and smtp_server is not even started."""
    result = run(
        """
        @pytest.fixture
        def smtp_server():
            raise AssertionError("not needed")

        def test_it(make_smtp_server, make_transporter):
            server = make_smtp_server(tls="implicit")
            assert make_transporter(server).send(MAIL)
            assert len(server.messages) == 1
        """
    )
    result.assert_outcomes(passed=1)


def test_all_are_closed_when_the_test_ends(run: Run) -> None:
    """Every kept-alive connection says QUIT, and is closed, before the server is stopped."""
    result = run(
        """
        sessions = []

        def test_it(smtp_server, transporter, make_transporter):
            for one in (transporter, make_transporter(), make_transporter()):
                assert one.send(MAIL)
            sessions.extend(smtp_server.sessions)
            assert len(sessions) == 3

        def test_closed():
            assert [session.commands[-1].verb for session in sessions] == ["QUIT"] * 3
        """
    )
    result.assert_outcomes(passed=2)


def test_the_marker_acts_without_smtp_server_being_named(run: Run) -> None:
    """make_transporter alone starts smtp_server when it needs it, marked as the test says."""
    result = run(
        """
        @pytest.mark.smtp_fault("RCPT", reply=(550, "5.1.1 No such user"))
        @pytest.mark.smtp_server(tls="implicit")
        def test_it(make_transporter):
            transporter = make_transporter()
            assert transporter.implicit_tls
            assert transporter.send(MAIL).status == 550
        """
    )
    result.assert_outcomes(passed=1)


def test_those_of_make_transporter_alone_say_quit_too(run: Run) -> None:
    """Where smtp_server was started by make_transporter, it still outlives the connections to it."""
    result = run(
        """
        sessions = []

        def test_it(make_transporter, request):
            assert make_transporter().send(MAIL)
            sessions.extend(request.getfixturevalue("smtp_server").sessions)

        def test_closed():
            assert [session.commands[-1].verb for session in sessions] == ["QUIT"]
        """
    )
    result.assert_outcomes(passed=2)
