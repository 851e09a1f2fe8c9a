"""Serves the API by uvicorn, in a thread of its own, on a socket that listens before the thread starts."""

from __future__ import annotations

import socket
import threading
from ipaddress import ip_address
from typing import TYPE_CHECKING

import uvicorn

from pytest_smtp4d.http.api import application
from pytest_smtp4d.server.settings import is_loopback

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from pytest_smtp4d.server.serving import Serving

__all__ = ["Service"]

CONNECTIONS = 200
"""Requests that are served at once; others get 503."""

GRACE = 1
"""Seconds that requests in progress have when the service stops."""


class Service:
    """The API of a server, between `with` and its end.

    Args:
        serving: what it reads and steers.
        host: an address of this machine.
        port: 0 for any that is free.

    Raises:
        OSError: the address is not free.
    """

    def __init__(self, serving: Serving, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._stopping = threading.Event()
        app = application(serving, lambda: self._names(serving), self._stopping)
        config = uvicorn.Config(
            app,
            http="h11",  # the other parser that uvicorn may find has no limit on headers
            ws="none",
            loop="asyncio",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=GRACE,
            h11_max_incomplete_event_size=64 << 10,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="smtp4d http", daemon=True)

    @property
    def url(self) -> str:
        """The base URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def _names(self, serving: Serving) -> set[str]:
        names = {"localhost", self.host, *serving.server.settings.names}
        # A socket on every address is on loopback, too.
        everywhere = ip_address(self._socket.getsockname()[0]).is_unspecified
        return names | {"127.0.0.1", "::1"} if everywhere or is_loopback(self.host) else names

    def __enter__(self) -> Self:
        """Begin to serve; connections are queued from now on."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is in progress, and stop."""
        self._stopping.set()
        self._server.should_exit = True
        self._thread.join(GRACE + 3)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])
