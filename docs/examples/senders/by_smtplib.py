"""Send by the standard library's smtplib."""

from __future__ import annotations

import smtplib
import ssl

MAIL = "From: a@example.com\r\nTo: b@example.org\r\nSubject: Hello\r\n\r\nHi.\r\n"


def careful_starttls(host: str, port: int, ca_file: str | None = None, timeout: float = 10) -> None:
    """Send over verified STARTTLS, or not at all; `ca_file` None is what the system trusts."""
    context = ssl.create_default_context(cafile=ca_file)
    with smtplib.SMTP(host, port, timeout=timeout) as client:
        client.starttls(context=context)
        client.login("me", "secret")
        client.sendmail("a@example.com", "b@example.org", MAIL)


def careful_implicit(host: str, port: int, ca_file: str | None = None, timeout: float = 10) -> None:
    """Send over verified TLS from the first octet."""
    context = ssl.create_default_context(cafile=ca_file)
    with smtplib.SMTP_SSL(host, port, timeout=timeout, context=context) as client:
        client.login("me", "secret")
        client.sendmail("a@example.com", "b@example.org", MAIL)


def plain_starttls(host: str, port: int) -> None:
    """The shortest call: without a context, any certificate will do."""
    with smtplib.SMTP(host, port) as client:
        client.starttls()
        client.login("me", "secret")
        client.sendmail("a@example.com", "b@example.org", MAIL)


def plain_implicit(host: str, port: int) -> None:
    """The same on the port for TLS."""
    with smtplib.SMTP_SSL(host, port) as client:
        client.login("me", "secret")
        client.sendmail("a@example.com", "b@example.org", MAIL)
