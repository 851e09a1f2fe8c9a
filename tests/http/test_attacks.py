"""What no client of the API, and nobody who reads or kills the server, may break."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import NamedTuple

import pytest

from pytest_smtp4d.http.api import ROUTES, Row
from tests.http.conftest import Answer, Api

V1 = "/api/v1"

HOSTILE = (
    "-1",
    "0",
    "9" * 30,
    "9" * 5000,
    "1e9",
    "nan",
    "inf",
    "%00",
    "%FF",
    "%ED%A0%80",
    "%D9%A1",
    "..%2F..%2Fetc%2Fpasswd",
    "%0d%0aSet-Cookie:x",
    "%3Cscript%3E",
)
"""Values of a parameter that are nothing good, as they stand in a URL."""

BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"5",
    b"{}",
    b'{"\\ud800": 1}',
    b'{"stage": "\\ud800", "silence": true}',
    b'{"stage": "RCPT", "match": "\\ud800", "silence": true}',
    b'{"stage": "RCPT", "delay": NaN}',
    b'{"stage": "RCPT", "delay": 1e999}',
    b'{"stage": "RCPT", "times": 1e999, "silence": true}',
    b'{"stage": "RCPT", "reply": [550, "a\\r\\nb"]}',
    b'{"stage": ["RCPT"], "silence": {"a": []}}',
    b'{"greylist": NaN}',
    b'{"greylist": 1e999}',
    b'{"greylist": -1}',
    b'{"sizeLimit": true}',
    b'{"names": [["a"]]}',
    b'{"names": "\\ud800"}',
    b'{"users": {"me": 5}}',
    b'{"users": [[]]}',
    b'{"tokens": {"\\ud800": "x"}}',
    b'{"extensions": {"SIZE": 1}}',
    b'{"tls": null}',
    b'{"seconds": NaN}',
    b'{"seconds": 1e999}',
    b'{"seconds": 1e308}',
    b'{"seconds": ' + b"9" * 5000 + b"}",
    b'{"seconds": {}}',
    b'{"a":' * 50_000,
)
"""Bodies that are nothing good."""


class Try(NamedTuple):
    """A request that somebody may send."""

    method: str
    path: str
    body: bytes | None = None


def tries(row: Row) -> Iterator[Try]:
    """Yield requests to a route: good, empty, unknown and hostile ones."""
    bodies = BODIES if row.body else (None, b"", b"{", b"x" * 1000)
    names = [part for part in row.path.split("/") if part.startswith("{")]
    for value in ("1", "", "77", *HOSTILE) if names else ("",):
        path = row.path
        for name in names:
            path = path.replace(name, value)
        yield Try(row.method, V1 + path)
    path = row.path.replace("{id}", "1").replace("{n}", "0")
    for name in (*row.query, "unknown"):
        for value in ("1", "", *HOSTILE):
            yield Try(row.method, f"{V1}{path}?{name}={value}")
            yield Try(row.method, f"{V1}{path}?{name}={value}&{name}={value}")
    for body in bodies:
        yield Try(row.method, V1 + path, body)


def raw_request(api: Api, octets: bytes) -> bytes:
    """Send octets and return what is answered, to the end of the connection."""
    with socket.create_connection(("127.0.0.1", api.port), 20) as client:
        client.settimeout(20)
        answer = b""
        with suppress(OSError):  # it was refused before it was all there
            client.sendall(octets)
        with suppress(OSError):
            while chunk := client.recv(65536):
                answer += chunk
        return answer


def stream(api: Api, path: str = "/events") -> socket.socket:
    """Open a request that waits, and read the beginning of a stream of events."""
    client = socket.create_connection(("127.0.0.1", api.port), 20)
    client.sendall(f"GET {V1}{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    if path == "/events":
        seen = b""
        while b"retry:" not in seen:
            seen += client.recv(4096)
    return client


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: f"{row.method} {row.path}")
def test_no_input_of_a_route_is_an_error_of_the_server(api: Api, row: Row) -> None:
    """Each is answered by success or by a refusal in words, and the server goes on."""
    for number in range(2):
        api.send(f"Mail {number}")
    for attempt in tries(row):
        if row.path == "/events" or "wait=1" in attempt.path:
            continue
        answer = api(*attempt)
        assert answer.status < 500, (attempt, answer)
        assert answer.status // 100 != 3, (attempt, answer)
        if answer.status >= 400:
            assert answer.json["error"], attempt
        json.dumps(api.get("/server"), allow_nan=False)
        api.get("/faults")
    api("POST", f"{V1}/reset")
    api.send("after all")
    assert [one["subject"] for one in api.get("/messages")][-1:] == ["after all"]


@pytest.mark.parametrize("path", ["/messages/", "/faults/"])
def test_an_empty_id_does_not_mean_all(api: Api, path: str) -> None:
    """A client that forgot the id deletes nothing."""
    api.send()
    assert api("DELETE", V1 + path).status == 404
    assert len(api.get("/messages")) == 1
    assert len(api.get("/faults")) == 1


def test_octets_of_a_mail_that_are_no_text_are_told(api: Api) -> None:
    """An envelope and a header that are not UTF-8 break neither list nor message nor session nor page."""
    with socket.create_connection(api.serving.server.address, 10) as client:
        replies = client.makefile("rb")
        for line in (
            b"EHLO \xff\xfe",
            b"MAIL FROM:<\xff@example.com>",
            b"MAIL FROM:<a@example.com>",
            b"RCPT TO:<\xed\xa0\x80@example.org>",
            b"RCPT TO:<b@example.org>",
            b"DATA",
        ):
            client.sendall(line + b"\r\n")
        while not replies.readline().startswith(b"354"):
            pass
        head = b"Subject: \xff\xed\xa0\x80 =?utf-8?q?=ED=A0=80?=\r\nFrom: \xff <\xff@x>\r\n"
        client.sendall(head + b"\r\n\xff\r\n.\r\nQUIT\r\n")
        replies.read()
        replies.close()
    (row,) = api.get("/messages")
    assert api.get(f"/messages/{row['id']}")["id"] == row["id"]
    assert api.get(f"/sessions/{row['session']}")["transcript"]
    assert api("GET", "/data").status == api("GET", "/").status == 200


def test_two_clients_and_a_reader_at_once(api: Api) -> None:
    """Whatever they do to the same messages, faults and settings, nobody gets a 500, and mail arrives."""
    begun = threading.Barrier(4)

    def send() -> list[Answer]:
        begun.wait(20)
        for number in range(20):
            api.send(f"Mail {number}")
        return []

    def steer() -> list[Answer]:
        begun.wait(20)
        answers = []
        for _ in range(10):
            made = api("POST", f"{V1}/faults", {"stage": "NOOP", "reply": [250, "2.0.0 OK"]})
            answers += [made, api("DELETE", f"{V1}/faults/{made.json['id']}")]
            answers += [
                api("PATCH", f"{V1}/settings", {"recipientLimit": 5}),
                api("DELETE", f"{V1}/messages"),
            ]
            answers += [api("POST", f"{V1}/check"), api("POST", f"{V1}/reset")]
        return answers

    def read() -> list[Answer]:
        begun.wait(20)
        paths = [row.path.replace("{id}", "1").replace("{n}", "0") for row in ROUTES if row.method == "GET"]
        quick = [path for path in paths if path != "/events"]
        return [api("GET", V1 + path) for path in itertools.chain(*[quick] * 5)]

    with ThreadPoolExecutor(4) as pool:
        works = [pool.submit(work) for work in (send, steer, steer, read)]
        answers = [answer for work in works for answer in work.result(120)]
    assert not [answer for answer in answers if answer.status >= 500]
    api.send("after all")
    assert api.get("/messages")[-1]["subject"] == "after all"


def test_a_reset_leaves_ids_of_other_faults_alone(api: Api) -> None:
    """An id that a client holds names the same fault for as long as it is declared."""
    first = api.get("/faults")[0]["id"]
    made = api("POST", f"{V1}/faults", {"stage": "RCPT", "silence": True}).json["id"]
    api("DELETE", f"{V1}/faults/{first}")
    assert [fault["id"] for fault in api.get("/faults")] == [made]


@pytest.mark.parametrize("headers", ["Host: evil.example", "Host: localhost\r\nOrigin: http://evil.example"])
def test_no_route_answers_another_page(api: Api, headers: str) -> None:
    """403 for every method and path, before anything is done."""
    api.send()
    routes = [(row.method, V1 + row.path.replace("{id}", "1").replace("{n}", "0")) for row in ROUTES]
    for method, path in [*routes, ("GET", "/"), ("GET", "/data")]:
        answer = raw_request(api, f"{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
        assert b" 403 " in answer.partition(b"\r\n")[0], (method, path)
        assert b"access-control" not in answer.lower()
    assert len(api.get("/messages")) == 1
    assert len(api.get("/faults")) == 1


@pytest.mark.parametrize(
    ("head", "chunk", "status"),
    [
        (
            "POST /api/v1/faults HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n",
            b"x",
            b"413",
        ),
        ("GET /api/v1/server HTTP/1.1\r\nHost: localhost\r\nX: ", b"x", b"400"),
        ("GET /api/v1/messages?subject=", b"x", b"400"),
        ("GET /api/v1/server HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n", b"400"),
    ],
    ids=["body", "header", "url", "headers"],
)
def test_a_request_of_100_mb_is_refused_early(api: Api, head: str, chunk: bytes, status: bytes) -> None:
    """The connection is closed long before it has been sent."""
    block = chunk * (65536 // len(chunk))
    sent = 0
    with socket.create_connection(("127.0.0.1", api.port), 20) as client:
        client.sendall(head.encode())
        with suppress(OSError):  # it is closed
            while sent < 100_000_000:
                client.sendall(block)
                sent += len(block)
    assert sent < 100_000_000 // 4
    assert status in raw_request(api, head.encode() + block * 2).partition(b"\r\n")[0]
    assert api.get("/messages") == []


def test_a_slow_reader_of_events_holds_nobody_up(api: Api) -> None:
    """It is not waited for; another one sees all that happens."""
    with ExitStack() as stack:
        slow = [stack.enter_context(stream(api)) for _ in range(5)]
        reader = stack.enter_context(stream(api))
        for number in range(50):
            api.send(f"Mail {number}")
        seen = b""
        while seen.count(b"event: message") < 50:
            seen += reader.recv(65536)
        assert len(slow) == 5
    assert len(api.get("/messages")) == 5


@pytest.mark.parametrize("path", ["/events", "/messages?wait=300"])
def test_readers_that_vanish_are_forgotten(api: Api, path: str) -> None:
    """However many came and went without a word, nobody is kept waiting for them."""
    for _ in range(30):
        client = stream(api, path)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    subscriptions = api.serving.archive._subscriptions if api.serving.archive else {None}
    while subscriptions:
        api.get("/server")
    api.send()
    assert len(api.get("/messages?wait=5")) == 1
