from __future__ import annotations

from typing import Any

import pytest

from pytest_smtp4d.faults.match import Event
from pytest_smtp4d.records.record import ReceivedMessage
from pytest_smtp4d.server.dialogue.protocol import Close
from pytest_smtp4d.server.dialogue.step import Sleep
from tests.server.dialogue.driving import ENVELOPE, HELLO, MAIL, RCPT, DrivenSession, FakeHost


def opened(host: FakeHost | None = None, **settings: Any) -> DrivenSession:
    """Return a session that said EHLO."""
    client = DrivenSession(host, **settings)
    client.open()
    return client


# -- envelopes ------------------------------------------------------------------------------------------


def test_recipients_over_the_limit() -> None:
    """452 4.5.3 for each one too many; the message goes to the others (RFC 5321 4.5.3.1.10)."""
    client = opened(recipient_limit=2)
    client.envelope("a@example.org", "b@example.org")
    assert client.ask("RCPT TO:<c@example.org>").startswith("452 4.5.3")
    client.content(b"x\r\n")
    (message,) = client.host.messages
    assert message.rcpt_to == ("a@example.org", "b@example.org")
    assert client.session.transactions[0].refused["c@example.org"].code == 452


def test_greylisting() -> None:
    """451 4.7.1 for as long as the host says so (RFC 6647); then the recipient is accepted."""
    host = FakeHost(greylist=300)
    host.is_waiting = True
    client = opened(host)
    client.ask(MAIL)
    assert client.ask(RCPT).startswith("451 4.7.1")
    host.is_waiting = False
    assert client.code(RCPT) == 250
    assert client.session.transactions[0].rcpt_to == ("bob@example.org",)


def test_a_mail_that_was_refused_is_recorded() -> None:
    """With its sender and its reply; one that names no sender, or disturbs a transaction, is none."""
    client = opened()
    client.ask("MAIL FROM:<ada@example.com> SIZE=99999999999")
    client.ask("MAIL nonsense")
    client.envelope()
    client.ask("MAIL FROM:<eve@example.net>")
    client.session._end("test")
    assert [(t.mail_from, t.reply and t.reply.code) for t in client.host.transactions] == [
        ("ada@example.com", 552),
        ("ada@example.com", None),
    ]
    assert client.session.transactions == tuple(client.host.transactions)


def test_a_mail_before_ehlo_is_recorded() -> None:
    """As a transaction that was refused: a test wants to see it."""
    client = DrivenSession()
    client.reply()
    assert client.code(MAIL) == 503
    assert [(t.mail_from, t.reply and t.reply.code) for t in client.host.transactions] == [
        ("ada@example.com", 503)
    ]


def test_a_data_that_was_refused_is_recorded() -> None:
    """The reply decided the transaction, and it can still go on."""
    host = FakeHost()
    host.rules.add("DATA", times=1).reply(451, "4.3.0 Later")
    client = opened(host)
    client.envelope()
    assert client.code("DATA") == 451
    transaction = client.session.transactions[0]
    assert transaction.reply is not None
    assert transaction.reply.code == 451
    assert client.content(b"x\r\n").startswith("250")
    assert transaction.reply.code == 250


def test_a_transaction_after_another() -> None:
    """Several in one session, RSET between, abandoned ones kept without a message."""
    client = opened()
    client.envelope(sender="one@example.com")
    client.content(b"1\r\n")
    client.envelope(sender="two@example.com")
    assert client.code("RSET") == 250
    client.envelope(sender="three@example.com")
    assert client.code("EHLO again.example.com") == 250
    client.envelope("x@example.org", "y@example.org", sender="")
    client.content(b"3\r\n")
    client.ask("QUIT")
    transactions = client.session.transactions
    senders = ["one@example.com", "two@example.com", "three@example.com", ""]
    assert [t.mail_from for t in transactions] == senders
    assert [t.message is not None for t in transactions] == [True, False, False, True]
    assert [t.reply is None for t in transactions] == [False, True, True, False]
    assert [m.content for m in client.host.messages] == [b"1\r\n", b"3\r\n"]
    assert client.host.messages[1].mail_from == ""
    assert client.host.messages[1].rcpt_to == ("x@example.org", "y@example.org")


def test_parameters_are_recorded_as_they_were_sent() -> None:
    """Their case is kept, and each recipient has its own."""
    client = opened()
    client.ask("MAIL FROM:<ada@example.com> ret=Full EnvId=Abc BODY=8bitmime")
    client.ask("RCPT TO:<bob@example.org> Notify=Success")
    client.ask("RCPT TO:<eve@example.org>")
    client.content(b"x\r\n")
    (message,) = client.host.messages
    assert message.mail_options == ("ret=Full", "EnvId=Abc", "BODY=8bitmime")
    assert message.rcpt_options == {"bob@example.org": ("Notify=Success",), "eve@example.org": ()}


def test_a_mailbox_of_utf_8() -> None:
    """RFC 6531 3.4: with SMTPUTF8 in MAIL, recipients may have it too, until the transaction ends."""
    client = opened()
    assert client.code("MAIL FROM:<ada@example.com> smtputf8") == 250
    assert client.code("RCPT TO:<jürgen@exämple.org>") == 250
    client.content(b"x\r\n")
    assert client.host.messages[0].rcpt_to == ("jürgen@exämple.org",)
    client.ask(MAIL)
    assert client.code("RCPT TO:<jürgen@exämple.org>") == 553


# -- content --------------------------------------------------------------------------------------------


def test_content_over_the_size_limit() -> None:
    """552 5.3.4 at the end of content, by DATA and by BDAT; nothing is stored, the session goes on."""
    client = opened(size_limit=1000)
    client.envelope()
    assert client.content(b"x" * 999 + b"\r\n").startswith("552 5.3.4")
    client.envelope()
    client.send(b"BDAT 600\r\n" + b"x" * 600)
    assert client.reply().startswith("250 2.0.0 600 octets")
    client.send(b"BDAT 600 LAST\r\n" + b"x" * 600)
    assert client.reply().startswith("552 5.3.4")
    client.envelope()
    client.send(b"BDAT 1001\r\n" + b"x" * 1001)
    assert client.reply().startswith("552 5.3.4")
    assert client.code("RSET") == 250
    client.envelope()
    assert client.content(b"x" * 998 + b"\r\n").startswith("250")
    assert [message.content for message in client.host.messages] == [b"x" * 998 + b"\r\n"]
    codes = [transaction.reply and transaction.reply.code for transaction in client.host.transactions]
    assert codes == [552, 552, 552, 250]


def test_content_without_a_valid_recipient() -> None:
    """A fault said 354 to it all the same: the content is read, refused, and never executed."""
    host = FakeHost()
    host.rules.add("RCPT").reply(550)
    host.rules.add("DATA").reply(354)
    client = opened(host)
    client.ask(MAIL)
    client.ask(RCPT)
    assert client.content(b"QUIT\r\n") == "554 5.5.1 No valid recipients"
    assert client.code("NOOP") == 250
    assert not host.messages


def test_content_without_a_transaction() -> None:
    """The same where there is not even a MAIL."""
    host = FakeHost()
    host.rules.add("DATA").reply(354)
    client = opened(host)
    assert client.content(b"QUIT\r\n") == "554 5.5.1 No valid recipients"
    assert client.code("NOOP") == 250
    assert not host.transactions


@pytest.mark.parametrize("line", ["DATA", "BDAT 3 LAST\r\nx"])
def test_an_inbox_that_raises(line: str) -> None:
    """451, nothing is stored, the error is kept for the verdict, and the transaction is over."""

    def raise_(message: ReceivedMessage) -> None:
        raise OSError("no space left on device")

    host = FakeHost()
    store, host.deliver = host.deliver, raise_
    client = opened(host)
    client.envelope()
    reply = client.content(b"x\r\n") if line == "DATA" else client.ask(line)
    assert reply == "451 4.3.0 Internal error"
    assert host.errors == ["the server at CONTENT: OSError: no space left on device"]
    (transaction,) = client.session.transactions
    assert transaction.message is None
    assert transaction.reply is not None
    assert transaction.reply.code == 451
    host.deliver = store
    client.envelope()
    assert client.content(b"x\r\n").startswith("250")
    assert client.session.violations == ()


def test_an_internal_error_without_enhanced_codes() -> None:
    """It is worded as every other reply (RFC 2034)."""

    def raise_(message: ReceivedMessage) -> None:
        raise OSError("no space left on device")

    host = FakeHost(extensions=())
    host.deliver = raise_
    client = opened(host)
    client.envelope()
    assert client.content(b"x\r\n") == "451 Internal error"


def test_the_reply_is_recorded_when_the_message_arrives() -> None:
    """A test that is woken by the message finds the reply that the client will get."""
    replies = []

    def look(message: ReceivedMessage) -> None:
        (transaction,) = message.session.transactions
        replies.append((transaction.message is message, transaction.reply and transaction.reply.code))

    host = FakeHost()
    host.deliver = look
    client = opened(host)
    client.envelope()
    client.content(b"x\r\n")
    assert replies == [(True, 250)]


# -- chunks ---------------------------------------------------------------------------------------------


def test_chunks_make_one_message() -> None:
    """BDAT: octets untouched, no dots, pipelined with the envelope and with QUIT (RFC 3030 4.2)."""
    client = opened()
    client.send(
        b"MAIL FROM:<ada@example.com> BODY=BINARYMIME\r\nRCPT TO:<bob@example.org>\r\n"
        b"BDAT 9\r\n.\r\n\0\n\r.\r\nBDAT 4 LAST\r\nQUITQUIT\r\n"
    )
    assert client.replies() == [250, 250, 250, 250, 221]
    assert client.host.messages[0].content == b".\r\n\0\n\r.\r\nQUIT"
    assert client.session.violations == ()


def test_a_chunk_that_is_refused_is_read_and_not_executed() -> None:
    """What a client sends as content never becomes a command; after a failure only RSET helps."""
    host = FakeHost()
    client = opened(host)
    client.send(b"BDAT 6\r\nRSET\r\nNOOP\r\n")
    assert client.reply().startswith("503")
    assert client.reply().startswith("250")
    client.envelope()
    host.rules.add("BDAT", times=1).reply(451)
    client.send(b"BDAT 1\r\nx")
    assert client.reply().startswith("451")
    client.send(b"BDAT 1 LAST\r\nx")
    assert client.reply().startswith("503 5.5.1 A chunk")
    assert client.code("DATA") == 503
    assert client.code("RSET") == 250
    client.envelope()
    client.send(b"BDAT 1 LAST\r\ny")
    assert client.reply().startswith("250")
    assert [message.content for message in host.messages] == [b"y"]


def test_a_chunk_that_a_fault_left_unanswered_has_failed() -> None:
    """`send` without `accept`: the chunk did not take effect, so the message cannot be completed."""
    host = FakeHost()
    host.rules.add("BDAT", times=1).send(b"?\r\n")
    client = opened(host)
    client.envelope()
    client.send(b"BDAT 1\r\nx")
    assert client.rest() == b"?\r\n"
    client.send(b"BDAT 1 LAST\r\nx")
    assert client.reply().startswith("503 5.5.1 A chunk")


def test_chunks_without_a_recipient() -> None:
    """554 where all were refused, 503 where none was named; the octets are read."""
    host = FakeHost()
    client = opened(host)
    client.ask(MAIL)
    client.send(b"BDAT 4\r\nQUIT")
    assert client.reply().startswith("503 5.5.1 Send RCPT first")
    host.rules.add("RCPT").reply(550)
    client.ask(RCPT)
    client.send(b"BDAT 4\r\nQUIT")
    assert client.reply().startswith("554 5.5.1 No valid recipients")
    assert client.code("NOOP") == 250


def test_chunks_are_not_executed_even_where_chunking_is_off() -> None:
    """A command that came as content stays content."""
    client = opened(extensions=[])
    client.send(b"BDAT 6\r\nQUIT\r\nNOOP\r\n")
    assert client.reply().startswith("502")
    assert client.reply().startswith("250")


@pytest.mark.parametrize("digits", [20, 21])
def test_the_length_of_a_chunk(digits: int) -> None:
    """Twenty digits are a number that waits for its octets, twenty-one are a syntax error."""
    client = opened()
    client.envelope()
    client.send(f"BDAT {'9' * digits}\r\nQUIT\r\n")
    assert client.replies() == ([] if digits == 20 else [501, 221])


def test_the_last_chunk_asks_bdat_first_then_content() -> None:
    """BDAT LAST is both stages at once."""
    host = FakeHost()
    content = host.rules.add("CONTENT").reply(452)
    host.rules.add("BDAT", times=1).reply(451)
    client = opened(host)
    client.envelope()
    client.send(b"BDAT 1 LAST\r\nx")
    assert client.reply().startswith("451")
    client.envelope()
    client.send(b"BDAT 1 LAST\r\nx")
    assert client.reply().startswith("452")
    assert content.hits == 1


# -- faults in mid-content ------------------------------------------------------------------------------

# Stage, what is sent behind the envelope, whether content is chunks: DATA and two chunks of ten octets.
BY_DATA = b"DATA\r\n"
FIRST, SECOND = b"BDAT 10\r\n", b"BDAT 10 LAST\r\n"
LETTERS = b"abcdefghij"


def cut_at(host: FakeHost, octets: bytes) -> int | None:
    """Send octets behind an envelope one by one; return how many had been sent when the server closed."""
    client = opened(host)
    client.send(ENVELOPE)
    for count, octet in enumerate(octets, 1):
        client.send(bytes([octet]))
        if client.closed is not None:
            return count
    return None


@pytest.mark.parametrize(
    ("stage", "octets", "sent", "cut"),
    [
        ("CONTENT", 0, BY_DATA + LETTERS, len(BY_DATA) + 1),  # at the first octet
        ("CONTENT", 0, b"BDAT 0 LAST\r\n", len(b"BDAT 0 LAST\r\n")),  # an empty chunk has them all
        ("BDAT", 0, b"BDAT 0\r\nBDAT 0 LAST\r\n", len(b"BDAT 0\r\n")),
        ("CONTENT", 1, b"BDAT 0 LAST\r\n", None),
        ("CONTENT", 1, BY_DATA + LETTERS, len(BY_DATA) + 1),
        ("CONTENT", 7, BY_DATA + LETTERS, len(BY_DATA) + 7),
        (
            "CONTENT",
            12,
            BY_DATA + LETTERS + b"\r\n.\r\n",
            len(BY_DATA) + 15,
        ),  # with the end: before the reply
        ("CONTENT", 13, BY_DATA + LETTERS + b"\r\n.\r\n", None),
        ("CONTENT", 3, BY_DATA + b"..\r\n.\r\n", len(BY_DATA) + 7),  # a stuffed dot is not counted
        ("CONTENT", 4, BY_DATA + b"..\r\n.\r\n", None),
        ("BDAT", 7, FIRST + LETTERS, len(FIRST) + 7),
        ("BDAT", 10, FIRST + LETTERS, len(FIRST) + 10),
        ("BDAT", 11, FIRST + LETTERS + SECOND + LETTERS, None),  # a chunk's octets
        ("CONTENT", 15, FIRST + LETTERS + SECOND + LETTERS, len(FIRST + LETTERS + SECOND) + 5),  # all chunks'
        ("CONTENT", 20, FIRST + LETTERS + SECOND + LETTERS, len(FIRST + LETTERS + SECOND) + 10),
        ("CONTENT", 21, FIRST + LETTERS + SECOND + LETTERS, None),
    ],
)
def test_a_cut_in_mid_content(stage: str, octets: int, sent: bytes, cut: int | None) -> None:
    """The connection is closed with the octet that makes the number full, and nothing is stored."""
    host = FakeHost()
    fault = host.rules.add(stage).disconnect(after_octets=octets)
    assert cut_at(host, sent) == cut
    assert fault.hits == (cut is not None)
    assert len(host.messages) == (cut is None)


@pytest.mark.parametrize("abort", [False, True])
@pytest.mark.parametrize("octets", range(11))
def test_a_cut_says_what_it_was_given(octets: int, abort: bool) -> None:
    """With a reply before it, that reply is written there, after a delay; the rest is thrown away."""
    host = FakeHost()
    host.rules.add("CONTENT").delay(3).reply(451, "4.3.0 Enough").disconnect(abort, after_octets=octets)
    client = opened(host)
    client.envelope()
    client.ask("DATA")
    client.log.clear()
    client.send(LETTERS + b"\r\n.\r\nNOOP\r\n")
    steps = [step for step in client.log if isinstance(step, (bytes, Sleep))]
    assert steps == [Sleep(3), b"451 4.3.0 Enough\r\n"]
    assert client.closed == Close(abort=abort, notify=False)
    assert client.session.ended == "disconnected at CONTENT"
    assert not host.messages
    (transaction,) = client.session.transactions
    assert (str(transaction.reply), transaction.message) == ("451 4.3.0 Enough", None)


def test_a_cut_without_a_reply_decides_nothing() -> None:
    """The transaction was abandoned: it has no reply."""
    host = FakeHost()
    host.rules.add("CONTENT").disconnect(after_octets=3)
    assert cut_at(host, BY_DATA + LETTERS) is not None
    assert host.transactions[0].reply is None


def test_a_cut_without_a_transaction() -> None:
    """A chunk that nobody asked for is cut like another."""
    host = FakeHost()
    host.rules.add("BDAT").reply(451, "4.3.0 Enough").disconnect(after_octets=3)
    client = opened(host)
    client.send(FIRST + LETTERS)
    assert client.reply() == "451 4.3.0 Enough"
    assert client.session.ended == "disconnected at BDAT"
    assert host.transactions == []


def test_a_421_in_mid_content_ends_the_session() -> None:
    """It closes of itself (RFC 5321 3.8)."""
    host = FakeHost()
    host.rules.add("BDAT").reply(421, "4.3.2 Bye").disconnect(after_octets=3)
    client = opened(host)
    client.envelope()
    client.send(FIRST + LETTERS)
    assert client.reply() == "421 4.3.2 Bye"
    assert client.session.ended == "421"


def test_a_predicate_sees_the_content_so_far() -> None:
    """It is asked at each number of octets once, in their order, and may let content pass."""
    seen: list[bytes | None] = []

    def remember(event: Event) -> bool:
        seen.append(event.content)
        return False

    host = FakeHost()
    for octets in (4, 2, 8):
        host.rules.add("CONTENT", remember).disconnect(after_octets=octets)
    assert cut_at(host, BY_DATA + LETTERS + b"\r\n.\r\n") is None
    assert seen == [b"ab", b"abcd", b"abcdefgh"]
    assert [message.content for message in host.messages] == [LETTERS + b"\r\n"]


def closed(client: DrivenSession) -> bool:
    """Return whether the server has closed by now."""
    return client.closed is not None


def test_a_number_that_is_passed_in_one_chunk_is_not_asked_again_in_the_next() -> None:
    """`after=1` lets one message pass, however many chunks it has."""
    host = FakeHost()
    fault = host.rules.add("CONTENT", after=1).disconnect(after_octets=5)
    client = opened(host)
    client.send(ENVELOPE + FIRST + LETTERS + FIRST + LETTERS + SECOND + LETTERS)
    assert not closed(client)
    assert (fault.hits, len(host.messages)) == (0, 1)
    client.send(ENVELOPE + FIRST + LETTERS)
    assert closed(client)
    assert fault.hits == 1


def test_a_cut_by_a_number_and_a_refusal_at_the_end() -> None:
    """The rule of mid-content is asked there only, the other at the end only."""
    host = FakeHost()
    host.rules.add("CONTENT").disconnect(after_octets=100)
    host.rules.add("CONTENT").reply(554, "5.6.0 Spam")
    client = opened(host)
    client.envelope()
    assert client.content(b"short\r\n") == "554 5.6.0 Spam"
    client.envelope()
    client.ask("DATA")
    client.send(b"x" * 100)
    assert client.closed is not None


def test_a_helo_is_no_hindrance() -> None:
    """A transaction after HELO is the same, without parameters."""
    client = DrivenSession()
    client.open("HELO client.example.com")
    client.envelope()
    assert client.content(b"x\r\n").startswith("250")
    assert HELLO not in str(client.session.transcript)
