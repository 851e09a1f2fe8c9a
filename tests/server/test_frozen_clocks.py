"""Nothing of ours goes by a clock that a test can patch."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
import sys
from contextlib import AbstractContextManager

import pytest

from pytest_smtp4d import CertificateName
from pytest_smtp4d.server.server import SMTPServer

MAIL = "Subject: Hello\r\n\r\nHi.\r\n"


@pytest.fixture(params=["freezegun", "time_machine"])
def frozen(request: pytest.FixtureRequest) -> AbstractContextManager[object]:
    """A context manager under which the time of day stands still in 2031."""
    library = pytest.importorskip(request.param)
    if request.param == "freezegun":
        freezer: AbstractContextManager[object] = library.freeze_time("2031-05-05")
    else:
        freezer = library.travel("2031-05-05", tick=False)
    return freezer


def send(server: SMTPServer) -> None:
    """Send a mail in clear text."""
    with smtplib.SMTP(*server.address, timeout=10) as client:
        client.sendmail("ada@example.com", ["bob@example.org"], MAIL)


@pytest.mark.timeout(30)
def test_waits_end(frozen: AbstractContextManager[object]) -> None:
    """`none`, `one`, `wait_for` and `expect` end when their real seconds are over."""
    with SMTPServer(tls="none") as server, frozen:
        assert server.messages.none(within=0.05)
        with pytest.raises(AssertionError, match=r"within 0\.05 s"):
            server.messages.one(timeout=0.05)
        with pytest.raises(AssertionError, match=r"within 0\.05 s"):
            server.messages.wait_for(timeout=0.05)
        with pytest.raises(AssertionError, match=r"within 0\.05 s"), server.messages.expect(timeout=0.05):
            pass
        send(server)
        assert server.messages.one(settle=0.05).subject == "Hello"


@pytest.mark.timeout(30)
def test_faults_that_take_time_end(frozen: AbstractContextManager[object]) -> None:
    """`delay` and `trickle` go by real seconds."""
    with SMTPServer(tls="none") as server, frozen:
        server.on("MAIL").delay(0.05)
        server.on("RCPT").trickle(1000)
        send(server)
        assert len(server.messages) == 1
        assert server.messages[0].received_at.year < 2031


@pytest.mark.parametrize(
    ("certificate", "words"),
    [("expired", "certificate has expired"), ("not_yet_valid", "certificate is not yet valid")],
)
def test_certificates_made_under_a_frozen_clock(
    frozen: AbstractContextManager[object], certificate: CertificateName, words: str
) -> None:
    """They are as wrong as they say, now and in later tests: OpenSSL asks the system's clock."""
    server = SMTPServer(certificate=certificate)
    with server, frozen, smtplib.SMTP(*server.address, timeout=10) as client:
        with pytest.raises(ssl.SSLCertVerificationError, match=words):
            client.starttls(context=server.client_context())
        client.close()
    with SMTPServer() as later, smtplib.SMTP(*later.address, timeout=10) as client:
        client.starttls(context=later.client_context())


@pytest.mark.parametrize("library", ["freezegun", "time_machine"])
def test_a_room_that_is_imported_under_a_frozen_clock(library: str) -> None:
    """All of the server may be imported first while the clock stands: waits end, certificates are right."""
    pytest.importorskip(library)
    freeze = (
        "freezegun.freeze_time('2031-05-05')"
        if library == "freezegun"
        else "time_machine.travel('2031-05-05', tick=False)"
    )
    script = f"""
import pytest_smtp4d, smtplib, {library}
with {freeze}:
    from pytest_smtp4d.server.server import SMTPServer
    with SMTPServer() as server, smtplib.SMTP(*server.address, timeout=10) as client:
        client.starttls(context=server.client_context())
        assert server.messages.none(within=0.05)
        server.on("NOOP").delay(0.05)
        client.noop()
with SMTPServer() as server, smtplib.SMTP(*server.address, timeout=10) as client:
    client.starttls(context=server.client_context())
    assert server.messages.none(within=0.05)
with SMTPServer(names=["shop.example"]) as server, smtplib.SMTP(*server.address, timeout=10) as client:
    client.starttls(context=server.client_context())
print("done")
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr) == ("done\n", "")
