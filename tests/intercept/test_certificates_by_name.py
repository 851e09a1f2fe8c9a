"""The certificate that a redirected client is shown is for the host that it asked for."""

from __future__ import annotations

import ssl

import pytest

from pytest_smtp4d import CertificateName
from pytest_smtp4d.server.certificates import authority
from pytest_smtp4d.server.settings import CERTIFICATES, ServerSettings
from pytest_smtp4d.tls import TLSPipe

HOSTS = [
    "smtp.example.com",
    "192.0.2.7",
    "2001:db8::1",
    "my_mail",
    "smtp.xn--bcher-kva.example",
    f"{'long' * 15}.{'longer' * 10}.example.com",
]


def shake(
    target: str, asked: str, certificate: CertificateName = "trusted", context: ssl.SSLContext | None = None
) -> TLSPipe:
    """Shake hands with a server for a target, asking for a name; return the client's end."""
    settings = ServerSettings(certificate=certificate)
    server = TLSPipe(authority().server_context(settings, target), server_side=True)
    client = TLSPipe(context or authority().client_context(), server_side=False, server_hostname=asked)
    octets = b""
    while not (client.handshake_done and server.handshake_done):
        client.receive(octets) if octets else client.handshake()
        server.receive(client.pending())
        octets = server.pending()
    return client


@pytest.mark.parametrize("host", HOSTS)
def test_it_is_for_the_target(host: str) -> None:
    """A name, an address of either family, a name that is no host name, one that is longer than a subject."""
    assert shake(host, host).handshake_done


def test_the_name_in_the_handshake_comes_first() -> None:
    """A client may connect to an address and ask for a name: it is shown that name's, and nothing else."""
    client = shake("192.0.2.7", "smtp.example.com")
    shown = client.ssl_object.getpeercert()
    assert shown is not None
    assert shown["subjectAltName"] == (("DNS", "smtp.example.com"),)


@pytest.mark.parametrize("host", ["smtp.example.com", "192.0.2.7", "my_mail"])
@pytest.mark.parametrize("kind", sorted(set(CERTIFICATES) - {"trusted"}))
def test_a_bad_one_is_bad_for_every_host(kind: CertificateName, host: str) -> None:
    """Each kind is refused for its own reason, also where the name is in it."""
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(host, host, kind)


def test_one_without_a_san_has_the_host_as_its_common_name() -> None:
    """What Python's own default context takes where it may."""
    context = authority().client_context()
    context.hostname_checks_common_name = True
    assert shake("smtp.example.com", "smtp.example.com", "no_san", context).handshake_done


def test_a_context_is_made_once() -> None:
    """The same settings and host get the same context, and so the same certificate."""
    settings = ServerSettings()
    first = authority().server_context(settings, "smtp.example.com")
    assert authority().server_context(settings, "smtp.example.com") is first
    assert authority().server_context(settings, "smtp.example.org") is not first
    assert authority().server_context(settings) is not first
