"""Replies: codes, severities, enhanced codes (RFC 5321 4.2, RFC 3463)."""

from __future__ import annotations

import pytest

from pytest_smtp4d.smtp.reply import Reply, Severity


@pytest.mark.parametrize(
    ("code", "text", "enhanced"),
    [
        (550, "5.1.1 No such user", "5.1.1"),
        (250, "2.0.0", "2.0.0"),
        (550, "5.1.1", "5.1.1"),
        (550, "5.1.1234 no", None),
        (550, "No 5.1.1 here", None),
        (550, "4.2.0 of another class", None),
        (354, "3.0.0 there is no class 3", None),
        (451, "4.7.1 one\n4.7.1 two", "4.7.1"),
        (250, "", None),
    ],
)
def test_the_enhanced_code_heads_the_text(code: int, text: str, enhanced: str | None) -> None:
    """It is read where it stands, and left there."""
    reply = Reply(code, text)
    assert (reply.enhanced_code, reply.text) == (enhanced, text)
    assert reply == Reply(code, text, enhanced)


@pytest.mark.parametrize(
    ("code", "severity", "positive", "transient", "permanent"),
    [
        (220, Severity.POSITIVE, True, False, False),
        (334, Severity.INTERMEDIATE, True, False, False),
        (421, Severity.TRANSIENT, False, True, False),
        (554, Severity.PERMANENT, False, False, True),
    ],
)
def test_the_first_digit_is_the_severity(
    code: int, severity: Severity, positive: bool, transient: bool, permanent: bool
) -> None:
    """What a client decides by is the first digit."""
    reply = Reply(code, "x")
    assert reply.severity is severity
    assert (reply.is_positive, reply.is_transient, reply.is_permanent) == (positive, transient, permanent)


def test_a_reply_prints_as_it_is_read() -> None:
    """The text of a reply is its code and its text; lines are apart."""
    assert str(Reply(250, "one\ntwo")) == "250 one\ntwo"
    assert str(Reply(250)) == "250"
    assert Reply(250, "one\ntwo").lines == ["one", "two"]
