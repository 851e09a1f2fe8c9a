from __future__ import annotations

import aiosmtplib
import pytest

from pytest_smtp4d import MakeSMTPServer, Mechanism, SMTPServer, TLSMode
from tests.peers.conftest import CONTENT


def client_of(server: SMTPServer) -> aiosmtplib.SMTP:
    """Return a client for the server's TLS mode."""
    tls = server.settings.tls
    context = None if tls == "none" else server.client_context()
    return aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=tls == "implicit",
        start_tls=tls == "starttls",
        tls_context=context,
    )


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
async def test_it_delivers_octet_for_octet(make_smtp_server: MakeSMTPServer, tls: TLSMode) -> None:
    """What aiosmtplib was given is what was captured, in each TLS mode."""
    server = make_smtp_server(tls=tls)
    async with client_of(server) as client:
        await client.sendmail("ada@example.com", ["bob@example.org", "cay@example.net"], CONTENT)

    message = await server.messages.await_one()
    assert message.content == CONTENT
    assert (message.mail_from, message.rcpt_to) == ("ada@example.com", ("bob@example.org", "cay@example.net"))
    assert (message.session.tls is None) == (tls == "none")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
async def test_it_logs_in(make_smtp_server: MakeSMTPServer, mechanism: Mechanism) -> None:
    """Each mechanism that aiosmtplib knows logs in."""
    server = make_smtp_server(users={"ada": "secret"}, auth=(mechanism,))
    async with client_of(server) as client:
        await client.login("ada", "secret")
        await client.sendmail("ada@example.com", ["bob@example.org"], CONTENT)
    session = (await server.messages.await_one()).session
    assert (session.user, session.mechanism) == ("ada", mechanism)


async def test_a_token_logs_in(make_smtp_server: MakeSMTPServer) -> None:
    """XOAUTH2 by aiosmtplib's own words."""
    server = make_smtp_server(tokens={"ada@example.com": "ya29.token"}, auth=("XOAUTH2",))
    async with client_of(server) as client:
        await client.auth_xoauth2("ada@example.com", "ya29.token")
        await client.sendmail("ada@example.com", ["bob@example.org"], CONTENT)
    assert (await server.messages.await_one()).session.mechanism == "XOAUTH2"


async def test_its_refusals(smtp_server: SMTPServer) -> None:
    """All recipients refused, and a busy server, are its own errors with our codes."""
    smtp_server.on("RCPT", times=1).reply(550, "5.1.1 No such user")
    smtp_server.on("DATA", times=1).reply(451, "4.3.0 Try later")
    async with client_of(smtp_server) as client:
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await client.sendmail("ada@example.com", ["bob@example.org"], CONTENT)
        with pytest.raises(aiosmtplib.SMTPDataError) as caught:
            await client.sendmail("ada@example.com", ["bob@example.org"], CONTENT)
    assert caught.value.code == 451
