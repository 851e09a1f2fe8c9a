"""A server with its API, in this process, and a client of it."""

from __future__ import annotations

import json
import os
import smtplib
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from pytest_smtp4d.http.service import Service
from pytest_smtp4d.server.archive import Archive
from pytest_smtp4d.server.serving import Serving, Voice


class Answer(NamedTuple):
    """What the API answered."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        """The body, as JSON."""
        return json.loads(self.body)


class Api:
    """A server that runs for itself, and requests to its API."""

    def __init__(self, serving: Serving, service: Service) -> None:
        self.serving = serving
        self.url = service.url
        self.port = service.port

    def __call__(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request; a body that is no octets is sent as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, method=method, data=data, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.read(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read(), dict(error.headers))

    def get(self, path: str) -> Any:
        """Return what a route of the API says, as JSON."""
        answer = self("GET", f"/api/v1{path}")
        assert answer.status == 200, answer
        return answer.json

    def send(self, subject: str = "Hello", body: str = "Hi.", to: str = "bob@example.org") -> None:
        """Send a message."""
        head = f"From: Ada <ada@example.com>\r\nTo: Bob <{to}>\r\nSubject: {subject}\r\n\r\n"
        with smtplib.SMTP(*self.serving.server.address, timeout=10) as client:
            client.sendmail("ada@example.com", [to], (head + body + "\r\n").encode())


@pytest.fixture
def api() -> Iterator[Api]:
    """A server without TLS that keeps five messages."""
    with open(os.devnull, "wb") as null:  # noqa: PTH123 - its descriptor is wanted
        voice = Voice("nothing", out=null.fileno(), err=null.fileno())
        serving = Serving(
            {"tls": "none"}, ["NOOP reply='250 2.0.0 From the start'"], voice, archive=Archive(5, 1 << 20)
        )
        try:
            with serving.server, Service(serving, "127.0.0.1", 0) as service:
                yield Api(serving, service)
        finally:
            voice.close()
