"""The ways to give a server its settings."""

from __future__ import annotations

import pytest

from pytest_smtp4d import MakeSMTPServer, SMTPServer


@pytest.mark.smtp_server(tls="implicit", users={"ada": "secret"})
def test_by_a_marker(smtp_server: SMTPServer) -> None:
    """For this test's server."""
    assert smtp_server.settings.tls == "implicit"


def test_by_the_factory(make_smtp_server: MakeSMTPServer) -> None:
    """For as many servers as the test needs."""
    first, second = make_smtp_server(), make_smtp_server(certificate="expired")
    assert (first.settings.certificate, second.settings.certificate) == ("trusted", "expired")


def test_by_configure(smtp_server: SMTPServer) -> None:
    """For sessions that start afterwards."""
    smtp_server.configure(size_limit=1_000)
    assert smtp_server.settings.size_limit == 1_000


def test_outside_of_fixtures() -> None:
    """The same settings, where there is no fixture, and no pytest."""
    with SMTPServer(tls="none", size_limit=1_000_000) as server:
        assert server.url == f"smtp://127.0.0.1:{server.port}"
