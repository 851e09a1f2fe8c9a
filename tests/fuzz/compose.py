"""Fuzzes composing a mail object of any shape: `python -m tests.fuzz compose -max_total_time=600`."""

from __future__ import annotations

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.charset import MailMode
from tests.fuzz.values import document_of
from tests.mail.round_trip import assert_stable, check_lines, octets_of

SEEDS = [
    b"0from:t:ada@example.com\nto:address:Bob|bob@example.org\nsubject:t:Gr\xc3\xbc\xc3\x9fe\ntextBody:t:Hello",
    b"3from:list:a@example.com,b@example.com\nsender:t:c@example.com\nhtmlBody:t:<b>x</b>\nsendAt:t:2026-01-31T09:30:00Z",
    b"5from:t:a@example.com\ntextBody:t:\xe6\x97\xa5\xe6\x9c\xac\\nx\nattachments:attachments:x.pdf|inline|PDF",
    b"1from:t:a@example.com\nheaders:headers:X-Id|1,List-Unsubscribe|<https://example.com/>\nkeywords:flags:a,b",
    b"2from:t:a@example.com\nbodyStructure:structure:text/plain,text/html,image/png\nbodyValues:values:0|x,1|<p>",
    b"4messageId:t:<a@b>\ninReplyTo:t:<c@d>\nreferences:list:a@b,c@d\ncomments:t:x\\r\\ny\nreplyTo:addresses:Z|z@example.com",
    b"0id:t:x\nreceivedAt:t:2026-01-31T09:30:00Z\nsize:number:5\ncc:none:\nbcc:set:a@example.com",
]
_MODES = list(MailMode)


def one_input(octets: bytes) -> None:
    """Compose a document: a MailError, or octets that SMTP can carry and that are read the same twice."""
    choice = octets[0] if octets else 0
    try:
        composed = octets_of(
            document_of(octets[1:]),
            header_charset=_MODES[choice % len(_MODES)],
            body_charset=_MODES[choice // 4 % len(_MODES)],
            eightbit=bool(choice & 1),
            utf8=bool(choice & 2),
        )
    except MailError as error:
        assert str(error)  # noqa: PT017 - it says something
        return
    check_lines(composed, ascii_only=False)
    assert_stable(composed)
