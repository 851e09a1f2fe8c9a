"""Send by aiosmtplib."""

from __future__ import annotations

from email.message import EmailMessage

import aiosmtplib


def mail() -> EmailMessage:
    """Return the mail that is sent."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.org", "Hello"
    message.set_content("Hi.\n")
    return message


async def careful_starttls(host: str, port: int, ca_file: str | None = None, timeout: float = 10) -> None:
    """`start_tls=True` demands STARTTLS; `cert_bundle` None is what the system trusts."""
    await aiosmtplib.send(
        mail(),
        hostname=host,
        port=port,
        start_tls=True,
        cert_bundle=ca_file,
        username="me",
        password="secret",
        timeout=timeout,
    )


async def careful_implicit(host: str, port: int, ca_file: str | None = None, timeout: float = 10) -> None:
    """`use_tls=True` is TLS from the first octet."""
    await aiosmtplib.send(
        mail(),
        hostname=host,
        port=port,
        use_tls=True,
        cert_bundle=ca_file,
        username="me",
        password="secret",
        timeout=timeout,
    )


async def plain_starttls(host: str, port: int) -> None:
    """The shortest call: TLS is verified where it is on offer, and left out where it is not."""
    await aiosmtplib.send(mail(), hostname=host, port=port, username="me", password="secret")


async def plain_implicit(host: str, port: int) -> None:
    """On the port for TLS, one option more."""
    await aiosmtplib.send(mail(), hostname=host, port=port, use_tls=True, username="me", password="secret")
