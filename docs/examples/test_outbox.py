"""A retry queue under test: first plainly, then swept, with a fault at every stage of the dialogue."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from outbox import Account, Outbox

from pytest_smtp4d import SMTPServer

pytestmark = pytest.mark.smtp_server(users={"shop": "secret"}, auth=("PLAIN",))


@pytest.fixture
def outbox(smtp_server: SMTPServer) -> Outbox:
    """An outbox with one message in it; its time-out is short."""
    account = Account(*smtp_server.address, "shop", "secret", smtp_server.client_context(), timeout=0.5)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", "bob@example.org", "Invoice"
    message.set_content("42")
    return Outbox(account, [message])


def test_it_tries_again(smtp_server: SMTPServer, outbox: Outbox) -> None:
    """A plain test: a busy server is tried again later."""
    smtp_server.on("MAIL", times=1).reply(451, "4.3.0 Try later")
    outbox.flush()
    assert (len(outbox.waiting), len(smtp_server.messages)) == (1, 0)
    outbox.flush()
    assert (len(outbox.waiting), len(smtp_server.messages)) == (0, 1)


def test_it_returns_what_is_refused(smtp_server: SMTPServer, outbox: Outbox) -> None:
    """Another plain test: no such user, no second try."""
    smtp_server.on("RCPT").reply(550, "5.1.1 No such user")
    outbox.flush()
    assert (len(outbox.waiting), len(outbox.returned)) == (0, 1)


@pytest.mark.smtp_sweep
def test_nothing_is_lost_and_nothing_is_sent_twice(smtp_server: SMTPServer, outbox: Outbox) -> None:
    """Whatever goes wrong, and wherever: after two tries the message is in one place, and there once."""
    outbox.flush()
    outbox.flush()

    places = [*outbox.waiting, *outbox.returned, *smtp_server.messages]
    if smtp_server.active_fault == ("CONTENT", "disconnect-after"):
        assert len(smtp_server.messages) == 2  # the 250 was lost: SMTP leaves the client no choice
    else:
        assert len(places) == 1
