from __future__ import annotations

import smtplib

from pytest_smtp4d import SMTPServer
from tests.plugin.conftest import Run


def test_it_runs_on_loopback_on_a_port_of_its_own(smtp_server: SMTPServer) -> None:
    """A server is there when the test starts, on 127.0.0.1, and answers."""
    assert smtp_server.host == "127.0.0.1"
    assert smtp_server.port > 0
    with smtplib.SMTP(*smtp_server.address) as client:
        assert client.noop()[0] == 250


def test_each_test_gets_its_own(run: Run) -> None:
    """What one test sent, and its faults, no other test sees; the server is stopped at its end."""
    result = run(
        """
        import smtplib, socket
        servers = []

        @pytest.mark.parametrize("turn", [1, 2])
        def test_turn(smtp_server, transporter, turn):
            assert len(smtp_server.messages) == 0
            assert transporter.send(MAIL)
            smtp_server.on("MAIL").reply(550, "5.7.1 No").optional()
            servers.append(smtp_server)

        def test_they_are_stopped():
            assert len({id(server) for server in servers}) == 2
            for server in servers:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(server.address, timeout=5)
        """
    )
    result.assert_outcomes(passed=3)


def test_it_is_make_smtp_server_and_nothing_more(run: Run) -> None:
    """Overriding make_smtp_server's settings reaches smtp_server."""
    result = run(
        """
        @pytest.fixture
        def make_smtp_server(make_smtp_server):
            return lambda **settings: make_smtp_server(tls="none", **settings)

        def test_overridden(smtp_server):
            assert smtp_server.settings.tls == "none"
        """
    )
    result.assert_outcomes(passed=1)
