"""What clients do under every fault: `python docs/clients.py` writes the table of reference/clients.md.

Each client sends one message through a complete session (STARTTLS, a login, QUIT). The suite runs the same
sweep, and fails when a client does something else than the table says.
"""

from __future__ import annotations

import asyncio
import gc
import smtplib
import ssl
import warnings
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_smtp4d import SMTPServer, SMTPTransporter
from pytest_smtp4d.faults import sweep
from pytest_smtp4d.server.disturbance import Disturbance

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).resolve().parent / "reference" / "clients.md"
BEGIN, END = "<!-- sweep of clients -->\n", "<!-- end -->"
PATIENCE = {"silence": 1.5}
"""Seconds that a client waits where it will wait in vain; elsewhere it has all the time it needs."""

SETTINGS: dict[str, Any] = {"users": {"me": "secret"}, "strict": False}


def message() -> EmailMessage:
    """Return the message that all of them send."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.org", "Hello"
    mail.set_content("Hi")
    return mail


def name_of(error: Exception) -> str:
    """Return the exception's name; which kind of SSLError it is differs between versions of OpenSSL."""
    return "SSLError" if isinstance(error, ssl.SSLError) else type(error).__name__


def with_transporter(server: SMTPServer, seconds: float) -> str:
    """Send with this package's transporter."""
    options = server.client_options()
    with SMTPTransporter(**options, connection_time_out=seconds, send_time_out=seconds) as transporter:
        status = transporter.send(message())
    return "sent" if status else f"{status.status} at {status.command}"


def with_smtplib(server: SMTPServer, seconds: float) -> str:
    """Send with the standard library."""
    try:
        with smtplib.SMTP(server.host, server.port, timeout=seconds) as client:
            client.starttls(context=server.client_context())
            client.login("me", "secret")
            client.send_message(message())
    except (OSError, ValueError, UnicodeError) as error:
        return name_of(error)
    return "sent"


def with_aiosmtplib(server: SMTPServer, seconds: float) -> str:
    """Send with aiosmtplib."""
    import aiosmtplib

    async def send() -> None:
        await aiosmtplib.send(
            message(),
            hostname=server.host,
            port=server.port,
            start_tls=True,
            tls_context=server.client_context(),
            username="me",
            password="secret",
            timeout=seconds,
        )

    try:
        asyncio.run(send())
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return name_of(error)
    return "sent"


CLIENTS: dict[str, Callable[[SMTPServer, float], str]] = {
    "transporter": with_transporter,
    "smtplib": with_smtplib,
    "aiosmtplib": with_aiosmtplib,
}


def outcome(client: str, stage: str, kind: str) -> str:
    """Return what a client says under one fault, and, where that is not the truth, what is."""
    with SMTPServer(**SETTINGS) as server:
        disturbance = Disturbance(server, stage, kind)
        with warnings.catch_warnings():
            if client != "transporter":
                # Some leave a socket or a transport behind when they fail; here that is nobody's business.
                warnings.simplefilter("ignore", ResourceWarning)
            said = CLIENTS[client](server, PATIENCE.get(kind, 30))
            gc.collect()
        if not disturbance.is_reached:
            return "not reached"
        arrived = len(server.messages)
    if said == "sent":
        return said if arrived == 1 else f"**sent, and {arrived} arrived**"
    return f"{said}, **and it arrived**" if arrived else said


def table() -> str:
    """Return the table, one line for each point of the sweep."""
    lines = [f"| fault | {' | '.join(CLIENTS)} |", f"| --- |{' --- |' * len(CLIENTS)}"]
    for stage, kind in sweep.grid():
        cells = (outcome(client, stage, kind) for client in CLIENTS)
        lines.append(f"| {sweep.point_id(stage, kind)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def written() -> dict[tuple[str, str], str]:
    """Return the page's table: (point, client) to outcome."""
    text = PAGE.read_text(encoding="utf-8")
    rows = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {
        (point, client): said
        for point, *outcomes in cells
        for client, said in zip(CLIENTS, outcomes, strict=True)
    }


def main() -> None:
    """Sweep all clients and write the page."""
    head, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{head}{begin}{table()}{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
