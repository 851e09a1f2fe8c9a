from __future__ import annotations

import socket

import pytest

from pytest_smtp4d import SMTPServer
from pytest_smtp4d.server.entrance import HOST, settings_behind
from pytest_smtp4d.server.settings import ServerSettings


@pytest.mark.parametrize(
    ("tls", "implicit", "behind"),
    [
        ("starttls", False, "starttls"),
        ("starttls", True, "implicit"),
        ("implicit", False, "starttls"),
        ("implicit", True, "implicit"),
        ("none", False, "none"),
        ("none", True, "implicit"),
    ],
)
def test_tls_follows_the_port(tls: str, implicit: bool, behind: str) -> None:
    """Whatever the server's own address speaks; a server without TLS offers no STARTTLS."""
    assert settings_behind(ServerSettings(tls=tls), implicit=implicit).tls == behind  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "users", "required"),
    [
        ({}, "*", False),
        ({"require_auth": True}, "*", True),
        ({"auth": ("PLAIN",)}, "*", False),
        ({"auth": ()}, {}, False),
        ({"users": {"ada": "secret"}}, {"ada": "secret"}, True),
        ({"users": {"ada": "secret"}, "require_auth": False}, {"ada": "secret"}, False),
        ({"tokens": {"ada": "token"}}, {}, True),
        ({"users": "*"}, "*", True),
    ],
)
def test_a_login_is_possible_and_not_required(
    given: dict[str, object], users: object, required: bool
) -> None:
    """Unless the settings say who may log in, or that a login is required."""
    settings = ServerSettings.from_mapping(given)
    behind = settings_behind(settings, implicit=True)
    assert behind.users == users
    assert behind.require_auth is required
    assert bool(behind.auth) == bool(users or given.get("tokens"))


def test_mechanisms_that_need_the_password_are_left_out() -> None:
    """Where anybody may log in the server knows no password to prove anything by."""
    settings = ServerSettings(auth=("SCRAM-SHA-256", "PLAIN"))
    assert settings_behind(settings, implicit=True).auth == ("PLAIN",)


def test_an_entrance_knows_who_comes(smtp_server: SMTPServer) -> None:
    """A connection that was announced has its target, another has none; the announcement is for one."""
    entrance = smtp_server._entrance(implicit=False)
    assert entrance is not None
    for announced in (True, False):
        with socket.socket() as sock:
            sock.settimeout(5)
            sock.bind((HOST, 0))
            if announced:
                entrance.expect(sock.getsockname()[1], ("smtp.example.com", 25))
            sock.connect((HOST, entrance.port))
            assert sock.recv(3) == b"220"
    assert [session.target for session in smtp_server.sessions] == [("smtp.example.com", 25), None]


def test_entrances_share_the_life_of_their_server() -> None:
    """There is none of a server that is stopped or down; while it runs each is opened once."""
    server = SMTPServer()
    assert server._entrance(implicit=False) is None
    with server:
        first = server._entrance(implicit=False)
        assert first is server._entrance(implicit=False)
        assert first is not server._entrance(implicit=True)
        with server.down():
            assert server._entrance(implicit=False) is None
        assert first is server._entrance(implicit=False)
    assert server._entrance(implicit=False) is None


def test_a_target_survives_a_reset(smtp_server: SMTPServer) -> None:
    """A connection that goes on in a new record was still asked for by the same name."""
    entrance = smtp_server._entrance(implicit=False)
    assert entrance is not None
    with socket.socket() as sock:
        sock.settimeout(5)
        sock.bind((HOST, 0))
        entrance.expect(sock.getsockname()[1], ("smtp.example.com", 25))
        sock.connect((HOST, entrance.port))
        assert sock.recv(3) == b"220"
        smtp_server.reset()
        sock.sendall(b"NOOP\r\n")
        smtp_server._settle()
    assert [session.target for session in smtp_server.sessions] == [("smtp.example.com", 25)]
