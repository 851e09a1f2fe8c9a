"""The status object: 4D's three members and ours."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_smtp4d import SMTPStatusError
from pytest_smtp4d.errors import Cause, Problem
from pytest_smtp4d.smtp.reply import Reply
from pytest_smtp4d.transporter.status import FAILED_TO_SEND, Status

REFUSED = Status._from_reply(
    Reply(550, "5.1.1 No such user"),
    "RCPT",
    success=False,
    refused={"b@example.org": Reply(550, "5.1.1 No such user")},
)
SENT = Status._from_reply(Reply(250, "2.0.0 Queued"), "CONTENT", success=True)
PROBLEM = Problem(Cause.CONNECTION_REFUSED, "smtp.example.com:587 refused the connection", "CONNECT")
UNSENT = Status._from_problem(PROBLEM, FAILED_TO_SEND)
UNCHECKED = Status._from_problem(PROBLEM)


def test_a_status_is_true_when_it_succeeded() -> None:
    """`if status:` and `assert status` read as they should."""
    assert SENT
    assert not REFUSED
    assert not UNSENT


@pytest.mark.parametrize(
    ("status", "enhanced", "transient", "permanent"),
    [
        (SENT, "2.0.0", False, False),
        (REFUSED, "5.1.1", False, True),
        (Status(False, 451, "4.7.1 Later", (), "RCPT"), "4.7.1", True, False),
        (UNSENT, None, False, False),
    ],
)
def test_what_follows_from_the_code(
    status: Status, enhanced: str | None, transient: bool, permanent: bool
) -> None:
    """Enhanced code and severity; without a reply, neither."""
    assert (status.enhanced_code, status.is_transient, status.is_permanent) == (
        enhanced,
        transient,
        permanent,
    )


def test_the_object_is_what_4d_documents() -> None:
    """S16, S17, I4, R7: three members; errors only for a check that no reply decided."""
    assert SENT.as_object() == {"success": True, "status": 250, "statusText": "2.0.0 Queued"}
    assert UNSENT.as_object() == {"success": False, "status": 0, "statusText": "Failed to send email"}
    message = "smtp.example.com:587 refused the connection: check the port, and that the server is running"
    assert UNCHECKED.as_object() == {
        "success": False,
        "status": 0,
        "statusText": message,
        "errors": [{"errCode": 1102, "message": message, "componentSignature": "srvr"}],
    }


def test_a_problem_is_in_errors_whoever_asked() -> None:
    """The reason of a failed send is there, though its text is 4D's."""
    assert [error["errCode"] for error in UNSENT.errors] == [1102]
    assert REFUSED.errors == ()


def test_both_spellings_and_read_only() -> None:
    """`statusText` is `status_text`; neither is assigned."""
    status: Any = REFUSED
    assert status.statusText == status.status_text == "5.1.1 No such user"
    assert status.enhancedCode == "5.1.1"
    assert status.isPermanent is True
    assert status.asObject() == status.as_object()
    for name in ("success", "status_text", "statusText"):
        with pytest.raises(AttributeError):
            setattr(status, name, "x")
    with pytest.raises(TypeError):
        status.refused["x"] = None
    with pytest.raises(AttributeError, match=r"did you mean 'statusText'\?"):
        status.statusTxt  # noqa: B018


def test_raise_for_status() -> None:
    """Success comes back; failure is raised, with the status and its reason."""
    assert SENT.raise_for_status() is SENT
    with pytest.raises(SMTPStatusError, match=r"^RCPT: 550 5\.1\.1 No such user$") as caught:
        REFUSED.raise_for_status()
    assert caught.value.status is REFUSED
    with pytest.raises(SMTPStatusError, match=r"CONNECT: smtp\.example\.com:587 refused the connection"):
        UNSENT.raise_for_status()


def test_the_repr_begins_with_what_decided() -> None:
    """It is what pytest prints for `assert status.success`."""
    assert repr(REFUSED) == "Status(RCPT: '550 5.1.1 No such user', refused=['b@example.org'], success=False)"
    assert repr(SENT) == "Status(CONTENT: '250 2.0.0 Queued', success=True)"
    assert repr(UNSENT) == (
        "Status(CONNECT: 'smtp.example.com:587 refused the connection: check the port, and that "
        "the server is running', success=False)"
    )


def test_the_repr_has_at_most_240_characters() -> None:
    """However long the reply and however many were refused."""
    refused = {f"user{number}@example.org": Reply(550, "no") for number in range(100)}
    long = Status._from_reply(Reply(550, "x" * 500), "RCPT", success=False, refused=refused)
    assert len(repr(long)) == 240
    assert repr(long).startswith("Status(RCPT: '550 xxx")
    assert repr(long).endswith("…, success=False)")


def test_a_status_compares_by_value() -> None:
    """Two statuses of the same reply are equal."""
    assert Status._from_reply(Reply(250, "2.0.0 Queued"), "CONTENT", success=True) == SENT


def test_4ds_slip_points_to_the_right_member() -> None:
    """S11: `$status.message` of 4D's sample does not exist; the error names what is meant."""
    with pytest.raises(AttributeError) as caught:
        _ = SENT.message  # type: ignore[attr-defined]
    assert str(caught.value) == (
        "'Status' object has no attribute 'message' "
        "(did you mean 'status_text', in 4D's spelling 'statusText'?)"
    )
