from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_smtp4d import MakeSMTPServer, SMTPServer, StageName, TLSMode
from tests.peers.conftest import CONTENT, Foreign

Swaks = Callable[..., subprocess.CompletedProcess[str]]

REFUSED_LOGIN = 28  # swaks's exit status for "authentication failed"


@pytest.fixture
def swaks(foreign: Foreign, tmp_path: Path) -> Swaks:
    """Send CONTENT with swaks to a server."""
    program = foreign("swaks")
    source = tmp_path / "message.eml"
    source.write_bytes(CONTENT)

    def run(server: SMTPServer, *options: str) -> subprocess.CompletedProcess[str]:
        command = [
            program,
            "--server",
            server.host,
            "--port",
            str(server.port),
            "--helo",
            "client.example.com",
        ]
        command += ["--from", "ada@example.com", "--to", "bob@example.org", "--data", f"@{source}"]
        command += {"none": [], "starttls": ["--tls"], "implicit": ["--tls-on-connect"]}[server.settings.tls]
        if server.settings.tls != "none":
            command += ["--tls-verify", "--tls-ca-path", server.ca_file]
        return subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)

    return run


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_it_delivers_octet_for_octet(make_smtp_server: MakeSMTPServer, swaks: Swaks, tls: TLSMode) -> None:
    """What swaks was given is what was captured, in each TLS mode."""
    server = make_smtp_server(tls=tls)
    result = swaks(server)
    assert result.returncode == 0, result.stdout

    message = server.messages.one()
    assert message.content == CONTENT + b"\r\n"  # swaks ends the data it is given with one more line end
    assert (message.mail_from, message.rcpt_to) == ("ada@example.com", ("bob@example.org",))
    assert (message.session.tls is None) == (tls == "none")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_each_mechanism(make_smtp_server: MakeSMTPServer, swaks: Swaks, mechanism: str, tls: TLSMode) -> None:
    """Each mechanism that swaks knows logs in, in each TLS mode; a wrong password is refused."""
    server = make_smtp_server(tls=tls, users={"ada": "secret"})
    login = ["--auth", mechanism, "--auth-user", "ada", "--auth-password"]
    result = swaks(server, *login, "secret")
    assert result.returncode == 0, result.stdout
    session = server.messages.one().session
    assert (session.user, session.mechanism) == ("ada", mechanism)

    assert swaks(server, *login, "wrong").returncode == REFUSED_LOGIN
    assert "535" in str(server.sessions[-1].transcript)
    assert "wrong" not in str(server.sessions[-1].transcript)


def test_it_pipelines(smtp_server: SMTPServer, swaks: Swaks) -> None:
    """A pipelined envelope is taken in one go, and is no violation."""
    result = swaks(smtp_server, "--pipeline", "--to", "bob@example.org,cay@example.net")
    assert result.returncode == 0, result.stdout
    assert smtp_server.messages.one().rcpt_to == ("bob@example.org", "cay@example.net")
    smtp_server.check()


@pytest.mark.parametrize(
    ("stage", "status"),
    [("CONNECT", 21), ("EHLO", 22), ("MAIL", 23), ("RCPT", 24), ("DATA", 25), ("CONTENT", 26)],
)
def test_it_reports_our_refusals(
    make_smtp_server: MakeSMTPServer, swaks: Swaks, stage: StageName, status: int
) -> None:
    """A refusal at each stage ends swaks with the exit status that it documents for that stage."""
    server = make_smtp_server(tls="none", strict=False)
    server.on(stage).reply(554 if stage == "CONNECT" else 550, "5.7.0 No")
    server.on("HELO").reply(550, "5.7.0 No")
    assert swaks(server).returncode == status
    assert server.messages.none()
