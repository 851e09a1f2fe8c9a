"""The transporter and OpenSMTPD, which has no PIPELINING, CHUNKING or SMTPUTF8: delivery, logins, refusal."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP, default
from typing import Any

import pytest

from pytest_smtp4d import Email, SMTPTransporter, TransporterOptions, mail_new_attachment
from tests.peers.conftest import PROJECT, missing
from tests.peers.opensmtpd import (
    DOMAIN,
    PASSWORD,
    RECIPIENT_LIMIT,
    SIZE_LIMIT,
    OpenSMTPD,
    running_opensmtpd,
)
from tests.peers.sending import Send, both, mail_to, octets_of

ADA = f"ada@{DOMAIN}"
NOBODY = f"nobody@{DOMAIN}"
LOGIN: TransporterOptions = {"user": "ada", "password": PASSWORD}


@pytest.fixture(scope="module")
def server() -> Iterator[OpenSMTPD]:
    """An OpenSMTPD, for all tests of this file."""
    unpacked = PROJECT / ".peers" / "opensmtpd"
    if not (unpacked / "usr/sbin/smtpd").exists():
        missing("OpenSMTPD", ".ci/opensmtpd .peers/opensmtpd")
    with running_opensmtpd(unpacked) as running:
        yield running


@pytest.fixture
def opensmtpd(server: OpenSMTPD) -> Iterator[OpenSMTPD]:
    """The OpenSMTPD, without sessions; its mailboxes are empty before and must be empty after."""
    server.wait_for_quiet()
    yield server
    left = [mailbox for mailbox in server.mailboxes() if not mailbox.is_empty()]
    for mailbox in left:
        mailbox.take()
    assert not left, f"the test left mail in {left}"


@both
@pytest.mark.parametrize(
    ("service", "login", "how"),
    [
        ("cleartext", False, "with ESMTP id"),
        ("starttls", False, "with ESMTPS id"),
        ("submission", True, "with ESMTPSA id"),
        ("smtps", True, "with ESMTPSA id"),
        ("optional_login", True, "with ESMTPSA id"),
        ("optional_login", False, "with ESMTPS id"),
        ("client_certificate", False, "with ESMTPS id"),
    ],
)
def test_delivers_in_every_tls_mode(
    opensmtpd: OpenSMTPD, send: Send, service: str, login: bool, how: str
) -> None:
    """A mail arrives as it was sent, and the status says what the server said."""
    mail = mail_to(ADA, f"bob@{DOMAIN}", textBody=".\r\n..\r\n.dot\r\nGrüße\r\n.")
    (status,) = send(mail, **opensmtpd.client_options(service), **(LOGIN if login else {}))
    assert (status.success, status.status, status.enhanced_code, status.command) == (
        True,
        250,
        "2.0.0",
        "CONTENT",
    )
    assert "Message accepted for delivery" in status.status_text
    for name in ("ada", "bob"):
        delivered = opensmtpd.mailbox(name).take_one()
        assert delivered.content == octets_of(mail)
        assert how in delivered.trace
        assert ("TLSv1.3" in delivered.trace) is (service != "cleartext")


@both
@pytest.mark.parametrize("mode", ["PLAIN", "LOGIN", None])
def test_logs_in(opensmtpd: OpenSMTPD, send: Send, mode: str | None) -> None:
    """Both mechanisms of OpenSMTPD log in, and so does the default choice."""
    log = opensmtpd.log_from_now()
    options = opensmtpd.client_options("submission")
    (status,) = send(mail_to(ADA), **options, **LOGIN, authentication_mode=mode)
    assert status.success
    assert opensmtpd.mailbox("ada").take_one().content == octets_of(mail_to(ADA))
    assert log.wait_for("smtp authentication user=ada result=ok")


@both
@pytest.mark.parametrize("mode", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(("user", "password"), [("ada", "wrong"), ("nobody", PASSWORD)], ids=["pw", "user"])
def test_a_wrong_login_is_refused(
    opensmtpd: OpenSMTPD, send: Send, mode: str, user: str, password: str
) -> None:
    """The status is the server's 535 to AUTH."""
    options = opensmtpd.client_options("smtps")
    (status,) = send(mail_to(ADA), **options, user=user, password=password, authentication_mode=mode)
    assert (status.success, status.status, status.command) == (False, 535, "AUTH")
    assert "Authentication failed" in status.status_text


@both
@pytest.mark.parametrize("mode", ["CRAM-MD5", "OAUTH2"])
def test_a_mode_that_is_not_offered(opensmtpd: OpenSMTPD, send: Send, mode: str) -> None:
    """Nothing of the login is sent where the mode asked for is not offered."""
    log = opensmtpd.log_from_now()
    login = {"user": "ada", "access_token_oauth2": "token"} if mode == "OAUTH2" else LOGIN
    options = opensmtpd.client_options("submission")
    (status,) = send(mail_to(ADA), **options, **login, authentication_mode=mode)
    assert (status.status, status.command, status.errors[0]["errCode"]) == (0, "AUTH", 1303)
    assert "PLAIN, LOGIN" in status.errors[0]["message"]
    log.wait_for("smtp disconnected reason=quit")
    assert "authentication" not in log.text()


@both
@pytest.mark.parametrize(
    ("mail", "service", "expected"),
    [
        pytest.param(
            mail_to(NOBODY),
            "cleartext",
            (524, "5.2.4", "RCPT", f"5.2.4 Mailing list expansion problem: <{NOBODY}>"),
            id="unknown user",
        ),
        pytest.param(
            mail_to("bob@example.net"),
            "starttls",
            (550, None, "RCPT", "Invalid recipient: <bob@example.net>"),
            id="relay denied",
        ),
        pytest.param(
            mail_to(ADA, **{"from": "spammer@example.com"}),
            "choosy",
            (550, "5.7.1", "MAIL", "5.7.1 Not from you"),
            id="sender refused",
        ),
        pytest.param(
            mail_to(ADA),
            "submission",
            (530, "5.5.1", "MAIL", "5.5.1 Invalid command: Must issue an AUTH command first"),
            id="login required",
        ),
        pytest.param(
            mail_to(ADA),
            "refusing",
            (554, "5.7.1", "CONNECT", "5.7.1 Not today"),
            id="session refused",
        ),
    ],
)
def test_a_refusal_is_the_status(
    opensmtpd: OpenSMTPD,
    send: Send,
    mail: Email,
    service: str,
    expected: tuple[int, str | None, str, str],
) -> None:
    """Code, words and place are the server's."""
    (status,) = send(mail, **opensmtpd.client_options(service))
    told = (status.status, status.enhanced_code, status.command, status.status_text)
    assert told == expected
    assert not status.success
    assert status.errors == ()


@both
def test_all_or_nothing(opensmtpd: OpenSMTPD, send: Send) -> None:
    """One recipient refused: nobody gets the mail, and the session serves the next."""
    mail = mail_to(ADA, NOBODY, f"bob@{DOMAIN}", subject="To nobody")
    status, after = send(mail, mail_to(ADA), **opensmtpd.client_options("starttls"))
    assert (status.success, status.status, tuple(status.refused)) == (False, 524, (NOBODY,))
    assert after.success
    assert opensmtpd.mailbox("ada").take_one().content == octets_of(mail_to(ADA))
    assert opensmtpd.mailbox("bob").is_empty()


@both
def test_too_many_recipients(opensmtpd: OpenSMTPD, send: Send) -> None:
    """A recipient over the server's limit is refused, and so nobody gets the mail."""
    everybody = [f"ada+{n}@{DOMAIN}" for n in range(RECIPIENT_LIMIT + 1)]
    (status,) = send(mail_to(*everybody), **opensmtpd.client_options("cleartext"))
    assert (status.success, status.status, status.enhanced_code) == (False, 451, "4.5.3")
    assert tuple(status.refused) == (everybody[-1],)


@both
def test_too_large(opensmtpd: OpenSMTPD, send: Send) -> None:
    """A mail over the SIZE that is offered is refused here; the next one is delivered."""
    large = mail_to(ADA, textBody="x" * SIZE_LIMIT)
    status, after = send(large, mail_to(ADA), **opensmtpd.client_options("cleartext"))
    assert (status.status, status.command, status.errors[0]["errCode"]) == (0, "MAIL", 1306)
    assert after.success
    assert opensmtpd.mailbox("ada").take_one().content == octets_of(mail_to(ADA))


@both
def test_smtputf8_is_not_offered(opensmtpd: OpenSMTPD, send: Send) -> None:
    """A non-ASCII local part cannot be said to this server, and the status says so."""
    (status,) = send(mail_to(f"jürgen@{DOMAIN}"), **opensmtpd.client_options("cleartext"))
    assert (status.status, status.command, status.errors[0]["errCode"]) == (0, "MAIL", 1307)


@both
def test_8bit_octets_arrive(opensmtpd: OpenSMTPD, send: Send) -> None:
    """A standard library's message with an 8bit part is sent as it is."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "ada@example.com", ADA, "8bit"
    message["Date"] = "Fri, 02 Jan 2026 03:04:05 +0000"  # OpenSMTPD adds what is missing of these two
    message["Message-ID"] = "<8bit@example.com>"
    message.set_content("Grüße aus Köln, \u4f60\u597d\n.\n..\n", cte="8bit")
    (status,) = send(message, **opensmtpd.client_options("starttls"))
    assert status.success
    assert opensmtpd.mailbox("ada").take_one().content == message.as_bytes()


@both
def test_attachments_and_long_lines_arrive(opensmtpd: OpenSMTPD, send: Send) -> None:
    """A line of 5000 characters and a binary attachment of 100 KB are what the reader finds."""
    blob, line = os.urandom(100_000), "y" * 5000
    mail = mail_to(ADA, textBody=line, attachments=[mail_new_attachment(blob, "blob.bin")])
    (status,) = send(mail, **opensmtpd.client_options("cleartext"))
    assert status.success
    message = BytesParser(policy=default).parsebytes(opensmtpd.mailbox("ada").take_one().content)
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content().rstrip() == line
    (attachment,) = message.iter_attachments()
    assert attachment.get_content() == blob


@both
@pytest.mark.parametrize("service", ["cleartext", "submission"])
def test_keeps_the_session(opensmtpd: OpenSMTPD, send: Send, service: str) -> None:
    """Many mails go over one session, which ends with QUIT."""
    mails = [mail_to(ADA, subject=f"No. {n}") for n in range(10)]
    log = opensmtpd.log_from_now()
    login: TransporterOptions = LOGIN if service == "submission" else {}
    statuses = send(*mails, **opensmtpd.client_options(service), **login)
    assert all(status.success for status in statuses)
    contents = {delivered.content for delivered in opensmtpd.mailbox("ada").take(10)}
    assert contents == {octets_of(mail) for mail in mails}
    assert len(log.wait_for("smtp disconnected reason=quit")) == 1
    assert len(log.wait_for("smtp connected")) == 1


def test_threads_share_a_session(opensmtpd: OpenSMTPD) -> None:
    """Mails that threads send at once through one transporter are all delivered, over one session."""
    mails = [mail_to(ADA, subject=f"No. {n}") for n in range(8)]
    statuses = []
    log = opensmtpd.log_from_now()
    with SMTPTransporter(**opensmtpd.client_options("smtps"), **LOGIN) as transporter:

        def send(mail: Email) -> None:
            statuses.append(transporter.send(mail))

        threads = [threading.Thread(target=send, args=(mail,)) for mail in mails]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(statuses) == len(mails)
    assert all(status.success for status in statuses)
    contents = {delivered.content for delivered in opensmtpd.mailbox("ada").take(len(mails))}
    assert contents == {octets_of(mail) for mail in mails}
    assert len(log.wait_for("smtp connected")) == 1


@both
@pytest.mark.parametrize(
    ("service", "login", "code", "command"),
    [("cleartext", False, 250, "EHLO"), ("starttls", False, 250, "EHLO"), ("smtps", True, 235, "AUTH")],
)
def test_checks_the_connection(
    opensmtpd: OpenSMTPD, send: Send, service: str, login: bool, code: int, command: str
) -> None:
    """A check goes as far as a mail would before MAIL."""
    (status,) = send(**opensmtpd.client_options(service), **(LOGIN if login else {}))
    assert (status.success, status.status, status.command) == (True, code, command)


@both
@pytest.mark.parametrize(
    ("service", "change", "command", "code"),
    [
        pytest.param("starttls", {"ssl_context": None}, "TLS", 1204, id="unknown CA"),
        pytest.param("smtps", {"ssl_context": None}, "TLS", 1204, id="unknown CA, implicit"),
        pytest.param("cleartext", {"accept_unsecure_connection": False}, "STARTTLS", 1301, id="no TLS"),
    ],
)
def test_no_safe_session(
    opensmtpd: OpenSMTPD, send: Send, service: str, change: dict[str, Any], command: str, code: int
) -> None:
    """Where TLS cannot be had as asked for, nothing is said after it, and the cause has its own code."""
    options = {**opensmtpd.client_options(service), **change}
    (status,) = send(mail_to(ADA), **options)
    assert (status.status, status.command, status.errors[0]["errCode"]) == (0, command, code)


@both
def test_a_client_certificate_is_missed(opensmtpd: OpenSMTPD, send: Send) -> None:
    """A server that wants a client certificate ends the session: the alert says what it missed."""
    options = opensmtpd.client_options("client_certificate")
    options["ssl_context"] = opensmtpd.client_options("smtps")["ssl_context"]
    (status,) = send(mail_to(ADA), **options)
    assert status.status == 0
    assert status.errors[0]["errCode"] == 1206
