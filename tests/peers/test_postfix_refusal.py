"""What Postfix refuses, and what the transporter makes of it: the server's words, and nothing sent."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_smtp4d import Email, SMTPTransporter, Status
from tests.peers.postfix import DOMAIN, RECIPIENT_LIMIT, SIZE_LIMIT, Postfix
from tests.peers.sending import Send, both, mail_to, octets_of

ADA = f"ada@{DOMAIN}"
NOBODY = f"nobody@{DOMAIN}"


def told(status: Status) -> tuple[bool, int, str | None, str | None]:
    """Return what decides about a refusal."""
    return status.success, status.status, status.enhanced_code, status.command


@both
@pytest.mark.parametrize(
    ("mail", "service", "expected", "text"),
    [
        pytest.param(
            mail_to(NOBODY),
            "cleartext",
            (False, 550, "5.1.1", "RCPT"),
            f"5.1.1 <{NOBODY}>: Recipient address rejected: User unknown in virtual mailbox table",
            id="unknown user",
        ),
        pytest.param(
            mail_to("bob@example.net"),
            "starttls",
            (False, 554, "5.7.1", "RCPT"),
            "5.7.1 <bob@example.net>: Relay access denied",
            id="relay denied",
        ),
        pytest.param(
            mail_to(ADA, **{"from": "spammer@example.com"}),
            "cleartext",
            (False, 554, "5.7.1", "RCPT"),
            "5.7.1 <spammer@example.com>: Sender address rejected: Access denied",
            id="sender refused, told at RCPT",
        ),
        pytest.param(
            mail_to(ADA, **{"from": "spammer@example.com"}),
            "no_delay",
            (False, 554, "5.7.1", "MAIL"),
            "5.7.1 <spammer@example.com>: Sender address rejected: Access denied",
            id="sender refused, told at MAIL",
        ),
        pytest.param(
            mail_to(f"full@{DOMAIN}"),
            "cleartext",
            (False, 452, "4.2.2", "RCPT"),
            f"4.2.2 <full@{DOMAIN}>: Recipient address rejected: Mailbox full",
            id="mailbox full",
        ),
        pytest.param(
            mail_to(ADA),
            "submission",
            (False, 554, "5.7.1", "RCPT"),
            f"5.7.1 <{ADA}>: Recipient address rejected: Access denied",
            id="login required",
        ),
        pytest.param(
            mail_to(ADA, textBody=("x" * 76 + "\r\n") * (SIZE_LIMIT // 78 + 1)),
            "no_size",
            (False, 552, "5.3.4", "CONTENT"),
            "5.3.4 Error: message file too big",
            id="too large, by the server",
        ),
    ],
)
def test_a_refusal_is_the_status(
    postfix: Postfix,
    send: Send,
    mail: Email,
    service: str,
    expected: tuple[bool, int, str, str],
    text: str,
) -> None:
    """Code, words and place are the server's, and the session goes on: the next mail is delivered over it."""
    log = postfix.log_from_now()
    welcome = [] if service == "submission" else [mail_to(ADA, subject="After")]
    status, *after = send(mail, *welcome, **postfix.client_options(service))
    assert told(status) == expected
    assert status.status_text.replace("4.3.0 ", "") == text
    assert status.is_permanent is (status.status >= 500)
    assert status.is_transient is (status.status < 500)
    assert status.errors == ()
    if status.command == "RCPT":
        (mailbox,) = status.refused
        assert (status.refused[mailbox].code, status.refused[mailbox].text) == (status.status, text)
    if welcome:
        assert after[0].success
        assert postfix.mailbox("ada").take_one().content == octets_of(welcome[0])
    (ended,) = log.wait_for(r"disconnect from .*")
    assert " rset=1 " in ended
    assert " quit=1 " in ended


@both
@pytest.mark.parametrize("service", ["cleartext", "no_pipelining", "no_chunking"])
def test_all_or_nothing(postfix: Postfix, send: Send, service: str) -> None:
    """One recipient refused: nobody gets the mail, every refusal is named, and the session goes on."""
    mail = mail_to(ADA, NOBODY, f"bob@{DOMAIN}", "eve@example.net", subject="To nobody")
    log = postfix.log_from_now()
    status, after = send(mail, mail_to(ADA), **postfix.client_options(service))
    assert told(status) == (False, 550, "5.1.1", "RCPT")
    assert {mailbox: reply.code for mailbox, reply in status.refused.items()} == {
        NOBODY: 550,
        "eve@example.net": 554,
    }
    assert after.success
    assert postfix.mailbox("ada").take_one().content == octets_of(mail_to(ADA))
    (ended,) = log.wait_for(r"disconnect from .*")
    assert " mail=2 rcpt=3/5 " in ended
    assert postfix.mailbox("bob").is_empty()


@both
@pytest.mark.parametrize("service", ["no_chunking", "no_pipelining"])
def test_no_empty_message_after_a_refusal(postfix: Postfix, send: Send, service: str) -> None:
    """DATA that was pipelined behind a refused recipient leaves nothing in the queue."""
    log = postfix.log_from_now()
    (status,) = send(mail_to(NOBODY), **postfix.client_options(service))
    assert told(status) == (False, 550, "5.1.1", "RCPT")
    log.wait_for(r"disconnect from .*")
    assert "message-id=" not in log.text()


@both
@pytest.mark.parametrize("service", ["cleartext", "no_pipelining"])
def test_too_many_recipients(postfix: Postfix, send: Send, service: str) -> None:
    """A recipient over the server's limit is refused, and so nobody gets the mail."""
    everybody = [f"n{n}@bulk.{DOMAIN}" for n in range(RECIPIENT_LIMIT + 2)]
    (status,) = send(mail_to(*everybody), **postfix.client_options(service))
    assert told(status) == (False, 452, "4.5.3", "RCPT")
    assert tuple(status.refused) == tuple(everybody[RECIPIENT_LIMIT:])
    assert postfix.mailbox("bulk").is_empty()


@both
def test_too_large_is_known_before_sending(postfix: Postfix, send: Send) -> None:
    """Where the server says its SIZE, a larger mail is refused here, and not a MAIL is said."""
    log = postfix.log_from_now()
    (status,) = send(mail_to(ADA, textBody="x" * SIZE_LIMIT), **postfix.client_options("cleartext"))
    assert told(status) == (False, 0, None, "MAIL")
    assert status.status_text == "Failed to send email"
    assert status.errors[0]["errCode"] == 1306
    assert str(SIZE_LIMIT) in status.errors[0]["message"]
    assert "mail=" not in log.wait_for(r"disconnect from .*")[0]


@both
def test_a_refused_session(postfix: Postfix, send: Send) -> None:
    """A greeting of 554 is the status, and QUIT is said (RFC 5321 3.1)."""
    log = postfix.log_from_now()
    sent, checked = (
        *send(mail_to(ADA), **postfix.client_options("refusing")),
        *send(**postfix.client_options("refusing")),
    )
    for status in (sent, checked):
        assert told(status) == (False, 554, "5.7.1", "CONNECT")
        assert "Client host rejected: Not today" in status.status_text
    assert all(" quit=1 " in line for line in log.wait_for(r"disconnect from .*", 2))


@both
@pytest.mark.parametrize(
    ("service", "change", "command", "code"),
    [
        pytest.param("starttls", {"ssl_context": None}, "TLS", 1204, id="unknown CA"),
        pytest.param("smtps", {"ssl_context": None}, "TLS", 1204, id="unknown CA, implicit"),
        pytest.param("wrong_host", {}, "TLS", 1203, id="wrong host"),
        pytest.param("tls11", {}, "TLS", 1205, id="TLS 1.1 alone"),
        pytest.param("cleartext", {"accept_unsecure_connection": False}, "STARTTLS", 1301, id="no TLS"),
        pytest.param("starttls", {"implicit_tls": True}, "TLS", 1207, id="TLS to a cleartext port"),
    ],
)
def test_no_safe_session(
    postfix: Postfix,
    send: Send,
    service: str,
    change: dict[str, Any],
    command: str,
    code: int,
) -> None:
    """Where TLS cannot be had as asked for, nothing is said after it, and the cause has its own code."""
    log = postfix.log_from_now()
    options = {**postfix.client_options(service), **change}
    (status,) = send(mail_to(ADA), **options)
    assert told(status) == (False, 0, None, command)
    assert status.errors[0]["errCode"] == code
    assert "mail=" not in log.wait_for(r"disconnect from .*")[0]


@both
def test_a_client_certificate_is_missed(postfix: Postfix, send: Send) -> None:
    """A server that wants a client certificate says so instead of a greeting, for TLS itself went well."""
    options = postfix.client_options("client_certificate")
    options["ssl_context"] = postfix.client_options("smtps")["ssl_context"]
    (status,) = send(mail_to(ADA), **options)
    assert told(status) == (False, 421, "4.7.1", "CONNECT")
    assert "No client certificate presented" in status.status_text


def test_cleartext_to_a_tls_port(postfix: Postfix) -> None:
    """A server that waits for TLS sends no greeting: the wall of connectionTimeOut ends the wait."""
    options = {**postfix.client_options("smtps"), "implicit_tls": False, "connection_time_out": 0.3}
    with SMTPTransporter(**options) as transporter:
        status = transporter.send(mail_to(ADA))
    assert told(status) == (False, 0, None, "CONNECT")
    assert status.errors[0]["errCode"] == 1105
