"""Fuzzes addresses, from text to command and back: `python -m tests.fuzz addresses -max_total_time=600`."""

from __future__ import annotations

from pytest_smtp4d.errors import LocalProtocolError, MailError
from pytest_smtp4d.mail.address import parse_addresses, read_addresses, read_entries
from pytest_smtp4d.mail.compose import Composer
from pytest_smtp4d.mail.parse import mail_convert_from_mime
from pytest_smtp4d.smtp import command
from pytest_smtp4d.smtp.envelope import Envelope, MalformedPath, is_mailbox, parse_path
from tests.mail.round_trip import octets_of

SEEDS = [
    b"ada@example.com",
    b"Ada Lovelace <ada@example.com>, bob@example.org; c@[192.0.2.1]",
    b'"Bob \\"B\\" (x)" <bob@example.org> (comment), Team: a@b.example, c@d.example;',
    "Zoë <zoë@exämple.com>, =?utf-8?q?Z=C3=B6e?= <z@xn--exmple-cua.com>".encode(),
    b'<@route.example:a@b.example>, "a b"@c.example, a . b @ c . example',
    b"a@[IPv6:2001:db8::1] TO:<b@c> SIZE=1 SMTPUTF8",
    b"undisclosed-recipients:; , , root (Cron Daemon)",
]


def one_input(octets: bytes) -> None:
    """Read a list of addresses: what is accepted can be sent, and the other side reads it as it was meant."""
    text = octets.decode("utf-8", "replace")
    lenient = read_addresses(text)
    read_entries(text)
    try:
        strict = parse_addresses(text, "to")
    except MailError:
        strict = []
    else:
        assert strict == lenient
    _check_path(text, "FROM")
    _check_path(text, "TO")
    if strict:
        _check_way(text)


def _check_path(argument: str, keyword: str) -> None:
    """Read it as the argument of a command, which the server does."""
    try:
        path = parse_path(argument, keyword)
    except MalformedPath as error:
        assert error.enhanced_code.startswith("5.")  # noqa: PT017 - for the reply
    else:
        assert path.mailbox == "" or is_mailbox(path.mailbox)


def _check_way(text: str) -> None:
    """Check the way of addresses that were accepted: envelope, command, header."""
    mail = {"from": "ada@example.com", "to": text}
    try:
        mail_from, rcpt_to = Composer(mail).envelope()
        envelope = Envelope(mail_from, rcpt_to)
        octets = octets_of(mail, utf8=Composer(mail).needs_utf8)
    except (MailError, LocalProtocolError):
        return
    for mailbox in envelope.rcpt_to:
        try:
            line = command.rcpt(mailbox)
        except LocalProtocolError:
            continue  # longer than a command line
        assert line.count(b"\r\n") == 1
        assert parse_path(line.decode()[5:-2], "TO").mailbox == mailbox
    again = mail_convert_from_mime(octets)
    assert Composer(again).envelope() == (mail_from, rcpt_to)
