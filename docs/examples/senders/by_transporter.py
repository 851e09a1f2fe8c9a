"""Send by this package's transporter."""

from __future__ import annotations

import ssl

from pytest_smtp4d import Email, SMTPTransporter

MAIL: Email = {"from": "a@example.com", "to": "b@example.org", "subject": "Hello", "textBody": "Hi."}


def careful_starttls(host: str, port: int, ca_file: str | None = None, timeout: float = 10) -> None:
    """It verifies and demands TLS by itself; a context names another authority than the system's."""
    context = ssl.create_default_context(cafile=ca_file)
    with SMTPTransporter(
        host=host,
        port=port,
        user="me",
        password="secret",
        ssl_context=context,
        connection_time_out=timeout,
        send_time_out=timeout,
    ) as transporter:
        transporter.send(MAIL).raise_for_status()


def careful_implicit(host: str, port: int, ca_file: str | None = None, timeout: float = 10) -> None:
    """`implicit_tls` is the default on port 465."""
    context = ssl.create_default_context(cafile=ca_file)
    with SMTPTransporter(
        host=host,
        port=port,
        implicit_tls=True,
        user="me",
        password="secret",
        ssl_context=context,
        connection_time_out=timeout,
        send_time_out=timeout,
    ) as transporter:
        transporter.send(MAIL).raise_for_status()


def plain_starttls(host: str, port: int) -> None:
    """The shortest call."""
    with SMTPTransporter(host=host, port=port, user="me", password="secret") as transporter:
        transporter.send(MAIL).raise_for_status()


def plain_implicit(host: str, port: int) -> None:
    """The same where the port is not 465."""
    with SMTPTransporter(
        host=host, port=port, implicit_tls=True, user="me", password="secret"
    ) as transporter:
        transporter.send(MAIL).raise_for_status()
