"""A host with several addresses: each has its share of the time (RFC 5321 5.1, RFC 8305)."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d.transporter.waiting import addresses
from tests.transporter.scripted import Line, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.transporter.conftest import Client

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8, and its backlog")


@contextlib.contextmanager
def silent(address: str, port: int) -> Iterator[None]:
    """Let an address drop whoever connects: its backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((address, port))
        yield


def resolving(monkeypatch: pytest.MonkeyPatch, hosts: list[str]) -> None:
    """Let every name stand for these addresses."""
    look_up = socket.getaddrinfo

    def found(
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002 - its name there
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        if host != "mx.test":
            return look_up(host, port, family, type, proto, flags)
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        return [info for one in hosts for info in look_up(one, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def session(line: Line) -> None:
    """Answer as a server does."""
    line.open_session()
    line.wait_for_end()


def test_an_address_that_is_silent_leaves_time_for_the_next(
    make_client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the time for the first of two; the second answers."""
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    with ScriptedServer(session) as server, silent("127.0.0.2", server.port):
        client = make_client(server.port, host="mx.test", connection_time_out=2, send_time_out=10)
        assert client.check_connection().command == "EHLO"
        client.close()


def test_an_address_that_refuses_is_passed_over(
    make_client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once."""
    resolving(monkeypatch, ["127.0.0.3", "127.0.0.2", "127.0.0.1"])
    with ScriptedServer(session) as server:
        client = make_client(server.port, host="mx.test")
        assert client.check_connection().command == "EHLO"
        client.close()


def test_all_silent_is_a_time_out(
    make_client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option is named with the time of all together."""
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.3"])
    with (
        ScriptedServer(session) as server,
        silent("127.0.0.2", server.port),
        silent("127.0.0.3", server.port),
    ):
        client = make_client(server.port, host="mx.test", connection_time_out=0.2)
        status = client.check_connection()
    assert (status.command, status.errors[0]["errCode"]) == ("CONNECT", 1104)
    assert "did not answer, connectionTimeOut of 0.2 s is over" in status.status_text


def test_families_take_turns() -> None:
    """A family that is cut off does not use up the time of the other (RFC 8305 4)."""
    six, four = socket.AF_INET6, socket.AF_INET
    infos = [
        (family, 1, 6, "", (name, 25)) for family, name in ((six, "a"), (six, "b"), (six, "c"), (four, "d"))
    ]
    assert [where[0] for _, where in addresses(infos)] == ["a", "d", "b", "c"]
    assert addresses([]) == []


def test_a_name_that_takes_too_long(
    make_client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up knows no time-out; the call does."""
    over = threading.Event()
    look_up = socket.getaddrinfo

    def slow(
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002 - its name there
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        if host == "slow.test":
            if flags & socket.AI_NUMERICHOST:
                raise socket.gaierror(socket.EAI_NONAME, "no address")
            over.wait(5)
            return []
        return look_up(host, port, family, type, proto, flags)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    status = make_client(25, host="slow.test", connection_time_out=0.1).check_connection()
    over.set()
    assert (status.command, status.errors[0]["errCode"]) == ("CONNECT", 1101)
    assert "took too long" in status.status_text
