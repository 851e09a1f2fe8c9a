"""Flask-Mail, which sends nothing where the application is in testing mode, unless it is told to."""

from __future__ import annotations

import pytest

from pytest_smtp4d import SMTPServer

flask = pytest.importorskip("flask", reason="Flask is not installed")
flask_mail = pytest.importorskip("flask_mail", reason="Flask-Mail is not installed")


def make_app(**config: object) -> object:
    """Make the application: the code under test."""
    app = flask.Flask("shop")
    app.config.update(MAIL_SERVER="smtp.example.com", MAIL_PORT=587, MAIL_USE_TLS=True, **config)
    app.extensions["mailer"] = flask_mail.Mail(app)
    return app


def greet(app: object, recipient: str) -> None:
    """Send a greeting."""
    with app.app_context():  # type: ignore[attr-defined] # Flask may not be installed here
        message = flask_mail.Message("Hello", [recipient], "Hello.", sender="shop@example.com")
        app.extensions["mailer"].send(message)  # type: ignore[attr-defined]


def test_under_testing_nothing_is_sent(smtp_intercept: SMTPServer) -> None:
    """TESTING suppresses mail before it reaches a socket: no server can see it."""
    greet(make_app(TESTING=True), "ada@example.org")
    assert smtp_intercept.messages.none()
    assert smtp_intercept.sessions == ()


@pytest.mark.smtp_server(ignore_violations=("certificate-not-verified",))
def test_unless_it_is_told_to(smtp_intercept: SMTPServer) -> None:
    """MAIL_SUPPRESS_SEND=False sends, and the mail is here."""
    greet(make_app(TESTING=True, MAIL_SUPPRESS_SEND=False), "ada@example.org")
    assert smtp_intercept.messages.one(subject="Hello").session.target == ("smtp.example.com", 587)
