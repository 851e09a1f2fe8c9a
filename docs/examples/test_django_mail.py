"""Django, whose test runner keeps mail in memory: with smtp_django it goes over SMTP again."""

from __future__ import annotations

import pytest

from pytest_smtp4d import SMTPServer

pytest.importorskip("django", reason="Django is not installed")

from django.conf import settings
from django.core import mail

if not settings.configured:  # a project has its settings module
    settings.configure(DEFAULT_CHARSET="utf-8", USE_TZ=True)

# Django 6.1 deprecates the settings EMAIL_* in favour of MAILERS.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*MAILERS:DeprecationWarning", "ignore:.*mailers:DeprecationWarning"
)


def invite(recipient: str) -> int:
    """Invite somebody: the code under test."""
    return mail.EmailMessage("Come in", "Welcome!", "shop@example.com", [recipient]).send()  # type: ignore[no-any-return]


@pytest.mark.smtp_server(users={"shop": "secret"})
def test_an_invitation(smtp_django: SMTPServer) -> None:
    """Django sends over verified TLS, logs in, and the mail is there as it went over the wire."""
    assert invite("ada@example.org") == 1
    invitation = smtp_django.messages.one(subject="Come in", to="ada@example.org")
    assert invitation.session.tls is not None
    assert invitation.session.user == "shop"


def test_a_mailbox_that_is_gone(smtp_django: SMTPServer) -> None:
    """What the memory of Django's test runner cannot do: refuse."""
    smtp_django.on("RCPT").reply(550, "5.1.1 No such user")
    with pytest.raises(OSError, match="No such user"):
        invite("ada@example.org")
