"""Every client that hard-codes its host, redirected: by name, by address, by the name of a service.

A table: client × (name, address, service) × (465, 587, 25) × (a trusted certificate, one for another host).
What is not in the project's own environment is skipped where it is not installed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import logging.handlers
import smtplib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import pytest

from pytest_smtp4d import AsyncSMTPTransporter, CertificateName, Email, SMTPServer, SMTPTransporter
from pytest_smtp4d.intercept import interception
from pytest_smtp4d.intercept.watching import client_verifies
from tests.peers.tidy import run_and_close

TIMEOUT = 5
SENDER, RECIPIENT, SUBJECT = "ada@example.com", "bob@example.org", "Redirected"
NAME, ADDRESS = "smtp.gmail.com", "192.0.2.7"
SERVICES = {465: "submissions", 587: "submission", 25: "smtp"}

Port = Any
"""A number, or the name of a service."""


def message() -> EmailMessage:
    """Return a mail."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = SENDER, RECIPIENT, SUBJECT
    mail.set_content("Hi.")
    return mail


# The standard library


def by_smtplib(host: str, port: Port, number: int) -> None:
    """Send with smtplib and a default context."""
    context = ssl.create_default_context()
    if number == 465:
        client: smtplib.SMTP = smtplib.SMTP_SSL(host, port, context=context, timeout=TIMEOUT)
    else:
        client = smtplib.SMTP(host, port, timeout=TIMEOUT)
    with client:
        if number == 587:
            client.starttls(context=context)
        client.send_message(message())


def by_logging(host: str, port: Port, number: int) -> None:
    """Send a record with logging's SMTPHandler; only a login makes it use TLS."""
    handler = logging.handlers.SMTPHandler(
        (host, port), SENDER, [RECIPIENT], SUBJECT, ("ada", "secret") if number == 587 else None, (), TIMEOUT
    )
    record = logging.LogRecord("app", logging.ERROR, __file__, 1, "Hi.", (), None)
    errors: list[Any] = []
    handler.handleError = errors.append  # type: ignore[assignment, method-assign] # else it prints them
    handler.emit(record)
    if errors:
        raise OSError("the handler failed")


# Octets over sockets, streams and loops


async def dialogue(
    read: Callable[[], Awaitable[bytes]],
    write: Callable[[bytes], Awaitable[None]],
    start_tls: Callable[[], Awaitable[None]] | None,
) -> None:
    """Send a mail; `read` returns what has arrived, `start_tls` begins TLS in between."""

    async def reply() -> bytes:
        octets = b""
        while not octets.endswith(b"\r\n") or octets.splitlines()[-1][3:4] == b"-":
            more = await read()
            if not more:
                raise EOFError
            octets += more
        return octets

    async def say(line: str) -> bytes:
        await write(line.encode() + b"\r\n")
        return await reply()

    assert (await reply()).startswith(b"220")
    await say("EHLO client.example.com")
    if start_tls is not None:
        assert (await say("STARTTLS")).startswith(b"220")
        await start_tls()
        await say("EHLO client.example.com")
    for line in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>"):
        assert (await say(line)).startswith(b"250")
    await say("DATA")
    assert (await say(f"From: {SENDER}\r\nSubject: {SUBJECT}\r\n\r\nHi.\r\n.")).startswith(b"250")
    await say("QUIT")


def by_raw_socket(host: str, port: Port, number: int) -> None:
    """Send over a socket that connects to a name by itself."""
    context = ssl.create_default_context()
    sock = socket.socket()
    sock.settimeout(TIMEOUT)
    try:
        sock.connect((host, number))

        def wrap() -> None:
            nonlocal sock
            sock = context.wrap_socket(sock, server_hostname=host)

        async def read() -> bytes:
            return sock.recv(65536)

        async def write(octets: bytes) -> None:
            sock.sendall(octets)

        async def start_tls() -> None:
            wrap()

        if number == 465:
            wrap()
        steps = dialogue(read, write, start_tls if number == 587 else None)
        with pytest.raises(StopIteration):  # nothing in it ever waits
            steps.send(None)
    finally:
        sock.close()


def by_asyncio(host: str, port: Port, number: int) -> None:
    """Send over asyncio's streams."""
    context = ssl.create_default_context()

    async def send() -> None:
        reader, writer = await asyncio.open_connection(host, port, ssl=context if number == 465 else None)

        async def write(octets: bytes) -> None:
            writer.write(octets)

        async def start_tls() -> None:
            running, transport = asyncio.get_running_loop(), writer.transport
            protocol = transport.get_protocol()
            upgraded = await running.start_tls(transport, protocol, context, server_hostname=host)
            writer._transport = upgraded  # type: ignore[attr-defined] # StreamWriter.start_tls is 3.11's
            protocol._transport = upgraded  # type: ignore[attr-defined]
            reader._transport = upgraded  # type: ignore[attr-defined]

        try:
            await dialogue(lambda: reader.read(65536), write, start_tls if number == 587 else None)
        finally:
            writer.close()

    run_and_close(send())


def by_anyio(host: str, port: Port, number: int) -> None:
    """Send over an anyio stream."""
    import anyio
    from anyio.streams.tls import TLSStream

    context = ssl.create_default_context()

    async def send() -> None:
        stream: Any = await anyio.connect_tcp(host, number)
        try:

            async def start_tls() -> None:
                nonlocal stream
                stream = await TLSStream.wrap(
                    stream, server_side=False, hostname=host, ssl_context=context, standard_compatible=False
                )

            if number == 465:
                await start_tls()

            async def read() -> bytes:
                return bytes(await stream.receive())

            async def write(octets: bytes) -> None:
                await stream.send(octets)

            await dialogue(read, write, start_tls if number == 587 else None)
        finally:
            await anyio.aclose_forcefully(stream)

    anyio.run(send)


def by_trio(host: str, port: Port, number: int) -> None:
    """Send over a trio stream."""
    import trio

    context = ssl.create_default_context()

    async def send() -> None:
        stream: Any = await trio.open_tcp_stream(host, number)
        try:

            async def start_tls() -> None:
                nonlocal stream
                stream = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
                await stream.do_handshake()

            if number == 465:
                await start_tls()

            async def read() -> bytes:
                return bytes(await stream.receive_some(65536))

            async def write(octets: bytes) -> None:
                await stream.send_all(octets)

            await dialogue(read, write, start_tls if number == 587 else None)
        finally:
            await trio.aclose_forcefully(stream)

    trio.run(send)


# Ours


def by_transporter(host: str, port: Port, number: int) -> None:
    """Send with our transporter, which uses TLS wherever it is on offer."""
    mail: Email = {"from": SENDER, "to": RECIPIENT, "subject": SUBJECT, "textBody": "Hi."}
    with SMTPTransporter(host=host, port=number, connection_time_out=TIMEOUT) as transporter:
        transporter.send(mail).raise_for_status()


def by_async_transporter(host: str, port: Port, number: int) -> None:
    """Send with our transporter for asyncio."""
    mail: Email = {"from": SENDER, "to": RECIPIENT, "subject": SUBJECT, "textBody": "Hi."}

    async def send() -> None:
        async with AsyncSMTPTransporter(host=host, port=number, connection_time_out=TIMEOUT) as transporter:
            (await transporter.send(mail)).raise_for_status()

    asyncio.run(send())


# Libraries


def by_aiosmtplib(host: str, port: Port, number: int) -> None:
    """Send with aiosmtplib."""
    import aiosmtplib

    sending = aiosmtplib.send(
        message(), hostname=host, port=number, use_tls=number == 465, start_tls=number == 587, timeout=TIMEOUT
    )
    run_and_close(sending)


def by_django(host: str, port: Port, number: int) -> None:
    """Send with Django's SMTP backend."""
    import django.conf
    from django.core import mail
    from django.core.mail.backends.smtp import EmailBackend

    if not django.conf.settings.configured:
        django.conf.settings.configure(DEFAULT_CHARSET="utf-8", USE_TZ=True)
    backend = EmailBackend(
        host=host, port=number, use_tls=number == 587, use_ssl=number == 465, timeout=TIMEOUT
    )
    backend.send_messages([mail.EmailMessage(SUBJECT, "Hi.", SENDER, [RECIPIENT])])


def by_yagmail(host: str, port: Port, number: int) -> None:
    """Send with yagmail."""
    import yagmail

    client = yagmail.SMTP(
        SENDER, "secret", host=host, port=number, smtp_ssl=number == 465, smtp_starttls=number == 587,
        smtp_skip_login=True, timeout=TIMEOUT,
    )  # fmt: skip
    try:
        client.send(RECIPIENT, SUBJECT, "Hi.")
    finally:
        client.close()


def by_redmail(host: str, port: Port, number: int) -> None:
    """Send with redmail."""
    import redmail

    client = redmail.EmailSender(
        host, number, use_starttls=number == 587, cls_smtp=smtplib.SMTP_SSL if number == 465 else smtplib.SMTP
    )
    client.send(subject=SUBJECT, sender=SENDER, receivers=[RECIPIENT], text="Hi.")


def by_flask_mail(host: str, port: Port, number: int) -> None:
    """Send with Flask-Mail."""
    import flask
    import flask_mail

    app = flask.Flask("app")
    app.config.update(
        MAIL_SERVER=host, MAIL_PORT=number, MAIL_USE_TLS=number == 587, MAIL_USE_SSL=number == 465
    )
    client = flask_mail.Mail(app)
    with app.app_context():
        client.send(flask_mail.Message(SUBJECT, [RECIPIENT], "Hi.", sender=SENDER))


def by_fastapi_mail(host: str, port: Port, number: int) -> None:
    """Send with fastapi-mail."""
    import fastapi_mail

    config = fastapi_mail.ConnectionConfig(
        MAIL_USERNAME="", MAIL_PASSWORD="", MAIL_FROM=SENDER, MAIL_SERVER=host, MAIL_PORT=number,
        MAIL_STARTTLS=number == 587, MAIL_SSL_TLS=number == 465, USE_CREDENTIALS=False, TIMEOUT=TIMEOUT,
    )  # fmt: skip
    mail = fastapi_mail.MessageSchema(
        subject=SUBJECT, recipients=[RECIPIENT], body="Hi.", subtype=fastapi_mail.MessageType.plain
    )
    run_and_close(fastapi_mail.FastMail(config).send_message(mail))


def by_apprise(host: str, port: Port, number: int) -> None:
    """Send with apprise."""
    import apprise

    scheme, mode = (
        ("mailto", "insecure") if number == 25 else ("mailtos", "ssl" if number == 465 else "starttls")
    )
    url = f"{scheme}://{host}:{number}?from={SENDER}&to={RECIPIENT}&smtp={host}&mode={mode}"
    client = apprise.Apprise()
    client.add(url)
    if not client.notify(title=SUBJECT, body="Hi."):
        raise OSError("apprise could not send")


@dataclass(frozen=True)
class Client:
    """One row.

    Args:
        send: sends a mail to a host and port (the number, too), or raises.
        needs: the module that must be installed.
        ports: which it can use.
        services: whether it takes the name of a service.
        verifies: whether it verifies certificates at its defaults.
        clear: whether it speaks in clear on port 25, although TLS is on offer.
    """

    send: Callable[[str, Port, int], None]
    needs: str | None = None
    ports: tuple[int, ...] = (465, 587, 25)
    services: bool = False
    verifies: bool = True
    clear: bool = True


CLIENTS = {
    "smtplib": Client(by_smtplib, services=True),
    "logging": Client(by_logging, ports=(587, 25), verifies=False),
    "socket": Client(by_raw_socket),
    "asyncio": Client(by_asyncio, services=True),
    "anyio": Client(by_anyio, "anyio"),
    "trio": Client(by_trio, "trio"),
    "SMTPTransporter": Client(by_transporter, clear=False),
    "AsyncSMTPTransporter": Client(by_async_transporter, clear=False),
    "aiosmtplib": Client(by_aiosmtplib, "aiosmtplib"),
    "django": Client(by_django, "django"),
    "yagmail": Client(by_yagmail, "yagmail", verifies=False),
    "redmail": Client(by_redmail, "redmail", verifies=False),
    "flask-mail": Client(by_flask_mail, "flask_mail", verifies=False),
    "fastapi-mail": Client(by_fastapi_mail, "fastapi_mail"),
    "apprise": Client(by_apprise, "apprise"),
}

OWN = frozenset({"aiosmtplib", "django"})
"""What the project's own environment has: a missing one is an error, not a reason to skip."""


def cells() -> Iterator[Any]:
    """Yield every cell of the table that a client can fill."""
    for name, client in CLIENTS.items():
        for asked in ("name", "address", "service"):
            if asked == "service" and not client.services:
                continue
            for number in client.ports:
                for certificate in ("trusted", "wrong_host"):
                    yield pytest.param(
                        name, asked, number, certificate, id=f"{name}-{asked}-{number}-{certificate}"
                    )


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[bool | None]:
    """What the server is told of its client's TLS."""
    told: list[bool | None] = []

    def tell(server: ssl.SSLObject, peer_port: int) -> bool | None:
        told.append(client_verifies(server, peer_port))
        return told[-1]

    monkeypatch.setattr(interception, "client_verifies", tell)
    return told


@pytest.mark.smtp_server(strict=False)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("name", "asked", "number", "certificate"), list(cells()))
def test_a_client_is_redirected(
    smtp_intercept: SMTPServer,
    found: list[bool | None],
    name: str,
    asked: str,
    number: int,
    certificate: CertificateName,
) -> None:
    """It reaches the server, which knows what was asked for; one that verifies refuses a wrong host."""
    client = CLIENTS[name]
    if client.needs and client.needs not in OWN and importlib.util.find_spec(client.needs) is None:
        pytest.skip(f"{client.needs} is not installed (pip install {name})")
    host = ADDRESS if asked == "address" else NAME
    smtp_intercept.configure(certificate=certificate)
    is_tls = number != 25 or not client.clear
    is_refused = certificate == "wrong_host" and is_tls and client.verifies
    try:
        client.send(host, SERVICES[number] if asked == "service" else number, number)
    except Exception as error:  # each library has its own
        if not is_refused or isinstance(error, AssertionError):
            raise

    smtp_intercept._settle()
    assert {session.target for session in smtp_intercept.sessions} == {(host, number)}
    if is_refused:
        assert smtp_intercept.messages.none()
        return
    received = smtp_intercept.messages.one(subject=SUBJECT, rcpt_to=RECIPIENT)
    assert (received.session.tls is not None) == is_tls
    assert found == ([client.verifies] if is_tls and certificate == "trusted" else [])
