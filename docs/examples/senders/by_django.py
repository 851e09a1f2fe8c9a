"""Send by Django's SMTP backend. The keywords are its settings, EMAIL_USE_TLS and so on."""

from __future__ import annotations

import ssl
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend


def send(backend: EmailBackend) -> None:
    """Send a mail by a backend."""
    mail = EmailMessage("Hello", "Hi.", "a@example.com", ["b@example.org"])
    backend.send_messages([mail])


def careful(host: str, port: int, ca_file: str | None, timeout: float, **tls: Any) -> None:
    """Django verifies by what the system trusts (SSL_CERT_FILE says otherwise): only the time-out is missing.

    An authority of one's own is for a backend of one's own: its `ssl_context` is what it verifies with.
    """
    backend = EmailBackend(host=host, port=port, username="me", password="secret", timeout=timeout, **tls)
    if ca_file is not None:
        backend.ssl_context = ssl.create_default_context(cafile=ca_file)
    send(backend)


def careful_starttls(host: str, port: int, ca_file: str | None = None, timeout: float = 10) -> None:
    """EMAIL_USE_TLS and EMAIL_TIMEOUT."""
    careful(host, port, ca_file, timeout, use_tls=True)


def careful_implicit(host: str, port: int, ca_file: str | None = None, timeout: float = 10) -> None:
    """EMAIL_USE_SSL and EMAIL_TIMEOUT."""
    careful(host, port, ca_file, timeout, use_ssl=True)


def plain_starttls(host: str, port: int) -> None:
    """EMAIL_USE_TLS: TLS or nothing, verified; EMAIL_TIMEOUT is None, which is for ever."""
    send(EmailBackend(host=host, port=port, username="me", password="secret", use_tls=True))


def plain_implicit(host: str, port: int) -> None:
    """EMAIL_USE_SSL."""
    send(EmailBackend(host=host, port=port, username="me", password="secret", use_ssl=True))
