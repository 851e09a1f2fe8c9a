from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_smtp4d import clock
from pytest_smtp4d.server import selector
from pytest_smtp4d.server.selector import Selector, make_selector

KINDS = {"the best": make_selector, "of any system": Selector}
A_WHILE = 0.001


@pytest.fixture(params=KINDS)
def waiting(request: pytest.FixtureRequest) -> Iterator[Selector]:
    """A selector, of either kind."""
    one = KINDS[request.param]()
    yield one
    one.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets: what is written to one arrives at the other."""
    one, other = socket.socketpair()
    one.setblocking(False)
    with one, other:
        yield one, other


def test_a_function_is_called_and_the_loop_is_told(
    waiting: Selector, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Each gets its own events, for reading and for writing; the loop learns of nobody else's."""
    one, other = pair
    called: list[int] = []
    waiting.register(one, selectors.EVENT_READ, called.append)
    waiting.register(other, selectors.EVENT_WRITE, ("a handle", None))
    other.sendall(b"octets")
    told = [(key.fileobj, events) for key, events in waiting.select(1)]
    assert (called, told) == ([selectors.EVENT_READ], [(other, selectors.EVENT_WRITE)])
    waiting.unregister(other)
    waiting.modify(one, selectors.EVENT_READ | selectors.EVENT_WRITE, called.append)
    assert waiting.select(0) == []
    assert called[1:] == [selectors.EVENT_READ | selectors.EVENT_WRITE]
    waiting.unregister(one)
    assert waiting.select(0) == []
    assert len(called) == 2


def test_what_a_function_raises_is_told(waiting: Selector, pair: tuple[socket.socket, socket.socket]) -> None:
    """The others are called all the same."""
    one, other = pair
    raised: list[Exception] = []
    called: list[int] = []
    waiting.failed = raised.append

    def fail(_: int) -> None:
        raise ValueError("of mine")

    waiting.register(one, selectors.EVENT_WRITE, fail)
    waiting.register(other, selectors.EVENT_WRITE, called.append)
    assert waiting.select(0) == []
    assert [str(error) for error in raised] == ["of mine"]
    assert called == [selectors.EVENT_WRITE]


def test_a_function_that_gives_the_loop_something_to_do_ends_the_wait(
    waiting: Selector, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Without a time-out it would wait for ever otherwise."""
    one, other = pair

    def hear(_: int) -> None:
        one.recv(100)
        waiting.is_loop_due = True

    waiting.register(one, selectors.EVENT_READ, hear)
    other.sendall(b"octets")
    assert waiting.select(None) == []


def descriptors() -> int:
    """Return how many descriptors are open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


needs_epoll = pytest.mark.skipif(not hasattr(selectors, "EpollSelector"), reason="there is no epoll here")


@needs_epoll
def test_nothing_stays_open() -> None:
    """It has two descriptors of one epoll."""
    before = descriptors()
    one = make_selector()
    assert descriptors() == before + 2
    one.close()
    assert descriptors() == before


class Served:
    """A selector with a client that was just heard, so that it looks again before it sleeps."""

    def __init__(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self.selector = make_selector()
        self.one, self.other = pair
        self.heard = 0
        self.selector.register(self.one, selectors.EVENT_READ, self._hear)

    def _hear(self, _: int) -> None:
        self.heard += len(self.one.recv(100))

    def exchange(self) -> None:
        """Hear an octet, and wait in vain for the next."""
        self.other.sendall(b"x")
        assert self.selector.select(A_WHILE) == []

    def is_attentive(self) -> bool:
        """Whether it looks again before it sleeps."""
        return not self.selector._sleeps  # type: ignore[attr-defined] # of the kind for Linux


@pytest.fixture
def served(pair: tuple[socket.socket, socket.socket]) -> Iterator[Served]:
    """A selector that serves a client."""
    one = Served(pair)
    yield one
    one.selector.close()


@needs_epoll
def test_looks_in_vain_are_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that always takes longer costs no looks; what it sends is heard as before."""
    monkeypatch.setattr(selector, "SHARED", 1.0)
    served.selector._rest = 3  # type: ignore[attr-defined] # of the kind for Linux
    for _ in range(selector.DOUBT):
        served.exchange()
        assert served.is_attentive()
    served.exchange()
    assert not served.is_attentive()
    for _ in range(3):
        served.exchange()
    assert served.is_attentive()
    assert served.heard == selector.DOUBT + 4


@needs_epoll
def test_a_processor_that_others_want_is_left_to_them(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that took long means that somebody else ran meanwhile: it is given up soon."""
    real, passed = clock.monotonic, [0.0]

    def late() -> float:
        passed[0] += selector.SHARED * 1.5
        return real() + passed[0]

    monkeypatch.setattr(clock, "monotonic", late)
    for _ in range(selector.DOUBT // selector.IN_THE_WAY):
        served.exchange()
        assert served.is_attentive()
    served.exchange()
    assert not served.is_attentive()
