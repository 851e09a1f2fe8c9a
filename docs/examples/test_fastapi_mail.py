"""FastAPI: an endpoint that sends a mail in the background, with a server whose address is a dependency."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Annotated

import pytest

from pytest_smtp4d import SMTPServer

pytest.importorskip("fastapi", reason="FastAPI is not installed")
pytest.importorskip("httpx2", reason="httpx2 is not installed, which FastAPI's TestClient needs")

from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.testclient import TestClient

app = FastAPI()


@dataclass
class Mailer:
    """Sends the application's mail."""

    host: str = "smtp.example.com"
    port: int = 587
    trust: ssl.SSLContext | None = None

    def welcome(self, recipient: str) -> None:
        """Welcome somebody."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "shop@example.com", recipient, "Welcome"
        message.set_content("Confirm at https://shop.example.com/confirm?token=x1")
        with smtplib.SMTP(self.host, self.port, timeout=5) as client:
            client.starttls(context=self.trust or ssl.create_default_context())
            client.send_message(message)


def get_mailer() -> Mailer:
    """Return what sends the application's mail; tests put their own in its place."""
    return Mailer()


@app.post("/sign-up", status_code=202)
def sign_up(
    address: str, tasks: BackgroundTasks, mailer: Annotated[Mailer, Depends(get_mailer)]
) -> dict[str, str]:
    """Take an address, and send the mail after the answer."""
    tasks.add_task(mailer.welcome, address)
    return {"status": "look into your mailbox"}


@pytest.fixture
def client(smtp_server: SMTPServer) -> Iterator[TestClient]:
    """A client of the application, whose mail goes to smtp_server."""
    mailer = Mailer(*smtp_server.address, smtp_server.client_context())
    app.dependency_overrides[get_mailer] = lambda: mailer
    with TestClient(app) as client:
        yield client
    app.dependency_overrides.clear()


def test_sign_up_sends_a_link(client: TestClient, smtp_server: SMTPServer) -> None:
    """TestClient returns when background tasks are done: there is nothing to wait for."""
    assert client.post("/sign-up", params={"address": "ada@example.org"}).status_code == 202
    welcome = smtp_server.messages.one(to="ada@example.org", subject="Welcome")
    assert welcome.links() == ["https://shop.example.com/confirm?token=x1"]


def test_a_refused_address_is_seen(client: TestClient, smtp_server: SMTPServer) -> None:
    """An exception in a background task comes out of TestClient; users have had their 202."""
    smtp_server.on("RCPT").reply(550, "5.1.1 No such user")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        client.post("/sign-up", params={"address": "nobody@example.org"})


def test_the_hard_coded_server(smtp_intercept: SMTPServer) -> None:
    """Nothing is overridden: the mail is redirected on its way to smtp.example.com."""
    with TestClient(app) as client:
        client.post("/sign-up", params={"address": "ada@example.org"})
    assert smtp_intercept.messages.one().session.target == ("smtp.example.com", 587)
