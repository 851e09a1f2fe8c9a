"""What is patched, and that nothing of it stays: by identity, whatever others do on top or beneath."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from pytest_smtp4d import SMTPServer
from pytest_smtp4d.intercept import interception, patch
from pytest_smtp4d.intercept.block import Block, Refusals
from pytest_smtp4d.intercept.interception import Interception
from pytest_smtp4d.intercept.patch import blocking, intercepting
from pytest_smtp4d.intercept.target import Allowed, HostPattern

PLACES: tuple[tuple[Any, str], ...] = (
    (socket, "getaddrinfo"),
    (socket, "gethostbyname"),
    (socket, "gethostbyname_ex"),
    (socket.socket, "connect"),
    (socket.socket, "connect_ex"),
    (ssl.SSLContext, "wrap_socket"),
    (ssl.SSLContext, "wrap_bio"),
)


def state() -> list[Any]:
    """Return what stands at each place; a class has only what is its own."""
    return [vars(owner).get(name) for owner, name in PLACES]


def an_interception(**keywords: Any) -> Interception:
    """Return an interception whose server nobody asks for."""
    return Interception(lambda: pytest.fail("no mail is sent here"), **keywords)


@pytest.fixture(autouse=True)
def restored() -> Any:
    """Every test here leaves everything as it found it, by identity."""
    before = state()
    yield
    assert all(now is then for now, then in zip(state(), before, strict=True))
    assert interception.current() is None


def test_an_interception_patches_three_and_watches_two() -> None:
    """Nothing else of socket or ssl changes, and nothing of any mail library."""
    before = state()
    with intercepting(an_interception()):
        changed = [
            (owner, name)
            for (owner, name), now, then in zip(PLACES, state(), before, strict=True)
            if now is not then
        ]
    assert changed == [
        (socket, "getaddrinfo"),
        (socket.socket, "connect"),
        (socket.socket, "connect_ex"),
        (ssl.SSLContext, "wrap_socket"),
        (ssl.SSLContext, "wrap_bio"),
    ]


def test_a_block_patches_three() -> None:
    """It has no use for TLS."""
    before = state()
    with blocking(Block(Refusals(), Allowed(), warns=False)):
        changed = sum(now is not then for now, then in zip(state(), before, strict=True))
    assert changed == 3


def test_names_patch_two_more() -> None:
    """Where hosts are given, what resolves without a port is patched, and again not when they are gone."""
    real = socket.gethostbyname
    with intercepting(an_interception()):
        with intercepting(an_interception(hosts=[HostPattern("", "smtp.*")])):
            assert socket.gethostbyname is not real
        assert socket.gethostbyname is real
    with intercepting(an_interception(hosts=[HostPattern("", "*")])):
        assert socket.gethostbyname is real


def test_they_nest_in_any_order() -> None:
    """The topmost decides; whichever ends first, the others go on, and the last one restores."""
    first, second = an_interception(), an_interception()
    with ExitStack() as outer:
        with ExitStack() as inner:
            inner.enter_context(intercepting(first))
            outer.enter_context(intercepting(second))
            outer.enter_context(blocking(Block(Refusals(), Allowed(), warns=False)))
            assert interception.current() is second
        assert interception.current() is second
        assert socket.socket.connect.__module__ == patch.__name__ or "connect" in vars(socket.socket)
    assert interception.current() is None


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_restores_as_well(error: type[BaseException]) -> None:
    """Whatever leaves the block."""
    with pytest.raises(error), intercepting(an_interception()):
        raise error


def test_what_others_put_on_top_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patch that came later is not taken away, and ours beneath it does nothing any more."""
    before = state()

    def wrap(covered: Callable[..., Any]) -> Callable[..., Any]:
        def other(*args: Any, **kwargs: Any) -> Any:
            return covered(*args, **kwargs)

        return other

    with intercepting(an_interception()):
        for owner, name in PLACES:
            monkeypatch.setattr(owner, name, wrap(getattr(owner, name)))
        mine = state()
    assert state() == mine
    with pytest.raises(socket.gaierror):  # nothing is redirected: the system says what it says
        socket.getaddrinfo("smtp.example.com", 25, flags=socket.AI_NUMERICHOST)
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", 1)) != 0

    monkeypatch.undo()  # puts ours back, which is over
    assert state() != before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 1), 5)
    patch.sweep()
    assert state() == before


def test_what_others_took_away_is_put_on_again() -> None:
    """Some restore outright what they think is the original: the next test patches anew."""
    real = socket.getaddrinfo
    with intercepting(an_interception()):
        ours = socket.getaddrinfo
        socket.getaddrinfo = real
        patch.arm()
        assert socket.getaddrinfo not in (real, ours)
        socket.getaddrinfo = ours
        patch.arm()
        assert socket.getaddrinfo is ours


def test_what_others_took_away_is_forgotten() -> None:
    """A run of many tests, in each of which somebody restores outright, gathers nothing."""
    real = socket.getaddrinfo
    with intercepting(an_interception()):
        for _ in range(100):
            socket.getaddrinfo = real
            patch.arm()
        assert len(patch._layers) < 20


def test_it_looks_like_what_it_covers() -> None:
    """Names, documentation and keywords are those of the standard library."""
    real = socket.getaddrinfo
    with intercepting(an_interception()):
        assert (socket.getaddrinfo.__name__, socket.getaddrinfo.__doc__) == (real.__name__, real.__doc__)
        assert socket.socket.connect.__name__ == "connect"
        answer = socket.getaddrinfo(
            host="127.0.0.1", port=25, family=0, type=socket.SOCK_STREAM, proto=0, flags=0
        )
    assert answer == real("127.0.0.1", 25, type=socket.SOCK_STREAM)


def test_threads_are_redirected_too(smtp_server: SMTPServer) -> None:
    """What is redirected is the process's, whichever thread connects."""
    names = [f"smtp{number}.example.com" for number in range(20)]

    def send(name: str) -> None:
        with socket.create_connection((name, 25), 5) as sock:
            assert sock.recv(3) == b"220"

    with intercepting(Interception(lambda: smtp_server)):
        threads = [threading.Thread(target=send, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        smtp_server._settle()
    targets = {session.target for session in smtp_server.sessions}
    assert targets == {(name, 25) for name in names}


def test_intercept_is_a_method_of_a_running_server(smtp_server: SMTPServer) -> None:
    """Where interception is off, or the server is stopped, it says so."""
    with pytest.raises(RuntimeError, match="interception is off: request the fixture smtp_intercept"):
        smtp_server.intercept("smtp.*")
    with intercepting(Interception(lambda: smtp_server)):
        smtp_server.intercept("smtp.*")
        with pytest.raises(ValueError, match=r"intercept: name the hosts, such as intercept\('smtp.eu.\*'\)"):
            smtp_server.intercept()
        with pytest.raises(ValueError, match=r"intercept: 'smtp\.x:25' can match no host"):
            smtp_server.intercept("smtp.x:25")
        smtp_server.stop()
        with pytest.raises(RuntimeError, match="the server does not run"):
            smtp_server.intercept("smtp.*")
    with pytest.raises(RuntimeError, match="interception is off"):
        smtp_server.start().intercept("smtp.*")
