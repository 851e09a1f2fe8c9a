"""The patches on `socket` and `ssl`, and how they are taken back.

Patched are `socket.getaddrinfo`, `socket.socket.connect` and `connect_ex`; `gethostbyname` and
`gethostbyname_ex` only where names are given; `ssl.SSLContext.wrap_socket` and `wrap_bio` are watched.
Nothing of any mail library is.

Others patch the same functions, before, after and between. So each patch is a layer: it knows what it
covered, and it is taken off only where it is still on top, by identity. A layer that somebody else covered,
or put back later as pytest's monkeypatch does, calls through and does nothing of its own once all is
switched off; `sweep` takes it off when it shows up again.
"""

from __future__ import annotations

import functools
import socket
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import ref

from pytest_smtp4d.intercept import block, interception, outgoing, watching
from pytest_smtp4d.server import entrance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_smtp4d.intercept.block import Block
    from pytest_smtp4d.intercept.interception import Destination, Interception

__all__ = ["arm", "blocking", "intercepting", "sweep"]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One patch that was put on.

    Args:
        owner: the module or class.
        name: of its attribute.
        had_own: whether the owner itself had the attribute; a class may have inherited it.
        covered: what was there.
        wrapper: what was put there. It is held weakly: one that nobody holds any more cannot come back.
    """

    owner: Any
    name: str
    had_own: bool
    covered: Any
    wrapper: ref[Any]

    @property
    def is_on_top(self) -> bool:
        """Whether it is what callers get."""
        wrapper = self.wrapper()
        return wrapper is not None and vars(self.owner).get(self.name) is wrapper

    def take_off(self) -> None:
        """Put back what it covered, if it is on top."""
        if not self.is_on_top:
            return
        if self.had_own:
            setattr(self.owner, self.name, self.covered)
        else:
            delattr(self.owner, self.name)


# -- the wrappers ----------------------------------------------------------------------------------------


def _getaddrinfo(covered: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the name of the standard library
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        if outgoing.is_idle():
            return covered(host, port, family, type, proto, flags)
        return outgoing.getaddrinfo(covered, host, port, outgoing.Hints(family, type, proto, flags))

    return getaddrinfo


def _connect(covered: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: socket.socket, address: Any, /) -> None:
        if outgoing.is_idle():
            return covered(self, address)  # type: ignore[no-any-return] # None, or what a patch below returns
        return outgoing.connect(functools.partial(covered, self), self, address)

    return connect


def _connect_ex(covered: Callable[..., Any]) -> Callable[..., Any]:
    def connect_ex(self: socket.socket, address: Any, /) -> int:
        if outgoing.is_idle():
            return covered(self, address)  # type: ignore[no-any-return]
        return outgoing.connect_ex(functools.partial(covered, self), self, address)

    return connect_ex


def _gethostbyname(covered: Callable[..., Any]) -> Callable[..., Any]:
    def gethostbyname(hostname: Any, /) -> Any:
        return outgoing.gethostbyname(covered, hostname)

    return gethostbyname


def _gethostbyname_ex(covered: Callable[..., Any]) -> Callable[..., Any]:
    def gethostbyname_ex(hostname: Any, /) -> Any:
        def resolve(host: Any) -> Any:
            return covered(host)

        answer = outgoing.gethostbyname(resolve, hostname)
        return (hostname, [], [answer]) if isinstance(answer, str) else answer

    return gethostbyname_ex


def _wrap_socket(covered: Callable[..., Any]) -> Callable[..., Any]:
    def wrap_socket(
        self: ssl.SSLContext, sock: Any, server_side: bool = False, *args: Any, **kwargs: Any
    ) -> Any:
        if interception.current() is not None and not server_side:
            watching.note_socket(self, sock)
        return covered(self, sock, server_side, *args, **kwargs)

    return wrap_socket


def _wrap_bio(covered: Callable[..., Any]) -> Callable[..., Any]:
    def wrap_bio(self: ssl.SSLContext, *args: Any, **kwargs: Any) -> Any:
        tls = covered(self, *args, **kwargs)
        if interception.current() is not None:
            watching.note_buffers(self, tls)
        return tls

    return wrap_bio


Wrapping = tuple[Any, str, "Callable[[Callable[..., Any]], Callable[..., Any]]"]


def _wanted() -> Iterator[Wrapping]:
    """Yield what has to be patched now."""
    redirecting = interception.current()
    if redirecting is None and block.current() is None:
        return
    yield socket, "getaddrinfo", _getaddrinfo
    yield socket.socket, "connect", _connect
    yield socket.socket, "connect_ex", _connect_ex
    if redirecting is None:
        return
    yield ssl.SSLContext, "wrap_socket", _wrap_socket
    yield ssl.SSLContext, "wrap_bio", _wrap_bio
    if redirecting.has_names:
        yield socket, "gethostbyname", _gethostbyname
        yield socket, "gethostbyname_ex", _gethostbyname_ex


# -- on and off ------------------------------------------------------------------------------------------

_guard = threading.RLock()
_layers: list[Layer] = []
"""Those that were put on and not taken off yet, the lowest first."""


def arm() -> None:
    """Put on what is wanted and not on top."""
    with _guard:
        _layers[:] = [layer for layer in _layers if layer.wrapper() is not None]
        for owner, name, wrapping in _wanted():
            if any(layer.is_on_top for layer in _layers if (layer.owner, layer.name) == (owner, name)):
                continue
            covered = getattr(owner, name)
            wrapper = functools.wraps(covered)(wrapping(covered))
            _layers.append(Layer(owner, name, name in vars(owner), covered, ref(wrapper)))
            setattr(owner, name, wrapper)


def sweep() -> None:
    """Take off what is on top and not wanted. What is covered stays known, for it may show up again."""
    with _guard:
        wanted = {(owner, name) for owner, name, _ in _wanted()}
        for layer in reversed(_layers):
            if (layer.owner, layer.name) not in wanted:
                layer.take_off()
        _layers[:] = [layer for layer in _layers if layer.wrapper() is not None]


@contextmanager
def intercepting(one: Interception) -> Iterator[None]:
    """Redirect what an interception says, as long as the block lasts."""
    interception.push(one)
    try:
        arm()
        entrance.take_hosts = _take_hosts
        yield
    finally:
        interception.remove(one)
        if interception.current() is None:
            entrance.take_hosts = None
        sweep()


@contextmanager
def blocking(one: Block) -> Iterator[None]:
    """Refuse what a block says, as long as it lasts."""
    before = block.set_current(one)
    try:
        arm()
        yield
    finally:
        block.set_current(before)
        sweep()


def _take_hosts(server: Destination, patterns: tuple[object, ...]) -> None:
    """Send the mail for some hosts to a server (see `SMTPServer.intercept`)."""
    redirecting = interception.current()
    assert redirecting is not None
    redirecting.add_route(server, patterns)
    arm()
