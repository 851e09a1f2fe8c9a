"""A server to redirect to, and a resolver that must not be asked."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pytest_smtp4d import SMTPServer
from pytest_smtp4d.intercept.interception import Interception
from pytest_smtp4d.intercept.patch import intercepting

Redirect = Callable[..., Interception]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """No query leaves: the system's resolver takes numbers only, and what else it was asked for is listed."""
    real = socket.getaddrinfo
    queries: list[Any] = []

    def numbers_only(
        host: Any, port: Any, family: int = 0, kind: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        try:
            return real(host, port, family, kind, proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror:
            queries.append(host)
            raise

    monkeypatch.setattr(socket, "getaddrinfo", numbers_only)
    return queries


@pytest.fixture
def redirect(smtp_server: SMTPServer) -> Iterator[Redirect]:
    """Begin to redirect to `smtp_server`, until the test ends; keywords are `Interception`'s."""
    with ExitStack() as stack:

        def begin(**keywords: Any) -> Interception:
            interception = Interception(lambda: smtp_server, **keywords)
            stack.enter_context(intercepting(interception))
            return interception

        yield begin
