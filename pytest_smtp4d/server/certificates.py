"""The certificate authority of the process, eight kinds of server certificate, and the contexts with them.

RFC 5280 (certificates), RFC 6125 (names are in the SAN), RFC 8446 4.4.2.
The one thing to know: everything is made when it is first asked for and then kept, so a test that never
speaks TLS pays nothing.
"""

from __future__ import annotations

import datetime as dt
import os
import ssl
import tempfile
import threading
import warnings
import weakref
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import trustme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from pytest_smtp4d.server.settings import ServerSettings

__all__ = ["CertificateAuthority", "authority"]

CLIENT_IDENTITY = "client@example.com"
"""Whom the client certificate of `client_context(identity=True)` names."""

WRONG_HOST = "wrong-host.example.com"
"""The one name in a "wrong_host" certificate."""

_DAY = dt.timedelta(days=1)
_OLD_VERSIONS = frozenset({"TLSv1", "TLSv1.1"})
_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class _Identity(NamedTuple):
    """A private key and the certificates to show, the leaf first; PEM."""

    key: bytes
    chain: Sequence[bytes]


class CertificateAuthority(trustme.CA):
    """trustme's authority, and the TLS contexts of servers and clients that rest on it."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._contexts: dict[tuple[object, ...], ssl.SSLContext] = {}

    @cached_property
    def pem(self) -> bytes:
        """The authority's own certificate, PEM."""
        return bytes(self.cert_pem.bytes())

    @property
    def ca_file(self) -> str:
        """Absolute path of a file with `pem`, there until the process ends, for clients of any language."""
        with self._lock:
            return self._ca_file

    @cached_property
    def _ca_file(self) -> str:
        handle, path = tempfile.mkstemp(prefix="smtp4d-ca-", suffix=".pem")
        with open(handle, "wb") as file:  # noqa: PTH123 - it is a file descriptor
            file.write(self.pem)
        weakref.finalize(self, _remove, path, os.getpid())
        return path

    def server_context(self, settings: ServerSettings) -> ssl.SSLContext:
        """Return the context of a server with these settings; the same one for the same settings."""
        kind = settings.certificate
        key = (kind, settings.host, settings.client_certificate, settings.tls_versions)
        with self._lock:
            context = self._contexts.get(key)
            if context is None:
                context = self._contexts[key] = self._make_server_context(settings)
            return context

    def _make_server_context(self, settings: ServerSettings) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _load(context, self._server_identity(settings.certificate, settings.host))
        if settings.client_certificate != "none":
            required = settings.client_certificate == "required"
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=self.pem.decode("ascii"))
        if settings.tls_versions:
            _limit_versions(context, settings.tls_versions)
        context.sni_callback = _remember_server_name
        return context

    def client_context(self, *, identity: bool = False) -> ssl.SSLContext:
        """Return a new context that verifies servers and trusts this authority alone.

        Args:
            identity: with a client certificate that the servers accept.
        """
        context = ssl.create_default_context(cadata=self.pem.decode("ascii"))
        context.hostname_checks_common_name = False
        if identity:
            _load(context, self._client_identity)
        return context

    @cached_property
    def _client_identity(self) -> _Identity:
        return _issued(self.issue_cert(CLIENT_IDENTITY))

    def _server_identity(self, kind: str, host: str) -> _Identity:
        names = list(dict.fromkeys(("localhost", "127.0.0.1", "::1", host)))
        now = dt.datetime.now(dt.timezone.utc)
        if kind == "expired":
            return _issued(self.issue_cert(*names, not_before=now - 30 * _DAY, not_after=now - _DAY))
        if kind == "not_yet_valid":
            return _issued(self.issue_cert(*names, not_before=now + _DAY, not_after=now + 30 * _DAY))
        if kind == "wrong_host":
            return _issued(self.issue_cert(WRONG_HOST))
        if kind == "unknown_ca":
            return _issued(trustme.CA().issue_cert(*names))
        if kind == "incomplete_chain":
            whole = _issued(self.create_child_ca().issue_cert(*names))
            return _Identity(whole.key, whole.chain[:1])
        if kind == "self_signed":
            return self._handmade(names, signed_by_self=True)
        if kind == "no_san":
            return self._handmade((), signed_by_self=False)
        return _issued(self.issue_cert(*names))

    def _handmade(self, names: Sequence[str], *, signed_by_self: bool) -> _Identity:
        """Return one of the two kinds that trustme does not make: without a SAN, or signed by nobody else."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        signer: ec.EllipticCurvePrivateKey = key
        issuer, issuer_key = subject, x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        if not signed_by_self:
            certificate = x509.load_pem_x509_certificate(self.pem)
            loaded = serialization.load_pem_private_key(self.private_key_pem.bytes(), None)
            assert isinstance(loaded, ec.EllipticCurvePrivateKey)
            signer, issuer = loaded, certificate.subject
            identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
            issuer_key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)
        now = dt.datetime.now(dt.timezone.utc)
        builder = (
            x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 30 * _DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(issuer_key, critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        if names:
            san = x509.SubjectAlternativeName([_general_name(name) for name in names])
            builder = builder.add_extension(san, critical=False)
        pem = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return _Identity(private, [pem])


def _general_name(name: str) -> x509.GeneralName:
    import ipaddress

    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _issued(leaf: trustme.LeafCert) -> _Identity:
    return _Identity(leaf.private_key_pem.bytes(), [blob.bytes() for blob in leaf.cert_chain_pems])


def _load(context: ssl.SSLContext, identity: _Identity) -> None:
    """Give a context its key and certificates; `ssl` takes them from a file only."""
    handle, path = tempfile.mkstemp(prefix="smtp4d-", suffix=".pem")
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - it is a file descriptor
            file.write(identity.key + b"".join(identity.chain))
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()


def _limit_versions(context: ssl.SSLContext, versions: Sequence[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 and 1.1 are what was asked for
        if _OLD_VERSIONS.intersection(versions):
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        # The wider end first, for neither may pass the other.
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = _VERSIONS[versions[-1]]
        context.minimum_version = _VERSIONS[versions[0]]


def _remember_server_name(tls: ssl.SSLObject, server_name: str | None, _context: ssl.SSLContext) -> None:
    """Keep the name that the client asked for (RFC 6066 3) on the session's own object: `ssl` does not."""
    tls.asked_for = server_name  # type: ignore[attr-defined]


def _remove(path: str, process: int) -> None:
    if os.getpid() == process:  # a fork has no right to its parent's file
        Path(path).unlink(missing_ok=True)


_lock = threading.Lock()
_authority: CertificateAuthority | None = None


def authority() -> CertificateAuthority:
    """Return the one authority of the process."""
    global _authority  # noqa: PLW0603 - one per process is what it is for
    with _lock:
        if _authority is None:
            _authority = CertificateAuthority()
        return _authority
