"""The API: what a program in any language reads of a server and does to it, as JSON over HTTP.

RFC 9110 (status codes), OpenAPI 3.1 (its description), the WHATWG's server-sent events. Every route is a row
of `ROUTES`, which the description is made from. Keys are in camelCase. What takes long (reading mails) runs
in threads, what waits waits in the loop; nothing here holds the SMTP server up.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.action import ACTIONS
from pytest_smtp4d.http.gate import Gate
from pytest_smtp4d.http.page import LivePage
from pytest_smtp4d.http.search import CRITERIA, Search, nearest_of
from pytest_smtp4d.server.archive import Subscription
from pytest_smtp4d.server.documents import (
    camel,
    fresh,
    json_text,
    message_document,
    message_row,
    session_document,
    session_row,
    settings_document,
    snake_names,
)
from pytest_smtp4d.server.settings import NAMES
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping

    from starlette.requests import Request

    from pytest_smtp4d.faults.fault import Fault
    from pytest_smtp4d.server.archive import Archive, KeptMessage
    from pytest_smtp4d.server.documents import Document
    from pytest_smtp4d.server.serving import Serving

__all__ = ["ROUTES", "application"]

PREFIX = "/api/v1"

LONGEST_WAIT = 300.0
"""Seconds that a request may wait for messages."""

PAGE = 100
"""Rows of a list, unless `limit` says otherwise."""

HEARTBEAT = 15.0
"""Seconds after which a stream of events says that it is alive; a reader that vanished is noticed then."""

TICK = 0.25
"""Seconds after which what waits looks whether the service stops."""

_SETTINGS = snake_names(tuple(name for name in NAMES if name not in ("host", "port", "allow_remote")))
_FAULT_WORDS = snake_names(("stage", "match", "times", "after", *ACTIONS))
_NEEDS_PYTHON = frozenset({"replyWith"})
_PAGING = ("limit", "after")


class Row(NamedTuple):
    """A route: its method and path, the name of the method of `Api` that serves it, and what it does."""

    method: str
    path: str
    name: str
    summary: str
    query: tuple[str, ...] = ()
    body: str = ""


ROUTES = (
    Row("GET", "/server", "server", "where the server listens, its settings, and what is kept"),
    Row("GET", "/ca.pem", "ca", "the certificate that clients may trust"),
    Row(
        "GET",
        "/messages",
        "messages",
        "the messages, oldest first, without bodies; with `wait`, once there are at least `count`",
        (*CRITERIA, "wait", "count", *_PAGING),
    ),
    Row("DELETE", "/messages", "delete_messages", "forget messages", tuple(CRITERIA)),
    Row("GET", "/messages/{id}", "message", "a message with bodies, attachments, links and problems"),
    Row("GET", "/messages/{id}/raw", "raw", "the octets of a message"),
    Row("GET", "/messages/{id}/attachments/{n}", "attachment", "the octets of an attachment, counted from 0"),
    Row("GET", "/sessions", "sessions", "the sessions, oldest first", _PAGING),
    Row("GET", "/sessions/{id}", "session", "a session with transcript and violations"),
    Row("GET", "/faults", "faults", "the faults, in the order in which they are asked"),
    Row("POST", "/faults", "add_fault", "declare a fault", body="the keywords of the marker smtp_fault"),
    Row("DELETE", "/faults", "delete_faults", "remove all faults"),
    Row("DELETE", "/faults/{id}", "delete_fault", "remove a fault"),
    Row("PATCH", "/settings", "change_settings", "change settings", body="settings"),
    Row("POST", "/reset", "reset", "be as at the start"),
    Row("POST", "/advance", "advance", "move the clock of greylisting", body='{"seconds": N}'),
    Row("POST", "/check", "check", "judge: 204, or 409 with the problems, each once"),
    Row("GET", "/events", "events", "what happens, as server-sent events"),
    Row("GET", "/openapi.json", "openapi", "this description"),
)


class Json(Response):
    """A document, as JSON."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Return the octets of a document."""
        return json_text(content, compact=True).encode()


def application(
    serving: Serving, names: Callable[[], Iterable[str]], stopping: threading.Event
) -> Callable[..., Awaitable[None]]:
    """Return the ASGI application.

    Args:
        serving: what it reads and steers; it has an archive.
        names: returns the hosts by which it may be asked.
        stopping: set when what waits must end.
    """
    api = Api(serving, stopping)
    routes = [Route(PREFIX + row.path, getattr(api, row.name), methods=[row.method]) for row in ROUTES]
    routes += [Route("/", api.page), Route("/data", api.data)]
    handlers: Any = {HTTPException: _refused, SettingsError: _impossible, Exception: _failed}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False  # `DELETE /messages/`, where an id was forgotten, must not mean all
    return Gate(app, names)


async def _refused(_: Request, error: HTTPException) -> Response:
    return Json({"error": error.detail}, error.status_code, headers=error.headers)


async def _impossible(_: Request, error: Exception) -> Response:
    return Json({"error": str(error)}, 422)


async def _failed(_: Request, error: Exception) -> Response:
    return Json({"error": f"{type(error).__name__}: {error}"}, 500)


class Api:
    """What each route does.

    Args:
        serving: what it reads and steers.
        stopping: set when what waits must end.
    """

    def __init__(self, serving: Serving, stopping: threading.Event) -> None:
        assert serving.archive is not None
        self._serving = serving
        self._archive: Archive = serving.archive
        self._stopping = stopping
        self._page = LivePage(serving)
        self._faults: dict[int, Fault] = {}
        self._last_fault = 0

    # -- the page -------------------------------------------------------------------------------------------

    async def page(self, _: Request) -> Response:
        """Return the live page."""
        return HTMLResponse(await run_in_threadpool(self._page.html))

    async def data(self, _: Request) -> Response:
        """Return what the live page shows."""
        return Response(await run_in_threadpool(self._page.data), media_type="application/json")

    # -- the server -----------------------------------------------------------------------------------------

    async def server(self, _: Request) -> Response:
        """Return what the server is."""
        server, archive = self._serving.server, self._archive
        return Json(
            {
                "host": server.host,
                "port": server.port,
                "url": server.url,
                "settings": settings_document(server.settings, _SETTINGS),
                "messages": len(archive.messages()),
                "octets": archive.size,
                "trimmed": archive.trimmed,
                "lostOutput": self._serving.voice.lost,
            }
        )

    async def ca(self, _: Request) -> Response:
        """Return the authority's certificate."""
        from pytest_smtp4d.server.certificates import authority

        return Response(authority().pem, media_type="application/x-pem-file")

    async def change_settings(self, request: Request) -> Response:
        """Change settings for sessions that begin afterwards."""
        changes: dict[str, Any] = {
            _known(name, _SETTINGS): tuple(value) if isinstance(value, list) else value
            for name, value in (await _body(request)).items()
        }
        self._serving.server.configure(**changes)
        return Json(settings_document(self._serving.server.settings, _SETTINGS))

    async def reset(self, _: Request) -> Response:
        """Be as at the start."""
        await run_in_threadpool(self._serving.reset)
        self._forget_faults()
        return Response(status_code=204)

    async def advance(self, request: Request) -> Response:
        """Move the clock of greylisting."""
        body = await _body(request)
        seconds = body.get("seconds")
        if set(body) != {"seconds"} or isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise SettingsError('it is {"seconds": a number}')
        if not 0 <= seconds < float("inf"):
            raise SettingsError(f"the clock goes forward only, not by {seconds} s")
        self._serving.server.advance(seconds)
        return Response(status_code=204)

    async def check(self, _: Request) -> Response:
        """Judge."""
        problems = await run_in_threadpool(self._serving.problems)
        if problems:
            return Json({"error": "problems", "problems": problems}, 409)
        return Response(status_code=204)

    # -- messages -------------------------------------------------------------------------------------------

    async def messages(self, request: Request) -> Response:
        """Return the messages that match, or wait for them."""
        query = request.query_params
        search = Search.of(query.multi_items(), ("wait", "count", *_PAGING))
        wait = _number(query, "wait", 0.0, LONGEST_WAIT)
        count = _whole(query, "count", 1, 1)
        limit, after = _whole(query, "limit", PAGE, 1), _whole(query, "after", 0, 0)
        found = await self._found(search, after, count if "wait" in query else 0, wait, request)
        if "wait" in query and len(found) < count:
            others = [(kept.number, fresh(kept.message)) for kept in self._archive.messages(after)]
            document = await run_in_threadpool(nearest_of, search, others)
            words = {"error": "noMatch", "found": len(found), "count": count, "nearest": document}
            return Json(words, 404)

        def rows() -> list[Document]:
            return [message_row(kept.number, kept.session, fresh(kept.message)) for kept in found[:limit]]

        return Json(await run_in_threadpool(rows))

    async def _found(
        self, search: Search, after: int, count: int, seconds: float, request: Request
    ) -> list[KeptMessage]:
        """Return what matches, as soon as it is enough or the time is up; each message is read once."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        found: dict[int, KeptMessage] = {}
        seen = after
        with self._changes() as (changed, subscription):
            while True:
                arrived = self._archive.messages(seen)
                seen = max((kept.number for kept in arrived), default=seen)
                matching = await run_in_threadpool(_matching, search, arrived)
                found.update((kept.number, kept) for kept in matching)
                found = {number: kept for number, kept in found.items() if self._archive.message(number)}
                left = deadline - loop.time()
                if len(found) >= count or left <= 0 or self._stopping.is_set():
                    return list(found.values())
                try:
                    await asyncio.wait_for(changed.wait(), min(left, TICK))
                except asyncio.TimeoutError:
                    if await request.is_disconnected():
                        return list(found.values())
                changed.clear()
                subscription.take()

    @contextmanager
    def _changes(self) -> Iterator[tuple[asyncio.Event, Subscription]]:
        """Wake an event of this loop at every change of the archive."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)

        subscription = Subscription(wake)
        self._archive.subscribe(subscription)
        try:
            yield changed, subscription
        finally:
            self._archive.unsubscribe(subscription)

    async def delete_messages(self, request: Request) -> Response:
        """Forget messages."""
        search = Search.of(request.query_params.multi_items())
        matching = await run_in_threadpool(_matching, search, self._archive.messages())
        deleted = self._archive.delete([kept.number for kept in matching])
        return Json({"deleted": deleted})

    async def message(self, request: Request) -> Response:
        """Return a message."""
        kept = self._kept(request)
        document = await run_in_threadpool(message_document, kept.number, kept.session, kept.message)
        return Json(document)

    async def raw(self, request: Request) -> Response:
        """Return the octets of a message, which no browser shows."""
        kept = self._kept(request)
        return _download(kept.message.content, "message/rfc822", f"{kept.number}.eml")

    async def attachment(self, request: Request) -> Response:
        """Return the octets of an attachment, which no browser shows."""
        kept, place = self._kept(request), _id(request, "n")
        attachments = await run_in_threadpool(lambda: fresh(kept.message).attachments)
        if place >= len(attachments):
            raise HTTPException(404, f"message {kept.number} has {len(attachments)} attachments")
        chosen = attachments[place]
        octets = await run_in_threadpool(chosen.get_content)
        return _download(octets, "application/octet-stream", chosen.name or f"attachment-{place}")

    def _kept(self, request: Request) -> KeptMessage:
        number = _id(request, "id")
        kept = self._archive.message(number)
        if kept is None:
            raise HTTPException(404, f"there is no message {number}: it was never here, or it has left")
        return kept

    # -- sessions -------------------------------------------------------------------------------------------

    async def sessions(self, request: Request) -> Response:
        """Return the sessions."""
        query = request.query_params
        for name in query:
            if name not in _PAGING:
                raise SettingsError(f"there is no {name!r}{nearest(name, _PAGING)}")
        limit, after = _whole(query, "limit", PAGE, 1), _whole(query, "after", 0, 0)
        found = [kept for kept in self._archive.sessions() if kept.story.number > after][:limit]
        return Json([session_row(kept.session, kept.story) for kept in found])

    async def session(self, request: Request) -> Response:
        """Return a session."""
        number = _id(request, "id")
        kept = self._archive.session(number)
        if kept is None:
            raise HTTPException(404, f"there is no session {number}: it was never here, or it has left")
        return Json(await run_in_threadpool(session_document, kept.session, kept.story))

    # -- faults ---------------------------------------------------------------------------------------------

    async def faults(self, _: Request) -> Response:
        """Return the faults."""
        return Json([self._fault(fault) for fault in self._serving.server._rules.faults])

    async def add_fault(self, request: Request) -> Response:
        """Declare a fault."""
        body = await _body(request)
        for name in body:
            if name in _NEEDS_PYTHON:
                raise SettingsError(f"{name} needs a function, which JSON cannot say")
        words = {_known(name, _FAULT_WORDS): _value(name, value) for name, value in body.items()}
        if "stage" not in words:
            raise SettingsError("a fault needs a stage")
        stage, match = words.pop("stage"), words.pop("match", None)
        try:
            fault = self._serving.server._rules.declare(stage, match, origin="the API", **words)
        except TypeError as error:
            raise SettingsError(f"no fault: {error}") from None
        self._archive.publish(("faults", self._number(fault)))
        return Json(self._fault(fault), 201)

    async def delete_faults(self, _: Request) -> Response:
        """Remove all faults."""
        rules = self._serving.server._rules
        for fault in rules.faults:
            rules.remove(fault)
        self._forget_faults()
        self._archive.publish(("faults", 0))
        return Response(status_code=204)

    async def delete_fault(self, request: Request) -> Response:
        """Remove a fault."""
        number = _id(request, "id")
        fault = self._faults.pop(number, None)
        if fault is None or fault not in self._serving.server._rules.faults:
            raise HTTPException(404, f"there is no fault {number}")
        self._serving.server._rules.remove(fault)
        self._archive.publish(("faults", number))
        return Response(status_code=204)

    def _forget_faults(self) -> None:
        """Forget the ids of faults that are gone; one that another client declared just now keeps its own."""
        declared = self._serving.server._rules.faults
        self._faults = {
            number: fault for number, fault in self._faults.items() if any(fault is one for one in declared)
        }

    def _number(self, fault: Fault) -> int:
        for number, known in self._faults.items():
            if known is fault:
                return number
        self._last_fault += 1
        self._faults[self._last_fault] = fault
        return self._last_fault

    def _fault(self, fault: Fault) -> Document:
        match = fault.match
        return {
            "id": self._number(fault),
            "stage": fault.stage,
            "match": match if match is None or isinstance(match, str) else repr(match),
            "times": fault.times,
            "after": fault.after,
            "hits": fault.hits,
            "words": str(fault),
        }

    # -- events and description -----------------------------------------------------------------------------

    async def events(self, request: Request) -> Response:
        """Stream what happens; what a slow reader does not take is lost, and counted."""
        return StreamingResponse(self._stream(request), media_type="text/event-stream")

    async def _stream(self, request: Request) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        with self._changes() as (changed, subscription):
            yield "retry: 1000\n\n"
            said = loop.time()
            while not self._stopping.is_set():
                try:
                    await asyncio.wait_for(changed.wait(), TICK)
                except asyncio.TimeoutError:
                    if await request.is_disconnected():
                        return
                    if loop.time() - said > HEARTBEAT:
                        said = loop.time()
                        yield ":\n\n"
                    continue
                changed.clear()
                changes, lost = subscription.take()
                said = loop.time()
                if lost:
                    yield _event("lost", {"count": lost})
                for kind, number in changes:
                    yield _event(kind, {"id": number} if number else {})

    async def openapi(self, _: Request) -> Response:
        """Return the description."""
        return Json(description())


def description() -> Document:
    """Return the OpenAPI document of the API."""
    paths: Document = {}
    for row in ROUTES:
        inside = [part[1:-1] for part in row.path.split("/") if part.startswith("{")]
        operation: Document = {
            "operationId": camel(row.name),
            "summary": row.summary,
            "parameters": [_parameter(name, "path") for name in inside]
            + [_parameter(name, "query") for name in row.query],
            "responses": {"default": {"description": "JSON; a refusal has `error`, in words"}},
        }
        if row.body:
            content = {"application/json": {"schema": {"type": "object"}}}
            operation["requestBody"] = {"required": True, "description": row.body, "content": content}
        paths.setdefault(PREFIX + row.path, {})[row.method.lower()] = operation
    return {"openapi": "3.1.0", "info": {"title": "pytest-smtp4d serve", "version": "1"}, "paths": paths}


def _parameter(name: str, place: str) -> Document:
    kind = "integer" if name in ("id", "n", "count", *_PAGING) else "number" if name == "wait" else "string"
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": kind}}


def _event(kind: str, document: Document) -> str:
    return f"event: {kind}\ndata: {json.dumps(document)}\n\n"


def _matching(search: Search, arrived: list[KeptMessage]) -> list[KeptMessage]:
    return [kept for kept in arrived if not search.criteria or search.accepts(fresh(kept.message))]


def _download(octets: bytes, kind: str, name: str) -> Response:
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return Response(octets, media_type=kind, headers={"content-disposition": disposition})


async def _body(request: Request) -> Document:
    try:
        body = json.loads(await request.body(), parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise SettingsError("the body is a JSON object")
    return body


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text} is not a number that JSON knows")
    return value


def _known(name: str, names: Mapping[str, str]) -> str:
    if name not in names:
        raise SettingsError(f"there is no {name!r}{nearest(name, tuple(names))}")
    return names[name]


def _value(name: str, value: Any) -> Any:
    """Return a value of a fault as its keyword takes it."""
    if name == "send":
        try:
            return value.encode("latin-1")
        except (AttributeError, UnicodeEncodeError):
            raise SettingsError("send is a text of which each character is one octet") from None
    if name == "reply" and isinstance(value, list):
        return tuple(value)
    if name == "replies" and isinstance(value, list):
        return [tuple(one) if isinstance(one, list) else one for one in value]
    if isinstance(value, dict):
        return {"after_octets" if key == "afterOctets" else key: one for key, one in value.items()}
    return value


def _id(request: Request, name: str) -> int:
    text = request.path_params[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise HTTPException(404, f"{name} is a whole number, not {text!r}")
    return int(text)


def _whole(query: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) >= least):
        raise SettingsError(f"{name} is a whole number, {least} or more, not {text!r}")
    return int(text)


def _number(query: Mapping[str, str], name: str, default: float, most: float) -> float:
    text = query.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise SettingsError(f"{name} is a number of seconds from 0 to {most:g}, not {text!r}")
    return value
