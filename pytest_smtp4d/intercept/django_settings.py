"""Django's mail settings, pointed at a server for a while.

Django's test runner, and pytest-django, replace the mail backend by one that keeps mail in memory, so nothing
reaches a socket. Here the SMTP backend is put back, by `override_settings`, which tells Django of the change.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_smtp4d.server.server import SMTPServer

__all__ = ["pointing_django_at"]

BACKEND = "django.core.mail.backends.smtp.EmailBackend"
TIMEOUT = 5.0
"""Seconds that Django waits for the server where the project sets no time-out."""


@contextmanager
def pointing_django_at(server: SMTPServer) -> Iterator[None]:
    """Let Django's mail settings name a server meanwhile: `MAILERS` where the project has it, else `EMAIL_*`.

    Raises:
        ModuleNotFoundError: Django is not installed.
        ImproperlyConfigured: (Django's) the project has no settings yet.
    """
    from django.conf import settings
    from django.test.utils import override_settings

    has_mailers = hasattr(settings, "MAILERS")
    changes = _mailers(settings.MAILERS, server) if has_mailers else _email_settings(settings, server)
    override = override_settings(**changes)
    with _without_deprecations():  # Django 6.1 warns of every EMAIL_* setting, which the project chose
        override.enable()
    try:
        yield
    finally:
        with _without_deprecations():
            override.disable()


@contextmanager
def _without_deprecations() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        yield


def _options(server: SMTPServer) -> dict[str, Any]:
    """Return what Django's SMTP backend is made with, but for the time-out."""
    login = server.client_options()
    return {
        "host": server.host,
        "port": server.port,
        "username": login.get("user", "") if "password" in login else "",
        "password": login.get("password", ""),
        "use_tls": server.settings.tls == "starttls",
        "use_ssl": server.settings.tls == "implicit",
    }


def _mailers(mailers: dict[str, Any], server: SMTPServer) -> dict[str, Any]:
    """Return MAILERS with every alias of the project, and the default one, going to the server."""
    mailer = {"BACKEND": BACKEND, "OPTIONS": {**_options(server), "timeout": TIMEOUT}}
    return {"MAILERS": dict.fromkeys(("default", *mailers), mailer)}


def _email_settings(settings: Any, server: SMTPServer) -> dict[str, Any]:
    """Return the settings that Django has had from the beginning."""
    options = _options(server)
    with _without_deprecations():
        timeout = settings.EMAIL_TIMEOUT
    return {
        "EMAIL_BACKEND": BACKEND,
        "EMAIL_HOST": options["host"],
        "EMAIL_PORT": options["port"],
        "EMAIL_HOST_USER": options["username"],
        "EMAIL_HOST_PASSWORD": options["password"],
        "EMAIL_USE_TLS": options["use_tls"],
        "EMAIL_USE_SSL": options["use_ssl"],
        "EMAIL_SSL_CERTFILE": None,
        "EMAIL_SSL_KEYFILE": None,
        "EMAIL_TIMEOUT": TIMEOUT if timeout is None else timeout,
    }
