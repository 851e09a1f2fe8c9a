"""The transporter and Postfix: what is sent is delivered, octet for octet, in every mode that Postfix has."""

from __future__ import annotations

import os
import re
import threading
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP, default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d import Email, SMTPTransporter, TransporterOptions, mail_new_attachment
from tests.peers.postfix import DOMAIN, PASSWORD, RECIPIENT_LIMIT, Postfix
from tests.peers.sending import Send, both, mail_to, octets_of
from tests.profiles import share

ADA = f"ada@{DOMAIN}"
LOGIN: TransporterOptions = {"user": "ada", "password": PASSWORD}


@both
@pytest.mark.parametrize(
    ("service", "login", "how", "tls"),
    [
        ("cleartext", False, "with ESMTP id", None),
        ("starttls", False, "with ESMTPS id", "TLSv1.3"),
        ("tls12", False, "with ESMTPS id", "TLSv1.2"),
        ("submission", True, "with ESMTPSA id", "TLSv1.3"),
        ("smtps", True, "with ESMTPSA id", "TLSv1.3"),
        ("client_certificate", False, "with ESMTPS id", "TLSv1.3"),
        ("cleartext_login", True, "with ESMTPA id", None),
    ],
)
def test_delivers_in_every_tls_mode(
    postfix: Postfix, send: Send, service: str, login: bool, how: str, tls: str | None
) -> None:
    """A mail sent over TLS, STARTTLS or neither, with a login or without, arrives as it was sent."""
    mail = mail_to(ADA)
    (status,) = send(mail, **postfix.client_options(service), **(LOGIN if login else {}))
    assert (status.success, status.status, status.command) == (True, 250, "CONTENT")
    assert status.enhanced_code == "2.0.0"
    assert re.fullmatch(r"2\.0\.0 Ok: (\d+ bytes )?queued as [0-9A-F]+", status.status_text)
    assert not status.refused
    delivered = postfix.mailbox("ada").take_one()
    assert delivered.content == octets_of(mail)
    assert how in delivered.trace
    assert ("Authenticated sender: ada" in delivered.trace) is login
    assert (f"using {tls} with cipher" in delivered.trace) is (tls is not None)
    assert "Return-Path: <ada@example.com>" in delivered.trace
    assert status.status_text.split()[-1] in delivered.trace


@both
@pytest.mark.parametrize(
    "service",
    ["cleartext", "no_8bitmime", "no_smtputf8", "no_pipelining", "no_chunking", "no_size", "bare"],
)
def test_delivers_whatever_is_offered(postfix: Postfix, send: Send, service: str) -> None:
    """Which extensions a server lacks changes the dialogue, and never what is delivered."""
    mail = mail_to(ADA, f"bob@{DOMAIN}", textBody=".\r\n..\r\n.dot\r\nend\r\n.")
    (status,) = send(mail, **postfix.client_options(service))
    assert status.success
    assert postfix.mailbox("ada").take_one().content == octets_of(mail)
    assert postfix.mailbox("bob").take_one().content == octets_of(mail)


@both
@pytest.mark.parametrize("service", ["cleartext", "no_chunking"])
def test_8bit_octets_arrive_where_8bitmime_is_offered(postfix: Postfix, send: Send, service: str) -> None:
    """A standard library's message with 8bit parts is sent as it is, and declared (RFC 6152)."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "ada@example.com", ADA, "8bit"
    message.set_content("Grüße aus Köln, \u4f60\u597d\n.\n..\n", cte="8bit")
    (status,) = send(message, **postfix.client_options(service))
    assert status.success
    content = postfix.mailbox("ada").take_one().content
    assert content == message.as_bytes()
    assert "Grüße aus Köln".encode() in content


@both
def test_8bit_octets_are_encoded_where_8bitmime_is_not_offered(postfix: Postfix, send: Send) -> None:
    """A server without 8BITMIME gets ASCII, and the reader the same text."""
    text = "Grüße aus Köln, \u4f60\u597d\n"
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "ada@example.com", ADA, "7bit"
    message.set_content(text, cte="8bit")
    (status,) = send(message, **postfix.client_options("no_8bitmime"))
    assert status.success
    content = postfix.mailbox("ada").take_one().content
    assert content.isascii()
    assert BytesParser(policy=default).parsebytes(content).get_content() == text


@both
def test_internationalised_mailboxes(postfix: Postfix, send: Send) -> None:
    """A non-ASCII local part is reached by SMTPUTF8, the header raw (RFC 6531)."""
    mail = mail_to(f"jürgen@{DOMAIN}", subject="Grüße")
    (status,) = send(mail, **postfix.client_options("starttls"))
    assert status.success
    delivered = postfix.mailbox("jürgen").take_one()
    assert "with UTF8SMTPS id" in delivered.trace
    assert f"To: jürgen@{DOMAIN}\r\n".encode() in delivered.content
    assert "Subject: Grüße\r\n".encode() in delivered.content


@both
def test_internationalised_mailboxes_need_smtputf8(postfix: Postfix, send: Send) -> None:
    """Where SMTPUTF8 is not offered, such a mail is refused here, with the reason, and nothing was sent."""
    (status,) = send(mail_to(f"jürgen@{DOMAIN}"), **postfix.client_options("no_smtputf8"))
    assert (status.success, status.status, status.command) == (False, 0, "MAIL")
    assert status.errors[0]["errCode"] == 1307


@both
@pytest.mark.parametrize("service", ["cleartext", "no_chunking"])
def test_attachments_arrive(postfix: Postfix, send: Send, service: str) -> None:
    """Text, HTML, and a binary attachment of 100 KB are what the reader finds."""
    blob = os.urandom(100_000)
    mail = mail_to(
        ADA,
        textBody="See the picture.",
        htmlBody="<p>See the <b>picture</b>.</p>",
        attachments=[mail_new_attachment(blob, "Bücher.bin")],
    )
    (status,) = send(mail, **postfix.client_options(service))
    assert status.success
    message = BytesParser(policy=default).parsebytes(postfix.mailbox("ada").take_one().content)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert text.get_content().rstrip() == "See the picture."
    assert html is not None
    assert html.get_content().rstrip() == "<p>See the <b>picture</b>.</p>"
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "Bücher.bin"
    assert attachment.get_content() == blob


@both
@pytest.mark.parametrize("service", ["cleartext", "no_chunking", "no_8bitmime"])
def test_long_lines_arrive(postfix: Postfix, send: Send, service: str) -> None:
    """A line longer than SMTP can carry reaches the reader whole, and one as long as it can, untouched."""
    longest, beyond = "x" * 998, "y" * 5000
    (status, other) = send(
        mail_to(ADA, textBody=longest), mail_to(ADA, textBody=beyond), **postfix.client_options(service)
    )
    assert status.success
    assert other.success
    contents = [delivered.content for delivered in postfix.mailbox("ada").take(2)]
    bodies = [BytesParser(policy=default).parsebytes(content).get_content() for content in contents]
    assert sorted(body.rstrip() for body in bodies) == [longest, beyond]
    assert max(len(line) for content in contents for line in content.splitlines()) <= 998


@pytest.mark.parametrize("service", ["cleartext", "no_chunking"])
def test_any_text_arrives(postfix: Postfix, service: str) -> None:
    """Whatever the text and the subject are, what is delivered is what was composed."""
    mailbox = postfix.mailbox("ada")

    @share(0.4)
    @given(subject=_TEXT.map(lambda text: text.replace("\r", "").replace("\n", "")), body=_TEXT)
    def deliver(subject: str, body: str) -> None:
        mail = mail_to(ADA, subject=subject, textBody=body)
        assert transporter.send(mail).success
        assert mailbox.take_one().content == octets_of(mail)

    with SMTPTransporter(**postfix.client_options(service)) as transporter:
        deliver()


_TEXT = st.text(
    st.one_of(
        st.sampled_from(".\r\n =\t"), st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    ),
    max_size=300,
)


@both
@pytest.mark.parametrize("service", ["cleartext", "no_pipelining", "bare"])
def test_many_recipients(postfix: Postfix, send: Send, service: str) -> None:
    """Every recipient is in the envelope, the Bcc ones in no header, and the pipelining is legal."""
    hidden = [f"hidden-{n}@bulk.{DOMAIN}" for n in range(RECIPIENT_LIMIT - 1)]
    mail = mail_to(f"seen@bulk.{DOMAIN}", bcc=hidden)
    log = postfix.log_from_now()
    (status,) = send(mail, **postfix.client_options(service))
    assert status.success
    delivered = postfix.mailbox("bulk").take_one()  # all of them are aliases of one mailbox
    assert delivered.content == octets_of(mail)
    assert b"hidden" not in delivered.content
    assert log.wait_for(rf"disconnect from .* mail=1 rcpt={RECIPIENT_LIMIT} ")


# -- one session, many mails -----------------------------------------------------------------------------


@both
@pytest.mark.parametrize("service", ["cleartext", "submission", "smtps", "no_chunking"])
def test_keeps_the_session(postfix: Postfix, send: Send, service: str) -> None:
    """Many mails go over one session, which ends with QUIT; Postfix counts its commands."""
    mails = [mail_to(ADA, subject=f"No. {n}") for n in range(10)]
    login: TransporterOptions = LOGIN if service in ("submission", "smtps") else {}
    log = postfix.log_from_now()
    statuses = send(*mails, **postfix.client_options(service), **login)
    assert all(status.success for status in statuses)
    contents = {delivered.content for delivered in postfix.mailbox("ada").take(10)}
    assert contents == {octets_of(mail) for mail in mails}
    (ended,) = log.wait_for(r"disconnect from .*")
    assert " mail=10 rcpt=10 " in ended
    assert " quit=1 " in ended
    assert len(log.wait_for(r": connect from")) == 1


@both
def test_keeps_no_session(postfix: Postfix, send: Send) -> None:
    """With keepAlive off, each mail has a session of its own, and each ends with QUIT."""
    mails = [mail_to(ADA, subject=f"No. {n}") for n in range(3)]
    log = postfix.log_from_now()
    statuses = send(*mails, **postfix.client_options("starttls"), keep_alive=False)
    assert all(status.success for status in statuses)
    assert len(postfix.mailbox("ada").take(3)) == 3
    ended = log.wait_for(r"disconnect from .*", 3)
    assert all(" mail=1 " in line and " quit=1 " in line for line in ended)


def test_replaces_a_session_that_postfix_ended(postfix: Postfix) -> None:
    """Postfix tires of an idle session and says 421; the next mail goes over a new one, once."""
    log = postfix.log_from_now()
    with SMTPTransporter(**postfix.client_options("impatient")) as transporter:
        assert transporter.send(mail_to(ADA, subject="Before")).success
        log.wait_for(r"timeout after .*")
        log.wait_for(r"disconnect from .*")
        assert transporter.send(mail_to(ADA, subject="After")).success
    subjects = [
        BytesParser(policy=default).parsebytes(delivered.content)["Subject"]
        for delivered in postfix.mailbox("ada").take(2)
    ]
    assert subjects == ["Before", "After"]
    log.wait_for(r"disconnect from .* quit=1 ")


@pytest.mark.parametrize("service", ["cleartext", "submission"])
def test_threads_share_a_session(postfix: Postfix, service: str) -> None:
    """Mails that threads send at once through one transporter are all delivered, over one session."""
    mails = [mail_to(ADA, subject=f"No. {n}") for n in range(12)]
    start = threading.Barrier(len(mails))
    statuses = []
    login: TransporterOptions = LOGIN if service == "submission" else {}
    log = postfix.log_from_now()
    with SMTPTransporter(**postfix.client_options(service), **login) as transporter:

        def send(mail: Email) -> None:
            start.wait()
            statuses.append(transporter.send(mail))

        threads = [threading.Thread(target=send, args=(mail,)) for mail in mails]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(statuses) == len(mails)
    assert all(status.success for status in statuses)
    contents = {delivered.content for delivered in postfix.mailbox("ada").take(len(mails))}
    assert contents == {octets_of(mail) for mail in mails}
    assert len(log.wait_for(r": connect from")) == 1


@both
@pytest.mark.parametrize(
    ("service", "login", "code", "command"),
    [
        ("cleartext", False, 250, "EHLO"),
        ("starttls", False, 250, "EHLO"),
        ("submission", True, 235, "AUTH"),
        ("smtps", True, 235, "AUTH"),
    ],
)
def test_checks_the_connection(
    postfix: Postfix, send: Send, service: str, login: bool, code: int, command: str
) -> None:
    """A check goes as far as a mail would before MAIL, says what answered, and leaves with QUIT."""
    log = postfix.log_from_now()
    (status,) = send(**postfix.client_options(service), **(LOGIN if login else {}))
    assert (status.success, status.status, status.command) == (True, code, command)
    (ended,) = log.wait_for(r"disconnect from .*")
    assert " quit=1 " in ended
    assert "mail=" not in ended
