from __future__ import annotations

import pytest

from tests.plugin.conftest import Run

SETUP = """
import django
from django.conf import settings
from django.core import mail

if not settings.configured:
    settings.configure(USE_TZ=True, EMAIL_HOST="smtp.example.com", {})
"""

TESTS = """
def send():
    message = mail.EmailMessage("Hi", "Hi.", "ada@example.com", ["bob@example.org"])
    assert message.send() == 1

@pytest.fixture(autouse=True, scope="session")
def as_the_test_runner_does():
    from django.test.utils import setup_test_environment, teardown_test_environment
    setup_test_environment()
    yield
    teardown_test_environment()

def test_before():
    send()
    assert len(mail.outbox) == 1
"""

MODES = [
    ("none", {}, None),
    ("starttls", {}, None),
    ("implicit", {}, None),
    ("starttls", {"ada": "secret", "bob": "hidden"}, "ada"),
    ("none", "*", "anybody"),
]


@pytest.mark.parametrize(("tls", "users", "user"), MODES)
def test_django_sends_to_the_server(run: Run, tls: str, users: object, user: str | None) -> None:
    """Over any TLS, with the first user's login, though the test runner keeps mail in memory."""
    result = run(
        SETUP.format("")
        + TESTS
        + f"""
@pytest.mark.smtp_server(tls={tls!r}, users={users!r})
def test_with(smtp_django, smtp_server):
    assert smtp_django is smtp_server
    send()
    message = smtp_server.messages.one(subject="Hi")
    assert (message.session.tls is None) == ({tls!r} == "none")
    assert message.session.user == {user!r}

def test_after():
    send()
    assert len(mail.outbox) == 2
""",
        "-W",
        "ignore::PendingDeprecationWarning",
        "-W",
        "ignore::DeprecationWarning",
        subprocess=True,
    )
    result.assert_outcomes(passed=3)


def test_mailers_are_pointed_at_it_too(run: Run) -> None:
    """Where the project has the setting MAILERS (Django 6.1), every alias of it goes to the server."""
    django = pytest.importorskip("django")
    if django.VERSION < (6, 1):
        pytest.skip("MAILERS came with Django 6.1")
    result = run(
        SETUP.format("").replace(
            'EMAIL_HOST="smtp.example.com"',
            'MAILERS={"default": {"OPTIONS": {"host": "smtp.example.com"}}, "news": {"BACKEND": "x.y.Z"}}',
        )
        + """
@pytest.mark.parametrize("alias", ["default", "news"])
def test_with(smtp_django, alias):
    message = mail.EmailMessage("Hi", "Hi.", "ada@example.com", ["bob@example.org"])
    assert message.send(using=alias) == 1
    assert smtp_django.messages.one(subject="Hi").session.tls is not None

def test_after():
    assert settings.MAILERS["news"] == {"BACKEND": "x.y.Z"}
""",
        subprocess=True,
    )
    result.assert_outcomes(passed=3)


def test_a_project_without_settings_is_told_so(run: Run) -> None:
    """Django's own words say what is missing."""
    result = run("def test_it(smtp_django): pass", subprocess=True)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*ImproperlyConfigured: Requested setting *, but settings are not configured*"]
    )


def test_nothing_of_django_is_imported_without_it(run: Run) -> None:
    """A run with servers, and without the fixture, knows no Django."""
    result = run(
        """
        import sys
        def test_it(smtp_server, transporter):
            assert transporter.send(MAIL)
            assert "django" not in sys.modules
        """,
        subprocess=True,
    )
    result.assert_outcomes(passed=1)
