"""What happens when this process resolves a host or connects: nothing of ours, a redirection, or a refusal.

RFC 3493 6.1 (getaddrinfo). Every function here gets the function that stands behind the patch and calls it at
most once; what it returns or raises, an EINPROGRESS too, is passed on as it is.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_smtp4d.errors import SMTPBlockedError
from pytest_smtp4d.intercept import block, interception, watching
from pytest_smtp4d.intercept.place import users_place
from pytest_smtp4d.intercept.reserved import Reserved
from pytest_smtp4d.intercept.target import Target, address_of, host_of, is_local, port_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_smtp4d.intercept.interception import Interception

__all__ = ["connect", "connect_ex", "getaddrinfo", "gethostbyname"]

_reserved = Reserved()
_PENDING = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, errno.EISCONN})
"""What `connect_ex` returns where the connection stands or may still come to stand."""

IN_CHILD = (
    "comes from a child process, which interception does not cover",
    "send mail from the process that runs the tests, or give the child the address of smtp_server",
)


def is_idle() -> bool:
    """Return whether nothing is redirected or refused: then every patch is as good as not there."""
    return interception.current() is None and block.current() is None


# -- resolving -------------------------------------------------------------------------------------------


class Hints(NamedTuple):
    """What a caller of `getaddrinfo` asks for beside host and port."""

    family: int
    kind: int
    proto: int
    flags: int


def getaddrinfo(resolve: Callable[..., Any], host: object, port: object, hints: Hints) -> Any:
    """Do what `socket.getaddrinfo` does, without a query for a host that is redirected or refused."""
    name, number = host_of(host), port_of(port)
    if name is None or number is None or is_local(name) or _must_be_numeric(name, port, hints.flags):
        return resolve(host, port, *hints)
    target = Target(name, number)
    redirecting = interception.current()
    if redirecting is not None and _covers_resolution(redirecting, target):
        return _synthetic(resolve, target, hints)
    blocking = block.current()
    if blocking is not None and address_of(name) is None and blocking.covers(target):
        answer_for = _noted_answer if blocking.warns else _refused_answer
        return answer_for(blocking, resolve, target, hints)
    answer = resolve(host, port, *hints)
    _remember(name, answer)
    return answer


def gethostbyname(resolve: Callable[[Any], Any], host: object) -> Any:
    """Do what `socket.gethostbyname` does: without a port, only names that were given are redirected."""
    name = host_of(host)
    redirecting = interception.current()
    if name is None or redirecting is None or address_of(name) is not None or not redirecting.names(name):
        return resolve(host)
    return _reserved.address(name, ipv6=False)


def _must_be_numeric(name: str, port: object, flags: int) -> bool:
    """Return whether the flags forbid to resolve what is no number: the system refuses it without a query."""
    if flags & socket.AI_NUMERICHOST and address_of(name) is None:
        return True
    return bool(flags & socket.AI_NUMERICSERV and isinstance(port, str | bytes) and not port.isdigit())


def _covers_resolution(redirecting: Interception, target: Target) -> bool:
    if target.port:
        return redirecting.covers(target)
    return address_of(target.host) is None and redirecting.names(target.host)


def _synthetic(resolve: Callable[..., Any], target: Target, hints: Hints) -> Any:
    """Return what a resolver would, with the address that stands for the name; the system checks the rest."""
    address = target.host
    if address_of(address) is None:
        address = _reserved.address(target.host, ipv6=hints.family == socket.AF_INET6)
    flags = (hints.flags | socket.AI_NUMERICHOST) & ~socket.AI_ADDRCONFIG
    answer = resolve(address, target.port, *hints._replace(flags=flags))
    return [(*entry[:3], entry[3] and target.host, entry[4]) for entry in answer]


def _refused_answer(blocking: block.Block, resolve: Callable[..., Any], target: Target, hints: Hints) -> Any:
    """Refuse to resolve a name, unless it turns out to be at an allowed address.

    A thread of an executor, in which asyncio and trio resolve, does not show who asked. There the name gets
    the address that stands for it, and the connection is refused, which is made where the caller is seen.
    """
    if blocking.allowed.has_addresses:
        answer: list[Any] = []
        with suppress(OSError):  # nobody knows the name: then it is at no allowed address
            answer = resolve(target.host, target.port, *hints)
        allowed = [
            entry for entry in answer if blocking.allowed.allows(Target(str(entry[4][0]), target.port))
        ]
        if allowed:
            return allowed
    if users_place() is None:
        return _synthetic(resolve, target, hints)
    raise block.error_for(blocking.attempt(target))


def _noted_answer(blocking: block.Block, resolve: Callable[..., Any], target: Target, hints: Hints) -> Any:
    """Resolve a name, and note its addresses: the connection that follows is warned of by the name."""
    try:
        answer = resolve(target.host, target.port, *hints)
    except OSError:
        blocking.attempt(target)
        raise
    blocking.note(target, [str(entry[4][0]) for entry in answer])
    return answer


def _remember(name: str, answer: Any) -> None:
    """Allow the addresses of an allowed name, for the connection that follows."""
    if address_of(name) is not None:
        return
    for one in (interception.current(), block.current()):
        if one is not None and one.allowed.names(name):
            one.allowed.remember(name, [str(entry[4][0]) for entry in answer])


# -- connecting ------------------------------------------------------------------------------------------


def connect(call: Callable[[Any], None], sock: socket.socket, address: Any) -> None:
    """Do what `socket.socket.connect` does; `call` is that, of this socket."""
    target, is_reserved = _target_of(sock, address)
    if target is None:
        return call(address)
    redirecting, error = _decided(target)
    if error is not None:
        raise error
    if redirecting is not None:
        return _redirect(redirecting, target, sock, call)
    return call(_real(target, address) if is_reserved else address)


def connect_ex(call: Callable[[Any], int], sock: socket.socket, address: Any) -> int:
    """Do what `socket.socket.connect_ex` does: errors are returned as numbers, a refusal too."""
    result = [0]

    def connect_now(place: Any) -> None:
        result[0] = call(place)
        if result[0] not in _PENDING:
            raise OSError(result[0], os.strerror(result[0]))

    try:
        connect(connect_now, sock, address)
    except SMTPBlockedError:
        return errno.ECONNREFUSED
    except ConnectionRefusedError as error:
        return error.errno or errno.ECONNREFUSED
    except OSError:
        if not result[0]:
            raise
    return result[0]


def _target_of(sock: socket.socket, address: Any) -> tuple[Target | None, bool]:
    """Return what a connection asks for, None where it is none of ours, and whether by a reserved address."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        return None, False
    if not isinstance(address, tuple) or len(address) < 2 or not isinstance(address[1], int):
        return None, False
    host = host_of(address[0])
    if host is None or is_local(host):
        return None, False
    name = _reserved.name(host)
    return Target(name or host, address[1]), name is not None


def _decided(target: Target) -> tuple[Interception | None, OSError | None]:
    """Return the interception that redirects a connection, or the error that refuses it, or neither."""
    redirecting = interception.current()
    if redirecting is not None and redirecting.covers(target):
        if redirecting.is_of_parent:
            return None, block.error_for(block.Attempt(target, users_place(), *IN_CHILD))
        if redirecting.refuse is not None:
            return None, redirecting.refuse(target)
        return redirecting, None
    blocking = block.current()
    if blocking is not None and blocking.covers(target):
        attempt = blocking.attempt(blocking.noted(target))
        return None, None if blocking.warns else block.error_for(attempt)
    return None, None


def _real(target: Target, address: Any) -> Any:
    """Return an address by name for one that stands for the name: it was resolved for mail, and is not."""
    return (target.host, target.port, *address[2:])


def _redirect(
    redirecting: Interception, target: Target, sock: socket.socket, call: Callable[[Any], None]
) -> None:
    entrance = redirecting.entrance(target)
    if entrance is None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    address: Any = ("127.0.0.1", entrance.port)
    if sock.family == socket.AF_INET6:
        address = ("::ffff:127.0.0.1", entrance.port, 0, 0)
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    port = _bound_port(sock, address[0])
    watching.forget_port(port)
    if isinstance(sock, ssl.SSLSocket):  # it was wrapped before it connects
        watching.note_socket(sock.context, sock)
    entrance.expect(port, target)
    try:
        call(address)
    except BlockingIOError:  # it is under way
        raise
    except BaseException:
        entrance.forget(port)
        raise


def _bound_port(sock: socket.socket, host: str) -> int:
    """Return the local port of a socket, which is bound for this where it was not."""
    port: int = sock.getsockname()[1]
    if not port:
        sock.bind((host, 0))
        port = sock.getsockname()[1]
    return port
