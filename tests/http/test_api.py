"""Every route of the API, asked as a program in any language asks it."""

from __future__ import annotations

import smtplib
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d.http.api import ROUTES

if TYPE_CHECKING:
    from tests.http.conftest import Api

V1 = "/api/v1"


def test_the_server_says_what_it_is(api: Api) -> None:
    """Where it listens and its settings, by their names in JSON, without a secret."""
    api.serving.server.configure(users={"me": "hunter2"}, require_auth=False)
    answer = api.get("/server")
    assert (answer["host"], answer["port"]) == api.serving.server.address
    assert answer["settings"]["users"] == ["me"]
    assert answer["settings"]["requireTls"] is False
    assert b"hunter2" not in api("GET", f"{V1}/server").body


def test_the_certificate_is_served(api: Api) -> None:
    """What a client of any language may trust."""
    answer = api("GET", f"{V1}/ca.pem")
    assert answer.body.startswith(b"-----BEGIN CERTIFICATE-----")


def test_a_list_has_no_bodies_and_is_paged(api: Api) -> None:
    """Oldest first, so many at once, those after an id."""
    for number in range(3):
        api.send(f"Mail {number}")
    rows = api.get("/messages")
    assert [row["subject"] for row in rows] == ["Mail 0", "Mail 1", "Mail 2"]
    assert not {"text", "html", "content"} & rows[0].keys()
    assert [row["subject"] for row in api.get(f"/messages?limit=1&after={rows[0]['id']}")] == ["Mail 1"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("subject=inv", ["Invoice"]),
        ("subject=INVOICE", ["Invoice"]),
        ("from=ada", ["Invoice", "Hello"]),
        ("to=eve", ["Hello"]),
        ("rcptTo=bob%40", ["Invoice"]),
        ("text=forty", ["Invoice"]),
        ("text=forty&subject=hello", []),
    ],
)
def test_criteria_search_a_part(api: Api, query: str, found: list[str]) -> None:
    """Whatever the case; all of them must be found."""
    api.send("Invoice", "forty-two")
    api.send("Hello", to="eve@example.net")
    assert [row["subject"] for row in api.get(f"/messages?{query}")] == found


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("subjcet=x", "did you mean 'subject'"),
        ("subject=", "subject is empty"),
        ("wait=301", "from 0 to 300"),
        ("wait=nan", "from 0 to 300"),
        ("count=0", "1 or more"),
        ("limit=x", "a whole number"),
    ],
)
def test_a_query_that_cannot_be_is_refused(api: Api, query: str, words: str) -> None:
    """With the value and the way out; nothing is deleted by a slip."""
    api.send()
    for method in ("GET", "DELETE"):
        answer = api(method, f"{V1}/messages?{query}")
        assert answer.status == 422
        assert method == "DELETE" or words in answer.json["error"]
    assert len(api.get("/messages")) == 1


def test_a_wait_ends_when_the_mail_comes(api: Api) -> None:
    """The request that waits is answered by the mail that comes meanwhile."""
    sender = threading.Timer(0.05, api.send)
    sender.start()
    assert [row["subject"] for row in api.get("/messages?subject=hello&wait=20")] == ["Hello"]
    sender.join()


def test_a_wait_in_vain_names_the_nearest(api: Api) -> None:
    """404, for HTTP clients repeat a 408, with how the nearest message compares."""
    api.send("Hello")
    answer = api("GET", f"{V1}/messages?subject=goodbye&to=bob&wait=0.1")
    assert (answer.status, answer.json["error"]) == (404, "noMatch")
    assert answer.json["nearest"]["criteria"] == [
        {"name": "subject", "expected": "goodbye", "received": "Hello", "agrees": False},
        {"name": "to", "expected": "bob", "received": "bob@example.org", "agrees": True},
    ]


def test_a_message_is_told_whole(api: Api) -> None:
    """Bodies, attachments, links, problems, the octets as they came; no browser would show any of it."""
    attached = "Content-Type: text/html\r\nContent-Disposition: attachment; filename=a.html"
    body = f"--b\r\n\r\nText\r\n--b\r\n{attached}\r\n\r\n<script>\r\n--b--"
    head = 'From: a@example.com\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    with smtplib.SMTP(*api.serving.server.address, timeout=10) as client:
        client.sendmail("a@example.com", ["b@example.org"], head + body)
    (row,) = api.get("/messages")
    message = api.get(f"/messages/{row['id']}")
    assert message["text"] == "Text"
    assert [(one["id"], one["name"]) for one in message["attachments"]] == [(0, "a.html")]
    assert "missing-field" in {problem["name"] for problem in message["problems"]}
    raw = api("GET", f"{V1}/messages/{row['id']}/raw")
    assert raw.body == (head + body + "\r\n").encode()
    attachment = api("GET", f"{V1}/messages/{row['id']}/attachments/0")
    assert attachment.body == b"<script>"
    for answer in (raw, attachment):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert answer.headers["content-type"] in ("message/rfc822", "application/octet-stream")


@pytest.mark.parametrize(
    "path", ["/messages/77", "/messages/x", "/sessions/77", "/nothing", "/messages/-1/raw"]
)
def test_what_is_not_there_is_404(api: Api, path: str) -> None:
    """In JSON, like every refusal."""
    answer = api("GET", V1 + path)
    assert answer.status == 404
    assert answer.json["error"]


def test_messages_are_deleted_by_criteria(api: Api) -> None:
    """Those that match, or all."""
    for subject in ("one", "two", "three"):
        api.send(subject)
    assert api("DELETE", f"{V1}/messages?subject=t").json == {"deleted": 2}
    assert [row["subject"] for row in api.get("/messages")] == ["one"]
    assert api("DELETE", f"{V1}/messages").json == {"deleted": 1}


def test_the_oldest_messages_leave_first(api: Api) -> None:
    """What is kept is bounded, and what left is counted."""
    for number in range(7):
        api.send(str(number))
    assert [row["subject"] for row in api.get("/messages")] == ["2", "3", "4", "5", "6"]
    assert api.get("/server")["trimmed"] == 2


def test_a_session_has_transcript_and_violations(api: Api) -> None:
    """As a test sees them."""
    client = smtplib.SMTP(*api.serving.server.address, timeout=10)
    client.noop()
    client.close()
    while (row := api.get("/sessions")[0])["ended"] is None:
        pass
    session = api.get(f"/sessions/{row['id']}")
    assert "C: noop\nS: 250 2.0.0 From the start" in session["transcript"]
    assert [violation["name"] for violation in session["violations"]] == row["violations"] == ["no-quit"]


def test_a_fault_lives_and_dies(api: Api) -> None:
    """Declared at run time, hit by a client, seen with its hits, removed; those of the start stay."""
    answer = api("POST", f"{V1}/faults", {"stage": "RCPT", "match": "eve@*", "reply": [550, "5.1.1 No"]})
    assert answer.status == 201
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        api.send(to="eve@example.net")
    hits = {fault["stage"]: fault["hits"] for fault in api.get("/faults")}
    assert hits == {"NOOP": 0, "RCPT": 1}
    assert api("DELETE", f"{V1}/faults/{answer.json['id']}").status == 204
    assert [fault["stage"] for fault in api.get("/faults")] == ["NOOP"]
    assert api("DELETE", f"{V1}/faults/{answer.json['id']}").status == 404
    assert api("DELETE", f"{V1}/faults").status == 204
    assert api.get("/faults") == []


@pytest.mark.parametrize(
    "fault",
    [
        {"stage": "RCPT", "reply": [451, "Later"], "times": 1, "after": 1},
        {"stage": "RCPT", "replies": [[451, "Later"], "ok"]},
        {"stage": "CONTENT", "disconnect": {"afterOctets": 10}},
        {"stage": "EHLO", "send": "250 \u00ff\r\n"},
        {"stage": "EHLO", "trickle": 5, "delay": 0.1},
        {"stage": "QUIT", "silence": True},
        {"stage": "RCPT", "passThrough": True},
    ],
)
def test_every_action_can_be_said_in_json(api: Api, fault: dict[str, Any]) -> None:
    """The keywords of the marker, in camelCase."""
    answer = api("POST", f"{V1}/faults", fault)
    assert answer.status == 201, answer.json


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"reply": [451, "x"]}, "a fault needs a stage"),
        ({"stage": "RPCT", "silence": True}, "did you mean 'RCPT'"),
        ({"stage": "RCPT", "silense": True}, "did you mean 'silence'"),
        ({"stage": "RCPT", "replyWith": "x"}, "needs a function"),
        ({"stage": "RCPT", "reply": [999, "x"]}, "999"),
        ({"stage": "RCPT", "reply": {"code": 5}}, ""),
        ({"stage": "EHLO", "send": "\u20ac"}, "each character is one octet"),
        ({"stage": "EHLO", "send": 5}, "each character is one octet"),
        ({"stage": "CONTENT", "disconnect": {"afterOctets": -1}}, ""),
        ({"stage": 5, "silence": True}, ""),
        ({"stage": "RCPT", "match": 5, "silence": True}, ""),
        ([], "a JSON object"),
    ],
)
def test_a_fault_that_cannot_be_is_422(api: Api, fault: object, words: str) -> None:
    """With the value and the way out, and nothing is declared."""
    answer = api("POST", f"{V1}/faults", fault)
    assert answer.status == 422, answer
    assert words in answer.json["error"]
    assert len(api.get("/faults")) == 1


def test_settings_change_and_a_reset_brings_them_back(api: Api) -> None:
    """For sessions that begin afterwards; messages and faults of the run go."""
    assert api("PATCH", f"{V1}/settings", {"recipientLimit": 1, "extensions": ["SIZE"]}).json[
        "extensions"
    ] == ["SIZE"]
    api("POST", f"{V1}/faults", {"stage": "MAIL", "silence": True})
    assert api("POST", f"{V1}/reset").status == 204
    assert api.get("/server")["settings"]["recipientLimit"] is None
    assert [fault["stage"] for fault in api.get("/faults")] == ["NOOP"]
    assert api.get("/messages") == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/settings", {"port": 5}),
        ("PATCH", "/settings", {"require_tls": True}),
        ("PATCH", "/settings", {"sizeLimit": "many"}),
        ("POST", "/advance", {"seconds": -1}),
        ("POST", "/advance", {"seconds": True}),
        ("POST", "/advance", {}),
    ],
)
def test_what_cannot_be_set_is_422(api: Api, method: str, path: str, body: object) -> None:
    """And leaves everything as it was."""
    before = api.get("/server")["settings"]
    assert api(method, V1 + path, body).status == 422
    assert api.get("/server")["settings"] == before


def test_the_clock_of_greylisting_moves(api: Api) -> None:
    """`POST /advance` spares a suite the wait."""
    api("PATCH", f"{V1}/settings", {"greylist": 3600})
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        api.send()
    assert api("POST", f"{V1}/advance", {"seconds": 3600}).status == 204
    api.send()


def test_a_check_judges_once(api: Api) -> None:
    """409 with the problems, 204 where there are none; an error of the server's own is told once."""
    answer = api("POST", f"{V1}/check")
    assert answer.status == 409
    assert "never hit: on('NOOP')" in answer.json["problems"][0]
    api("DELETE", f"{V1}/faults")
    assert api("POST", f"{V1}/check").status == 204
    api.serving.follower.failed("it broke")
    assert api("POST", f"{V1}/check").json["problems"] == ["callback raised: it broke"]
    assert api("POST", f"{V1}/check").status == 204


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": ""}, {"Origin": "null"}, {"Origin": "http://evil.example"}],
    ids=str,
)
def test_another_page_is_refused(api: Api, headers: dict[str, str]) -> None:
    """A Host or an Origin of elsewhere gets 403, whatever it asks for; no answer says CORS."""
    for path in ("/", f"{V1}/server", "/data"):
        answer = api("GET", path, headers=headers)
        assert answer.status == 403
        assert "access-control-allow-origin" not in {name.lower() for name in answer.headers}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]", "LOCALHOST:1"])
def test_every_name_of_this_machine_may_be_asked(api: Api, host: str) -> None:
    """With any port, for a container may have mapped it."""
    assert api("GET", f"{V1}/server", headers={"Host": host}).status == 200


def test_a_name_of_the_settings_may_be_asked(api: Api) -> None:
    """`--name mail.internal`: a container's name."""
    api.serving.server.configure(names=("mail.internal",))
    assert api("GET", f"{V1}/server", headers={"Host": "mail.internal:8025"}).status == 200


def test_a_large_request_is_413(api: Api) -> None:
    """Said by its length, it is not even read."""
    with socket.create_connection(("127.0.0.1", api.port), 10) as client:
        head = f"POST {V1}/faults HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n"
        client.sendall(head.encode())
        assert b" 413 " in client.recv(1000).partition(b"\r\n")[0]


def test_a_large_request_in_chunks_is_413(api: Api) -> None:
    """Without a length it is read as far as the limit."""
    with socket.create_connection(("127.0.0.1", api.port), 10) as client:
        head = f"POST {V1}/faults HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.sendall(head.encode() + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 17)
        assert b" 413 " in client.recv(1000).partition(b"\r\n")[0]


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json_is_400(api: Api, body: bytes) -> None:
    """However deep it is."""
    assert api("POST", f"{V1}/faults", body).status == 400


def test_events_tell_what_happens(api: Api) -> None:
    """A message and a session, as server-sent events; a reader that leaves is forgotten."""
    with socket.create_connection(("127.0.0.1", api.port), 10) as reader:
        reader.sendall(f"GET {V1}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        seen = b""
        while b"retry:" not in seen:
            seen += reader.recv(4096)
        api.send()
        while b"event: session" not in seen:
            seen += reader.recv(4096)
    assert b'event: message\ndata: {"id": 1}' in seen.replace(b"\r\n", b"\n")
    api.send()
    assert len(api.get("/messages")) == 2


def test_a_stop_ends_what_waits(api: Api) -> None:
    """A long poll and a stream of events do not hold the end up (the fixture's, which would hang)."""
    for path in ("/messages?wait=300", "/events"):
        client = socket.create_connection(("127.0.0.1", api.port), 10)
        client.sendall(f"GET {V1}{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        api.serving.server.messages  # noqa: B018 - the server still answers
        client.close()
    waiting = socket.create_connection(("127.0.0.1", api.port), 10)
    waiting.sendall(f"GET {V1}/messages?wait=300 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert api.get("/messages") == []
    waiting.close()


def test_the_description_knows_every_route(api: Api) -> None:
    """OpenAPI: each path with its method, parameters and operation."""
    paths = api.get("/openapi.json")["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert described == {(row.method, V1 + row.path) for row in ROUTES}
    assert len({method["operationId"] for methods in paths.values() for method in methods.values()}) == len(
        ROUTES
    )
