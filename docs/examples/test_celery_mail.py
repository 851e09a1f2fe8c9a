"""Celery: a worker is another process, in which nothing is redirected; an eager task runs here."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator

import pytest

from pytest_smtp4d import SMTPServer

celery = pytest.importorskip("celery", reason="Celery is not installed")

app = celery.Celery("shop", broker="memory://", backend="cache+memory://")


def deliver(recipient: str) -> None:
    """Send a receipt: the code under test, which the task runs."""
    with smtplib.SMTP("smtp.example.com", 587, timeout=5) as client:
        client.starttls(context=ssl.create_default_context())
        client.sendmail("shop@example.com", [recipient], "Subject: Receipt\r\n\r\nThank you.\r\n")


send_receipt = app.task(deliver)


@pytest.fixture
def eager() -> Iterator[None]:
    """Run tasks where they are called, and let their exceptions out: eager tasks swallow them otherwise."""
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    yield
    app.conf.update(task_always_eager=False, task_eager_propagates=False)


@pytest.mark.usefixtures("eager")
def test_a_receipt(smtp_intercept: SMTPServer) -> None:
    """The task runs in this process: its mail is redirected."""
    send_receipt.delay("ada@example.org")
    assert smtp_intercept.messages.one(subject="Receipt").rcpt_to == ("ada@example.org",)


@pytest.mark.usefixtures("eager")
def test_a_refusal_is_not_swallowed(smtp_intercept: SMTPServer) -> None:
    """With task_eager_propagates the test sees what went wrong."""
    smtp_intercept.on("RCPT").reply(550, "5.1.1 No such user")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send_receipt.delay("ada@example.org")
