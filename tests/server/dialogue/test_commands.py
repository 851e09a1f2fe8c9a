"""The conformance table: which reply to which command in which state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_smtp4d.server.server import SMTPServer
    from tests.server.conftest import Connect, RawClient

# What was said before, by name. Each line of a state is answered positively.
STATES = {
    "connected": (),
    "HELO": ("HELO client.example.com",),
    "EHLO": ("EHLO client.example.com",),
    "MAIL": ("EHLO client.example.com", "MAIL FROM:<ada@example.com>"),
    "RCPT": ("EHLO client.example.com", "MAIL FROM:<ada@example.com>", "RCPT TO:<bob@example.org>"),
    "BINARYMIME": (
        "EHLO client.example.com",
        "MAIL FROM:<ada@example.com> BODY=BINARYMIME",
        "RCPT TO:<bob@example.org>",
    ),
}

# (state, command, reply): RFC 5321 4.1 to 4.5, and the RFC of each extension. Every reply but those to HELO
# and EHLO carries its enhanced code (RFC 2034 3).
TABLE = [
    # RFC 5321 4.1.1.1
    ("connected", "HELO client.example.com", "250 localhost"),
    ("connected", "HELO", "501 Syntax: HELO hostname"),
    ("connected", "EHLO", "501 Syntax: EHLO hostname"),
    ("connected", "ehlo client.example.com", "250-localhost"),
    ("EHLO", "HELO client.example.com", "250 localhost"),
    ("RCPT", "EHLO again.example.com", "250-localhost"),
    # RFC 5321 4.1.4: the order
    ("connected", "MAIL FROM:<ada@example.com>", "503 5.5.1"),
    ("connected", "RCPT TO:<bob@example.org>", "503 5.5.1"),
    ("connected", "DATA", "503 5.5.1"),
    ("connected", "BDAT 0 LAST", "503 5.5.1"),
    ("connected", "STARTTLS", "503 5.5.1"),
    ("connected", "AUTH PLAIN", "502 5.5.1"),
    ("EHLO", "RCPT TO:<bob@example.org>", "503 5.5.1"),
    ("EHLO", "DATA", "503 5.5.1"),
    ("EHLO", "BDAT 0 LAST", "503 5.5.1"),
    ("MAIL", "MAIL FROM:<ada@example.com>", "503 5.5.1"),
    ("MAIL", "DATA", "503 5.5.1"),
    ("MAIL", "BDAT 0 LAST", "503 5.5.1"),
    # RFC 5321 4.1.1.2: MAIL
    ("EHLO", "MAIL FROM:<ada@example.com>", "250 2.1.0"),
    ("HELO", "MAIL FROM:<ada@example.com>", "250 2.1.0"),
    ("EHLO", "mail from:<ada@example.com>", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<>", "250 2.1.0"),
    ("EHLO", "MAIL FROM: <ada@example.com>", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<@relay.example.net:ada@example.com>", "250 2.1.0"),
    ("EHLO", 'MAIL FROM:<"ada lovelace"@example.com>', "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@[127.0.0.1]>", "250 2.1.0"),
    ("EHLO", "MAIL", "501 5.5.4"),
    ("EHLO", "MAIL ada@example.com", "501 5.5.4"),
    ("EHLO", "MAIL FROM:ada@example.com", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada b@example.com>", "501 5.5.4"),
    ("EHLO", "MAIL TO:<ada@example.com>", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com>>", "501 5.5.4"),
    # RFC 5321 4.1.1.3: RCPT
    ("MAIL", "RCPT TO:<bob@example.org>", "250 2.1.5"),
    ("MAIL", "RCPT TO:<postmaster>", "250 2.1.5"),
    ("MAIL", "RCPT TO:<>", "501 5.5.4"),
    ("MAIL", "RCPT TO:bob@example.org", "501 5.5.4"),
    ("MAIL", "RCPT", "501 5.5.4"),
    # RFC 5321 4.1.1.4: DATA
    ("RCPT", "DATA", "354 End data"),
    ("RCPT", "DATA now", "501 5.5.4"),
    # RFC 5321 4.1.1.5 to 4.1.1.10
    ("connected", "RSET", "250 2.0.0"),
    ("RCPT", "RSET", "250 2.0.0"),
    ("EHLO", "RSET all", "501 5.5.4"),
    ("connected", "VRFY ada", "252 2.5.0"),
    ("EHLO", "VRFY", "501 5.5.4"),
    ("EHLO", "EXPN list", "502 5.5.1"),
    ("connected", "HELP", "214 2.0.0"),
    ("EHLO", "HELP mail", "214 2.0.0 Syntax: MAIL FROM:<mailbox> [parameters]"),
    ("EHLO", "HELP XYZZY", "504 5.5.4"),
    ("connected", "NOOP", "250 2.0.0"),
    ("RCPT", "NOOP with words", "250 2.0.0"),
    ("connected", "QUIT", "221 2.0.0"),
    ("RCPT", "QUIT", "221 2.0.0"),
    ("EHLO", "QUIT now", "501 5.5.4"),
    # RFC 5321 4.2.4, 4.5.3.1.4: what is no command
    ("connected", "XYZZY", "500 5.5.1"),
    ("EHLO", "", "500 5.5.1"),
    ("EHLO", " NOOP", "500 5.5.1"),
    ("EHLO", "NOOP\0", "500 5.5.2"),
    ("EHLO", "NOOP " + "x" * 600, "500 5.5.2"),
    ("EHLO", "NOOP " + "x" * 500, "250 2.0.0"),
    ("EHLO", "x" * 20_000, "500 5.5.2"),
    # RFC 1870: SIZE
    ("EHLO", "MAIL FROM:<ada@example.com> SIZE=1000", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> size=0", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> SIZE=99999999", "552 5.3.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> SIZE=big", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> SIZE", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> SIZE=1 SIZE=2", "501 5.5.4"),
    # RFC 6152, RFC 3030: BODY
    ("EHLO", "MAIL FROM:<ada@example.com> BODY=8BITMIME", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> BODY=7bit", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> BODY=BINARYMIME", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> BODY=9BIT", "501 5.5.4"),
    ("BINARYMIME", "DATA", "503 5.5.1"),
    ("BINARYMIME", "BDAT 0 LAST", "250 2.0.0"),
    # RFC 3030: BDAT
    ("RCPT", "BDAT", "501 5.5.4"),
    ("RCPT", "BDAT x", "501 5.5.4"),
    ("RCPT", "BDAT -1", "501 5.5.4"),
    ("RCPT", "BDAT 0 FIRST", "501 5.5.4"),
    ("RCPT", "BDAT 0", "250 2.0.0"),
    ("RCPT", "bdat 0 last", "250 2.0.0"),
    # RFC 6531: SMTPUTF8
    ("EHLO", "MAIL FROM:<jürgen@example.com> SMTPUTF8", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<jürgen@example.com>", "553 5.6.7"),
    ("MAIL", "RCPT TO:<jürgen@example.com>", "553 5.6.7"),
    ("EHLO", "MAIL FROM:<ada@example.com> SMTPUTF8=yes", "501 5.5.4"),
    # RFC 3461: DSN
    ("EHLO", "MAIL FROM:<ada@example.com> RET=HDRS ENVID=QQ314159", "250 2.1.0"),
    ("EHLO", "MAIL FROM:<ada@example.com> RET=ALL", "501 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> ENVID=a=b", "501 5.5.4"),
    ("MAIL", "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@example.org", "250 2.1.5"),
    ("MAIL", "RCPT TO:<bob@example.org> NOTIFY=NEVER,DELAY", "501 5.5.4"),
    ("MAIL", "RCPT TO:<bob@example.org> ORCPT=bob@example.org", "501 5.5.4"),
    # RFC 5321 4.1.1.11: parameters nobody offered
    ("EHLO", "MAIL FROM:<ada@example.com> XYZZY=1", "555 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> AUTH=<>", "555 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> REQUIRETLS", "555 5.5.4"),
    ("MAIL", "RCPT TO:<bob@example.org> SIZE=1", "555 5.5.4"),
    ("HELO", "MAIL FROM:<ada@example.com> SIZE=1", "555 5.5.4"),
    ("EHLO", "MAIL FROM:<ada@example.com> =", "501 5.5.4"),
    # RFC 3207: STARTTLS
    ("EHLO", "STARTTLS", "220 2.0.0"),
    ("EHLO", "STARTTLS now", "501 5.5.4"),
    # RFC 4954: AUTH, where nobody can log in
    ("EHLO", "AUTH PLAIN", "502 5.5.1"),
]


@pytest.mark.smtp_server(strict=False)
@pytest.mark.parametrize(("state", "command", "reply"), TABLE)
def test_the_reply_to_a_command_in_a_state(client: RawClient, state: str, command: str, reply: str) -> None:
    """The conformance table, row by row."""
    assert client.reply() == "220 localhost ESMTP pytest-smtp4d"
    for line in STATES[state]:
        assert client.ask(line)[0] == "2"
    answer = client.ask(command)
    assert answer.startswith(reply)
    if answer[0] in "245" and not command.upper().startswith(("HELO", "EHLO")):
        assert answer[4:6] == f"{answer[0]}."


def settings(**values: Any) -> pytest.MarkDecorator:
    """Mark a test with settings under which violations fail nothing."""
    return pytest.mark.smtp_server(strict=False, **values)


# (extension switched off, state, command, reply)
SWITCHED_OFF = [
    ("SIZE", "EHLO", "MAIL FROM:<ada@example.com> SIZE=1", "555 5.5.4"),
    ("8BITMIME", "EHLO", "MAIL FROM:<ada@example.com> BODY=8BITMIME", "555 5.5.4"),
    ("BINARYMIME", "EHLO", "MAIL FROM:<ada@example.com> BODY=BINARYMIME", "555 5.5.4"),
    ("SMTPUTF8", "EHLO", "MAIL FROM:<ada@example.com> SMTPUTF8", "555 5.5.4"),
    ("DSN", "EHLO", "MAIL FROM:<ada@example.com> RET=FULL", "555 5.5.4"),
    ("DSN", "MAIL", "RCPT TO:<bob@example.org> NOTIFY=NEVER", "555 5.5.4"),
    ("CHUNKING", "RCPT", "BDAT 0 LAST", "502 5.5.1"),
    ("ENHANCEDSTATUSCODES", "EHLO", "NOOP", "250 OK"),
    ("ENHANCEDSTATUSCODES", "EHLO", "XYZZY", "500 Command not recognized"),
]


@settings()
@pytest.mark.parametrize(("extension", "state", "command", "reply"), SWITCHED_OFF)
def test_an_extension_that_is_switched_off(
    smtp_server: SMTPServer, connect: Connect, extension: str, state: str, command: str, reply: str
) -> None:
    """It is not in the reply to EHLO, and what belongs to it is refused."""
    smtp_server.configure(extensions=[name for name in smtp_server.settings.extensions if name != extension])
    client = connect()
    client.reply()
    for line in STATES[state]:
        answer = client.ask(line)
        if line.startswith("EHLO"):
            assert extension not in answer
        assert answer[0] == "2"
    assert client.ask(command).startswith(reply)


@settings(extensions=["REQUIRETLS", "DELIVERBY", "MT-PRIORITY", "SIZE"], size_limit=None)
def test_other_extensions_are_offered_and_their_parameters_recorded(
    smtp_server: SMTPServer, client: RawClient
) -> None:
    """REQUIRETLS (under TLS only), BY and MT-PRIORITY change nothing; a limitless SIZE is 0."""
    plain = ["250-localhost", "250-DELIVERBY", "250-MT-PRIORITY", "250-SIZE 0", "250 STARTTLS"]
    assert client.open().splitlines() == plain
    assert client.code("MAIL FROM:<ada@example.com> REQUIRETLS") == 555
    client.ask("STARTTLS")
    client.start_tls()
    assert client.ask("EHLO client.example.com").splitlines() == [
        "250-localhost",
        "250-REQUIRETLS",
        "250-DELIVERBY",
        "250-MT-PRIORITY",
        "250 SIZE 0",
    ]
    options = ("REQUIRETLS", "BY=120;R", "MT-PRIORITY=3")
    assert client.code(f"MAIL FROM:<ada@example.com> {' '.join(options)}") == 250
    assert smtp_server.transactions[1].mail_options == options


@settings(esmtp=False)
def test_a_server_of_the_helo_age(smtp_server: SMTPServer, client: RawClient) -> None:
    """EHLO gets 502; HELO does; no reply has an enhanced code; parameters and BDAT are unknown."""
    assert client.reply() == "220 localhost SMTP pytest-smtp4d"
    assert client.ask("EHLO client.example.com") == "502 Command not implemented"
    assert client.ask("HELO client.example.com") == "250 localhost"
    assert client.ask("MAIL FROM:<ada@example.com> SIZE=1").startswith("555 MAIL parameter")
    assert client.ask("MAIL FROM:<ada@example.com>") == "250 OK"
    assert client.ask("RCPT TO:<bob@example.org>") == "250 OK"
    assert client.code("BDAT 0 LAST") == 502
    assert client.content(b"Subject: x\r\n\r\n") == "250 OK: queued"
    assert smtp_server.messages.one().session.client_name == "client.example.com"


@settings(require_tls=True)
@pytest.mark.parametrize(
    "command",
    [
        "HELO x",
        "MAIL FROM:<>",
        "RCPT TO:<a@example.com>",
        "DATA",
        "RSET",
        "HELP",
        "VRFY x",
        "AUTH PLAIN",
        "BDAT 0",
        "XYZZY",
    ],
)
def test_before_tls_where_it_is_required(client: RawClient, command: str) -> None:
    """RFC 3207 4: everything but NOOP, EHLO, STARTTLS and QUIT gets 530."""
    client.reply()
    assert client.ask(command).startswith("530 5.7.0")
    assert client.code("NOOP") == 250
    assert client.code("EHLO client.example.com") == 250


@settings(require_tls=True)
def test_after_tls_where_it_is_required(client: RawClient) -> None:
    """Then everything is as usual."""
    client.open()
    assert client.code("STARTTLS") == 220
    client.start_tls()
    assert client.code("EHLO client.example.com") == 250
    assert client.code("MAIL FROM:<ada@example.com>") == 250


@settings(recipient_limit=2)
def test_recipients_over_the_limit(smtp_server: SMTPServer, client: RawClient) -> None:
    """452 4.5.3 for each one too many; the message goes to the others (RFC 5321 4.5.3.1.10)."""
    client.open()
    client.envelope("a@example.org", "b@example.org")
    assert client.ask("RCPT TO:<c@example.org>").startswith("452 4.5.3")
    client.content(b"x\r\n")
    assert smtp_server.messages.one().rcpt_to == ("a@example.org", "b@example.org")
    assert smtp_server.transactions[0].refused["c@example.org"].code == 452


@settings(size_limit=1000)
def test_content_over_the_size_limit(smtp_server: SMTPServer, client: RawClient) -> None:
    """552 5.3.4 at the end of content, by DATA and by BDAT; nothing is stored, the session goes on."""
    client.open()
    client.envelope()
    assert client.content(b"x" * 999 + b"\r\n").startswith("552 5.3.4")
    client.envelope()
    client.send(b"BDAT 600\r\n" + b"x" * 600)
    assert client.reply().startswith("250 2.0.0 600 octets")
    client.send(b"BDAT 600 LAST\r\n" + b"x" * 600)
    assert client.reply().startswith("552 5.3.4")
    client.envelope()
    assert client.content(b"x" * 998 + b"\r\n").startswith("250")
    assert len(smtp_server.messages) == 1
    assert [transaction.reply.code for transaction in smtp_server.transactions if transaction.reply] == [
        552,
        552,
        250,
    ]


@settings(greylist=300)
def test_greylisting_goes_by_the_clock_that_the_test_moves(
    smtp_server: SMTPServer, client: RawClient
) -> None:
    """451 4.7.1 until `greylist` seconds after the first try, per sender and recipient (RFC 6647)."""
    client.open()
    client.ask("MAIL FROM:<ada@example.com>")
    assert client.ask("RCPT TO:<bob@example.org>").startswith("451 4.7.1")
    smtp_server.advance(299)
    assert client.code("RCPT TO:<bob@example.org>") == 451
    smtp_server.advance(1)
    assert client.code("RCPT TO:<bob@example.org>") == 250
    assert client.code("RCPT TO:<eve@example.org>") == 451
    client.ask("RSET")
    client.ask("MAIL FROM:<other@example.com>")
    assert client.code("RCPT TO:<bob@example.org>") == 451
    with pytest.raises(ValueError, match="forward"):
        smtp_server.advance(-1)


def test_a_transaction_after_another(smtp_server: SMTPServer, client: RawClient) -> None:
    """Several in one session, RSET between, abandoned ones kept without a message."""
    client.open()
    client.envelope(sender="one@example.com")
    client.content(b"1\r\n")
    client.envelope(sender="two@example.com")
    assert client.code("RSET") == 250
    client.envelope("x@example.org", "y@example.org", sender="")
    client.content(b"3\r\n")
    client.ask("QUIT")
    (session,) = smtp_server.sessions
    assert [t.mail_from for t in session.transactions] == ["one@example.com", "two@example.com", ""]
    assert [t.message is not None for t in session.transactions] == [True, False, True]
    assert [t.reply is None for t in session.transactions] == [False, True, False]
    assert [m.content for m in smtp_server.messages] == [b"1\r\n", b"3\r\n"]
    assert smtp_server.messages[1].mail_from == ""
    assert smtp_server.messages[1].rcpt_to == ("x@example.org", "y@example.org")


def test_parameters_are_recorded_as_they_were_sent(smtp_server: SMTPServer, client: RawClient) -> None:
    """Their case is kept, and each recipient has its own."""
    client.open()
    client.ask("MAIL FROM:<ada@example.com> ret=Full EnvId=Abc BODY=8bitmime")
    client.ask("RCPT TO:<bob@example.org> Notify=Success")
    client.ask("RCPT TO:<eve@example.org>")
    client.content(b"x\r\n")
    message = smtp_server.messages.one()
    assert message.mail_options == ("ret=Full", "EnvId=Abc", "BODY=8bitmime")
    assert message.rcpt_options == {"bob@example.org": ("Notify=Success",), "eve@example.org": ()}


def test_chunks_make_one_message(smtp_server: SMTPServer, client: RawClient) -> None:
    """BDAT: octets untouched, no dots, pipelined with the envelope and with QUIT (RFC 3030 4.2)."""
    client.open()
    client.send(
        b"MAIL FROM:<ada@example.com> BODY=BINARYMIME\r\nRCPT TO:<bob@example.org>\r\n"
        b"BDAT 9\r\n.\r\n\0\n\r.\r\nBDAT 4 LAST\r\nQUITQUIT\r\n"
    )
    codes = [client.reply()[:3] for _ in range(5)]
    assert codes == ["250", "250", "250", "250", "221"]
    assert smtp_server.messages.one().content == b".\r\n\0\n\r.\r\nQUIT"
    assert smtp_server.sessions[0].violations == ()


@settings()
def test_a_chunk_that_is_refused_is_read_and_not_executed(smtp_server: SMTPServer, client: RawClient) -> None:
    """What a client sends as content never becomes a command; after a failure only RSET helps."""
    client.open()
    client.send(b"BDAT 6\r\nRSET\r\nNOOP\r\n")
    assert client.reply().startswith("503")
    assert client.reply().startswith("250")
    client.envelope()
    smtp_server.on("BDAT", times=1).reply(451)
    client.send(b"BDAT 1\r\nx")
    assert client.reply().startswith("451")
    client.send(b"BDAT 1 LAST\r\nx")
    assert client.reply().startswith("503 5.5.1 A chunk")
    assert client.code("DATA") == 503
    assert client.code("RSET") == 250
    client.envelope()
    client.send(b"BDAT 1 LAST\r\ny")
    assert client.reply().startswith("250")
    assert smtp_server.messages.one().content == b"y"


@settings(extensions=[])
def test_chunks_are_not_executed_even_where_chunking_is_off(client: RawClient) -> None:
    """A command that came as content stays content."""
    client.open()
    client.send(b"BDAT 6\r\nQUIT\r\nNOOP\r\n")
    assert client.reply().startswith("502")
    assert client.reply().startswith("250")
