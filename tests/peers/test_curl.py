from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_smtp4d import CertificateName, MakeSMTPServer, Mechanism, SMTPServer, StageName, TLSMode
from tests.peers.conftest import CONTENT, Foreign

Curl = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def curl(foreign: Foreign, tmp_path: Path) -> Curl:
    """Send CONTENT with curl to a server."""
    program = foreign("curl")
    source = tmp_path / "message.eml"

    def run(
        server: SMTPServer, *options: str, content: bytes = CONTENT
    ) -> subprocess.CompletedProcess[bytes]:
        source.write_bytes(content)
        command = [program, "--silent", "--show-error", "--url", f"{server.url}/client.example.com"]
        command += ["--cacert", server.ca_file, "--mail-from", "ada@example.com"]
        command += ["--mail-rcpt", "bob@example.org", "--upload-file", str(source), *options]
        if server.settings.tls == "starttls":
            command.append("--ssl-reqd")
        return subprocess.run(command, capture_output=True, timeout=60)

    return run


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_it_delivers_octet_for_octet(make_smtp_server: MakeSMTPServer, curl: Curl, tls: TLSMode) -> None:
    """What curl was given is what was captured, in each TLS mode; it trusts the server by ca_file."""
    server = make_smtp_server(tls=tls)
    result = curl(server, "--mail-rcpt", "cay@example.net")
    assert (result.returncode, result.stderr) == (0, b"")

    message = server.messages.one()
    assert message.content == CONTENT
    assert (message.mail_from, message.rcpt_to) == ("ada@example.com", ("bob@example.org", "cay@example.net"))
    assert message.session.client_name == "client.example.com"
    assert (message.session.tls is None) == (tls == "none")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_it_logs_in(make_smtp_server: MakeSMTPServer, curl: Curl, mechanism: str) -> None:
    """Each mechanism logs in, with and without an initial response."""
    server = make_smtp_server(users={"ada": "secret"})
    for options in ([], ["--sasl-ir"]):
        result = curl(server, "--user", "ada:secret", "--login-options", f"AUTH={mechanism}", *options)
        assert (result.returncode, result.stderr) == (0, b"")
    assert [message.session.mechanism for message in server.messages] == [mechanism] * 2


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_it_logs_in_by_token(make_smtp_server: MakeSMTPServer, curl: Curl, mechanism: Mechanism) -> None:
    """Both OAuth2 mechanisms log in; a wrong token is refused after the JSON challenge."""
    server = make_smtp_server(tokens={"ada@example.com": "token-1"}, auth=(mechanism,))
    options = ["--user", "ada@example.com", "--login-options", f"AUTH={mechanism}"]
    good = curl(server, *options, "--oauth2-bearer", "token-1")
    assert (good.returncode, good.stderr) == (0, b"")
    assert server.messages.one().session.user == "ada@example.com"
    bad = curl(server, *options, "--oauth2-bearer", "token-2")
    assert bad.returncode == 67
    assert [line.octets[:3] for line in server.sessions[-1].transcript.lines if line.direction == "S"][
        -1
    ] in (
        b"334",  # after the JSON challenge of XOAUTH2 curl hangs up
        b"535",  # that of OAUTHBEARER it answers, as RFC 7628 3.2.3 wants
    )


@pytest.mark.parametrize(
    "certificate",
    ["expired", "not_yet_valid", "wrong_host", "self_signed", "unknown_ca", "no_san", "incomplete_chain"],
)
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_it_refuses_a_bad_certificate(
    make_smtp_server: MakeSMTPServer, curl: Curl, certificate: CertificateName, tls: TLSMode
) -> None:
    """Curl's own verification finds each bad certificate bad."""
    server = make_smtp_server(tls=tls, certificate=certificate)
    assert curl(server).returncode == 60
    assert server.messages.none()


@pytest.mark.parametrize(
    ("stage", "code"), [("MAIL", 55), ("RCPT", 55), ("DATA", 55), ("CONTENT", 8), ("AUTH", 67)]
)
def test_it_reports_our_refusals(
    make_smtp_server: MakeSMTPServer, curl: Curl, stage: StageName, code: int
) -> None:
    """A refusal at each stage ends curl with the exit status that it documents for it."""
    server = make_smtp_server(tls="none", users={"ada": "secret"})
    server.on(stage).reply(535 if stage == "AUTH" else 550, "5.7.0 No")
    result = curl(server, "--user", "ada:secret")
    assert result.returncode == code
    assert server.messages.none()
