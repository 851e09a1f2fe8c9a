from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from pytest_smtp4d import MakeSMTPServer, Mechanism, SMTPServer, TLSMode

Node = Callable[..., subprocess.CompletedProcess[str]]

SEND = """
const [options, messages] = process.argv.slice(1).map(JSON.parse);
const transport = require("nodemailer").createTransport(options);
Promise.allSettled(messages.map(message => transport.sendMail(message))).then(results => {
  transport.close();
  console.log(JSON.stringify(results.map(({value, reason}) => value
    ? {accepted: value.accepted, rejected: value.rejected}
    : {...reason, message: reason.message})));
});
"""

MESSAGE = {"from": "ada@example.com", "to": "bob@example.org", "subject": "Hello", "text": ".dot\n..dots\n"}


@pytest.fixture
def send(nodemailer: Node) -> Callable[..., list[dict[str, Any]]]:
    """Send messages by nodemailer to a server; return what it says of each."""

    def run(server: SMTPServer, messages: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
        tls = server.settings.tls
        common = {
            "host": server.host,
            "port": server.port,
            "name": "client.example.com",
            "secure": tls == "implicit",
            "requireTLS": tls == "starttls",
            "ignoreTLS": tls == "none",
        }
        trust = {"NODE_EXTRA_CA_CERTS": server.ca_file}
        result = nodemailer(SEND, json.dumps({**common, **options}), json.dumps(messages), **trust)
        assert result.returncode == 0, result.stderr
        said: list[dict[str, Any]] = json.loads(result.stdout)
        return said

    return run


Send = Callable[..., list[dict[str, Any]]]


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_it_delivers_octet_for_octet(make_smtp_server: MakeSMTPServer, send: Send, tls: TLSMode) -> None:
    """A message given as octets arrives as these octets, in each TLS mode; NODE_EXTRA_CA_CERTS is ca_file."""
    server = make_smtp_server(tls=tls)
    raw = "Subject: Dots\r\n\r\n.dot\r\n..dots\r\n.\r\ntrailing  \r\n"
    envelope = {"from": "ada@example.com", "to": ["bob@example.org", "cay@example.net"]}
    (said,) = send(server, [{"envelope": envelope, "raw": raw}])
    assert said["accepted"] == ["bob@example.org", "cay@example.net"]

    message = server.messages.one()
    assert message.content == raw.encode()
    assert (message.mail_from, message.rcpt_to) == ("ada@example.com", ("bob@example.org", "cay@example.net"))
    assert (message.session.tls is None) == (tls == "none")


def test_its_pool_keeps_connections(smtp_server: SMTPServer, send: Send) -> None:
    """Ten messages through a pool of two connections are ten messages in two sessions, and no violation."""
    messages = [{**MESSAGE, "subject": f"Number {i}"} for i in range(10)]
    said = send(smtp_server, messages, pool=True, maxConnections=2)
    assert all(one["accepted"] == ["bob@example.org"] for one in said)
    assert sorted(message.subject for message in smtp_server.messages) == sorted(
        m["subject"] for m in messages
    )
    assert len(smtp_server.sessions) == 2
    smtp_server.check()


def test_its_pipelined_recipients(smtp_server: SMTPServer, send: Send) -> None:
    """It pipelines RCPT where we offer that; one refusal among many is reported for that recipient alone."""
    smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user")
    recipients = [*(f"user{i}@example.org" for i in range(20)), "nobody@example.org"]
    (said,) = send(smtp_server, [{**MESSAGE, "to": recipients}])
    assert said["rejected"] == ["nobody@example.org"]
    assert smtp_server.messages.one().rcpt_to == tuple(recipients[:-1])
    smtp_server.check()


def test_its_dsn_options(smtp_server: SMTPServer, send: Send) -> None:
    """RET, ENVID, NOTIFY and ORCPT arrive as nodemailer spelled them."""
    dsn = {
        "id": "some-id",
        "return": "headers",
        "notify": ["success", "failure"],
        "recipient": "ada@example.com",
    }
    send(smtp_server, [{**MESSAGE, "dsn": dsn}])
    message = smtp_server.messages.one()
    assert {"RET=HDRS", "ENVID=some-id"} <= set(message.mail_options)
    assert set(message.rcpt_options["bob@example.org"]) == {
        "NOTIFY=SUCCESS,FAILURE",
        "ORCPT=rfc822;ada@example.com",
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_it_logs_in(make_smtp_server: MakeSMTPServer, send: Send, mechanism: Mechanism) -> None:
    """Each mechanism that it knows logs in."""
    server = make_smtp_server(users={"ada": "secret"}, auth=(mechanism,))
    send(server, [MESSAGE], auth={"user": "ada", "pass": "secret"})
    session = server.messages.one().session
    assert (session.user, session.mechanism) == ("ada", mechanism)


def test_it_logs_in_by_token(make_smtp_server: MakeSMTPServer, send: Send) -> None:
    """XOAUTH2 by nodemailer; a wrong token is EAUTH with our 535."""
    server = make_smtp_server(tokens={"ada@example.com": "token-1"})
    login = {"type": "OAuth2", "user": "ada@example.com"}
    send(server, [MESSAGE], auth={**login, "accessToken": "token-1"})
    assert server.messages.one().session.mechanism == "XOAUTH2"
    (said,) = send(server, [MESSAGE], auth={**login, "accessToken": "token-2"})
    assert (said["code"], said["responseCode"]) == ("EAUTH", 535)


def test_utf8_addresses(smtp_server: SMTPServer, send: Send) -> None:
    """An address in Unicode goes through SMTPUTF8."""
    send(smtp_server, [{**MESSAGE, "to": "jürgen@example.org"}])
    message = smtp_server.messages.one()
    assert message.rcpt_to == ("jürgen@example.org",)
    assert "SMTPUTF8" in message.mail_options


def test_a_bad_certificate_is_refused(make_smtp_server: MakeSMTPServer, send: Send) -> None:
    """Node verifies: an expired certificate ends the session before MAIL, with its reason recorded."""
    server = make_smtp_server(certificate="expired")
    (said,) = send(server, [MESSAGE])
    assert said["code"] in ("ETLS", "ESOCKET")
    assert "expired" in said["message"]
    assert server.messages.none()


def test_a_busy_server_is_reported(smtp_server: SMTPServer, send: Send) -> None:
    """Our 451 is its responseCode."""
    smtp_server.on("CONTENT").reply(451, "4.3.0 Try later")
    (said,) = send(smtp_server, [MESSAGE])
    assert (said["code"], said["responseCode"], said["command"]) == ("EMESSAGE", 451, "DATA")
