"""The index of error texts in docs/how-to/read-a-failure.md says what clients and our code say."""

from __future__ import annotations

import ast
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_smtp4d import SMTPServer
from pytest_smtp4d.records import advice

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs" / "how-to" / "read-a-failure.md").read_text(encoding="utf-8")


def texts_of(kind: str) -> list[str]:
    """Return the texts of the page's tables of one kind: what stands in the first column, as code."""
    tables = re.findall(rf"<!-- texts: {kind} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    cells = [row.split("|")[1] for table in tables for row in table.splitlines()]
    return [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]


def said_by_the_package() -> Iterator[str]:
    """Yield each text in the package's code; adjacent literals are one."""
    for path in (PROJECT / "pytest_smtp4d").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


SAID = "\n".join(said_by_the_package())


@pytest.mark.parametrize("text", texts_of("package"))
def test_a_text_is_said_by_our_code(text: str) -> None:
    """A failure that the index explains can happen, in these words."""
    assert text in SAID


def test_every_hint_is_in_the_index() -> None:
    """A new hint about a session needs a row."""
    hints = [hint for _, hint in advice._ENDINGS]
    hints += [reply.hint for reply in (*advice._LOGIN_REPLIES, advice._LOGIN_REQUIRED)]
    hints += [advice._NOT_TRUSTED, advice._PERHAPS_NOT_TRUSTED, advice._NO_EHLO, advice._ONLY_EHLO]
    assert {hint.cause for hint in hints} <= set(texts_of("package"))


def connect(server: SMTPServer) -> smtplib.SMTP:
    """Connect as a plain client does."""
    return smtplib.SMTP(*server.address, timeout=30)


def start_tls(server: SMTPServer, trust: ssl.SSLContext) -> None:
    """Connect, and upgrade."""
    with connect(server) as client:
        client.starttls(context=trust)


def untrusting(server: SMTPServer) -> None:
    """Upgrade with a context that knows no authority of ours."""
    start_tls(server, ssl.create_default_context())


def out_of_date(server: SMTPServer) -> None:
    """Upgrade to a server whose certificate ended yesterday."""
    server.configure(certificate="expired")
    start_tls(server, server.client_context())


def misnamed(server: SMTPServer) -> None:
    """Upgrade to a server that shows another's certificate."""
    server.configure(certificate="wrong_host")
    start_tls(server, server.client_context())


def log_in(server: SMTPServer) -> None:
    """Log in where no login is on offer."""
    with connect(server) as client:
        client.login("me", "secret")


def log_in_wrongly(server: SMTPServer) -> None:
    """Log in with a wrong password."""
    server.configure(users={"me": "secret"}, auth_without_tls=True)
    server.configure(tls="none")
    with connect(server) as client:
        client.login("me", "wrong")


def upgrade_in_vain(server: SMTPServer) -> None:
    """Upgrade where no TLS is on offer."""
    server.configure(tls="none")
    start_tls(server, server.client_context())


def be_cut(server: SMTPServer) -> None:
    """Speak to a server that closes."""
    server.on("MAIL").disconnect()
    with connect(server) as client:
        client.sendmail("a@example.com", ["b@example.org"], "Subject: Hi\r\n\r\nHi.\r\n")


def knock(server: SMTPServer) -> None:
    """Connect to a server that is down."""
    with server.down():
        connect(server)


def wait_in_vain(server: SMTPServer) -> None:
    """Wait for a server that is silent."""
    server.on("CONNECT").silence()
    smtplib.SMTP(*server.address, timeout=0.2)


def begin_with_tls(server: SMTPServer) -> None:
    """Begin with TLS where the server greets in clear text."""
    smtplib.SMTP_SSL(*server.address, context=server.client_context(), timeout=30)


PROVOCATIONS: dict[str, Callable[[SMTPServer], None]] = {
    "certificate verify failed: unable to get local issuer certificate": untrusting,
    "certificate has expired": out_of_date,
    "certificate is not valid for": misnamed,
    "SMTP AUTH extension not supported by server": log_in,
    "STARTTLS extension not supported by server": upgrade_in_vain,
    "Authentication credentials invalid": log_in_wrongly,
    "Connection unexpectedly closed": be_cut,
    "Connection refused": knock,
    "timed out": wait_in_vain,
    "wrong version number": begin_with_tls,
}
# The same mistake in another version of OpenSSL; and what a resolver says, which would take a query.
NOT_PROVOKED = {"record layer failure", "Name or service not known"}


def test_every_text_of_a_client_is_provoked() -> None:
    """What clients say changes with their versions: each text is compared with what one says today."""
    assert set(texts_of("client")) == PROVOCATIONS.keys() | NOT_PROVOKED


@pytest.mark.parametrize(("text", "provoke"), PROVOCATIONS.items(), ids=PROVOCATIONS)
@pytest.mark.smtp_server(strict=False)
def test_what_a_client_says(
    smtp_server: SMTPServer, text: str, provoke: Callable[[SMTPServer], None]
) -> None:
    """Today's smtplib and OpenSSL say it in these words."""
    with pytest.raises(OSError, match=r".") as failure:
        provoke(smtp_server)
    said = str(failure.value).lower().replace("_", " ")
    alternatives = [text, "record layer failure"] if provoke is begin_with_tls else [text]
    assert any(words.lower() in said for words in alternatives), said
