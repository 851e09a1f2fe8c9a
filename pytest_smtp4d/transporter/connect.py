"""Connecting: a host and a port become a connected socket, or a problem that says why not.

RFC 5321 5.1 (try the addresses in turn), RFC 8305 4 (families in turn), RFC 5890 (names as A-labels).
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import Cause, MailError, Problem
from pytest_smtp4d.mail.mailbox import ascii_domain
from pytest_smtp4d.transporter.waiting import DeadlineOver, Ready, Resolve

if TYPE_CHECKING:
    from pytest_smtp4d.transporter.waiting import Address, Deadline, Work

__all__ = ["Connecting"]

_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK)


class Connecting:
    """An attempt to reach one host. It keeps the socket that it tries, so that an interrupt loses none.

    Args:
        host: a name or an address.
        port: 1 to 65535.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._where = f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"
        self._socket: socket.socket | None = None
        self._ready: Ready | None = None

    def close(self) -> None:
        """Close the socket that is being tried; it may be the connected one."""
        if self._ready is not None:
            self._ready.close()
        elif self._socket is not None:
            self._socket.close()

    def connect(self, deadline: Deadline) -> Work[Ready]:
        """Resolve the name and connect to the first of its addresses that answers.

        Each address has an equal share of the time that is left, so that one that is silent does not keep the
        next from being tried.

        Raises:
            Problem: the name is unknown, or no address took the connection before the deadline.
        """
        found = yield from self._addresses(deadline)
        problem: Problem | None = None
        for at, address in enumerate(found):
            share = deadline.share(len(found) - at)
            try:
                return (yield from self._attempt(address, share))
            except DeadlineOver:
                problem = problem or Problem(
                    Cause.CONNECT_TIMED_OUT, f"{self._where} did not answer, {deadline}", "CONNECT"
                )
            except OSError as error:
                if error.errno is None:  # not the system's: what a signal handler raised
                    raise
                problem = problem or self._problem(error)
            self.close()
        raise problem or Problem(Cause.NAME_RESOLUTION, f"{self._host!r} has no address", "CONNECT")

    def _addresses(self, deadline: Deadline) -> Work[list[Address]]:
        try:
            name = ascii_domain(self._host)
            found: list[Address] = yield Resolve(name, self._port, deadline)
        except DeadlineOver:
            raise Problem(
                Cause.NAME_RESOLUTION, f"looking {self._host!r} up took too long, {deadline}", "CONNECT"
            ) from None
        except (OSError, UnicodeError, MailError) as error:
            if isinstance(error, OSError) and error.errno is None:
                raise
            reason = getattr(error, "strerror", None) or str(error)
            raise Problem(
                Cause.NAME_RESOLUTION, f"{self._host!r} is not known ({reason})", "CONNECT"
            ) from error
        return found

    def _attempt(self, address: Address, deadline: Deadline) -> Work[Ready]:
        family, where = address
        self._ready = None
        self._socket = sock = socket.socket(family, socket.SOCK_STREAM)
        self._ready = ready = Ready(sock)
        sock.setblocking(False)
        # A command must not wait for the acknowledgement of the one before (Nagle).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(where)
        while code in _UNDER_WAY:
            yield ready.until(deadline, write=True)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        return ready

    def _problem(self, error: OSError) -> Problem:
        if isinstance(error, ConnectionRefusedError):
            return Problem(Cause.CONNECTION_REFUSED, f"{self._where} refused the connection", "CONNECT")
        if error.errno in _UNREACHABLE:
            return Problem(
                Cause.UNREACHABLE, f"{self._where} cannot be reached ({error.strerror})", "CONNECT"
            )
        if error.errno == errno.ETIMEDOUT:
            return Problem(Cause.CONNECT_TIMED_OUT, f"{self._where} did not answer", "CONNECT")
        return Problem(
            Cause.NETWORK_ERROR,
            f"connecting to {self._where} failed ({error.strerror or error})",
            "CONNECT",
        )
