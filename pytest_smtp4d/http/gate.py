"""Who may ask, and how much: the checks that every request passes before a route sees it.

RFC 9110 7.2 (Host), RFC 6454 7 (Origin). A page of elsewhere that a developer looks at could send requests to
a server on loopback, or rename itself to it (DNS rebinding). So Host must name this server, and Origin, where
a browser sends one, too. There is no CORS: no other page may read an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["BODY_LIMIT", "Gate"]

BODY_LIMIT = 1 << 20
"""Octets of a request's body."""

_TOO_LARGE = f"a request holds {BODY_LIMIT} octets at most"

_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class Gate:
    """Lets a request pass to an application, or refuses it.

    Args:
        app: what serves the requests that pass.
        names: returns the hosts by which this server may be asked.
    """

    def __init__(self, app: ASGIApp, names: Callable[[], Iterable[str]]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        words = self._refusal(headers)
        if words:
            await _refuse(403, words)(scope, receive, send)
            return
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > BODY_LIMIT:
                raise HTTPException(413, _TOO_LARGE)  # answered by the application
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in _HEADERS if pair[0] not in present),
                ]
            await send(message)

        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or int(length) > BODY_LIMIT:
            await _refuse(413, _TOO_LARGE)(scope, receive, send)
            return
        await self._app(scope, limited, guarded)

    def _refusal(self, headers: dict[bytes, str]) -> str:
        """Return why a request is refused; "" where it is not."""
        known = {name.lower() for name in self._names()}
        host = headers.get(b"host", "")
        if _name_of(f"//{host}") not in known:
            return f"Host {host!r} is not this server: ask for localhost, or serve with --name"
        origin = headers.get(b"origin")
        if origin is not None and _name_of(origin) not in known:
            return f"Origin {origin!r} is not this server"
        return ""


def _name_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _refuse(status: int, words: str) -> JSONResponse:
    return JSONResponse({"error": words}, status, headers={"connection": "close"})
