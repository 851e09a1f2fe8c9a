"""The certificate authority of the process, eight kinds of server certificate, and the contexts with them.

RFC 5280 (certificates), RFC 6125 (names are in the SAN), RFC 8446 4.4.2.
Everything is made when it is first asked for and then kept, so a test that never speaks TLS pays nothing. The
dates of certificates are fixed: made under a clock that a test has moved, they mean the same.
"""

from __future__ import annotations

import contextlib
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

from pytest_smtp4d import clock
from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.server.settings import CERTIFICATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryptography import x509

    from pytest_smtp4d.server.keywords import CertificateName
    from pytest_smtp4d.server.settings import ServerSettings

__all__ = ["CertificateAuthority", "authority", "use_authority"]

CLIENT_IDENTITY = "client@example.com"
"""Whom the client certificate of `client_context(identity=True)` names."""

WRONG_HOST = "wrong-host.example.com"
"""The one name in a "wrong_host" certificate."""

_LONGEST_COMMON_NAME = 64
"""Characters (RFC 5280 appendix A, ub-common-name)."""

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
    """trustme's authority, and the TLS contexts of servers and clients that rest on it.

    Example:
        >>> def test_trust(smtp_ca: CertificateAuthority) -> None:
        ...     context = ssl.create_default_context(cafile=smtp_ca.ca_file)
    """

    def __init__(self) -> None:
        with _real_datetime():
            super().__init__()
        self._lock = threading.RLock()
        self._contexts: dict[tuple[object, ...], ssl.SSLContext] = {}

    @classmethod
    def kept_in(cls, folder: Path) -> CertificateAuthority:
        """Return the authority that a folder keeps; one that keeps none is given a new one.

        The folder holds `ca.pem`, for clients, `ca-key.pem`, the authority's key and certificate, and
        `client.pem`, the key and certificate of a client. What holds a key can be read by its owner alone.

        Args:
            folder: made where it is missing.

        Raises:
            SettingsError: the folder holds something else by that name.
            OSError: it cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        whole = folder / "ca-key.pem"
        if not whole.exists():
            new = trustme.CA()
            _write_once(whole, new.private_key_pem.bytes() + new.cert_pem.bytes())
        try:
            kept = cls._of(whole.read_bytes())
        except (ValueError, TypeError) as error:
            raise SettingsError(f"{whole} holds no authority of ours ({error}): remove it") from None
        whole.chmod(0o600)
        kept.__dict__["_ca_file"] = str((folder / "ca.pem").absolute())
        _replace(folder / "ca.pem", kept.pem, 0o644)
        identity = kept._client_identity  # noqa: SLF001 - its own
        _replace(folder / "client.pem", identity.key + b"".join(identity.chain), 0o600)
        return kept

    @classmethod
    def _of(cls, octets: bytes) -> CertificateAuthority:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        kept = cls()
        kept._certificate = x509.load_pem_x509_certificate(octets)
        kept._private_key = load_pem_private_key(octets, None)  # type: ignore[assignment]
        if kept._certificate.public_key() != kept._private_key.public_key():
            raise ValueError("its key and its certificate do not belong together")
        return kept

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

    def server_context(self, settings: ServerSettings, target: str | None = None) -> ssl.SSLContext:
        """Return the context of a server with these settings; the same one for the same settings.

        Args:
            settings: which certificate to show, and how to speak TLS.
            target: the host that a redirected client asked for. The certificate is for this host alone, or
                for the one that the client names in the handshake (SNI, RFC 6066 3). None: the server's own.
        """
        kind = settings.certificate
        key = (
            kind,
            settings.host,
            settings.names,
            settings.client_certificate,
            settings.tls_versions,
            target,
        )
        with self._lock:
            context = self._contexts.get(key)
            if context is None:
                context = self._contexts[key] = self._make_server_context(settings, target)
            return context

    def _make_server_context(self, settings: ServerSettings, target: str | None) -> ssl.SSLContext:
        own = ["localhost", "127.0.0.1", "::1", settings.host, *settings.names]
        names = own if target is None else [target]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _load(context, self._server_identity(settings.certificate, list(dict.fromkeys(names))))
        if settings.client_certificate != "none":
            required = settings.client_certificate == "required"
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=self.pem.decode("ascii"))
        if settings.tls_versions:
            _limit_versions(context, settings.tls_versions)
        context.sni_callback = _remember_server_name
        if target is not None:
            context.sni_callback = self._answer_by_name(settings)
        return context

    def _answer_by_name(self, settings: ServerSettings) -> Callable[..., None]:
        """Return a callback that shows the certificate for the name that the client asked for."""

        def answer(tls: ssl.SSLObject, server_name: str | None, context: ssl.SSLContext) -> None:
            _remember_server_name(tls, server_name, context)
            if server_name:
                tls.context = self.server_context(settings, server_name.lower())

        return answer

    def client_context(self, *, identity: bool = False) -> ssl.SSLContext:
        """Return a new context that verifies servers and trusts this authority alone.

        Args:
            identity: with a client certificate that the servers accept.

        Example:
            >>> context = smtp_ca.client_context(identity=True)  # shows a client certificate, too
        """
        context = ssl.create_default_context(cadata=self.pem.decode("ascii"))
        context.hostname_checks_common_name = False
        if identity:
            _load(context, self._client_identity)
        return context

    @cached_property
    def _client_identity(self) -> _Identity:
        return _of_leaf(self.issue_cert(CLIENT_IDENTITY))

    def _server_identity(self, kind: CertificateName, names: Sequence[str]) -> _Identity:
        """Return a certificate of a kind, as its row in the table of kinds describes it."""
        row = CERTIFICATES[kind]
        begins, ends = (dt.datetime.fromisoformat(f"{day}T00:00:00") for day in row.valid)
        if row.names == "other":
            names = [WRONG_HOST]
        if row.issuer == "itself" or row.names == "common":
            issuer = None if row.issuer == "itself" else self
            return _handmade(issuer, () if row.names == "common" else names, names[0], begins, ends)
        if row.issuer == "missing":
            whole = _issued(self.create_child_ca(), names, begins, ends)
            return _Identity(whole.key, whole.chain[:1])
        return _issued(trustme.CA() if row.issuer == "stranger" else self, names, begins, ends)


def _handmade(
    issuer: trustme.CA | None,
    names: Sequence[str],
    common_name: str,
    not_before: dt.datetime,
    not_after: dt.datetime,
) -> _Identity:
    """Return a certificate that trustme does not make: without a SAN, signed by itself, or for an odd name.

    Args:
        issuer: who signs it; None: it signs itself.
        names: in the SAN.
        common_name: the subject.
        not_before, not_after: when it is valid.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_LONGEST_COMMON_NAME])])
    signer: ec.EllipticCurvePrivateKey = key
    issuer_name, issuer_key = subject, x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    if issuer is not None:
        certificate = x509.load_pem_x509_certificate(issuer.cert_pem.bytes())
        loaded = serialization.load_pem_private_key(issuer.private_key_pem.bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signer, issuer_name = loaded, certificate.subject
        identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)
    builder = (
        x509.CertificateBuilder(issuer_name, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
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


@contextlib.contextmanager
def _real_datetime() -> Iterator[None]:
    """Put the real class `datetime` back for a moment, where freezegun has replaced it.

    QUIRK: cryptography keeps the class that it finds when it first signs, and from then on takes dates of no
    other. If that were freezegun's, no certificate could be signed in this process once the clock goes again.
    """
    found, real = dt.datetime, type(clock.now_utc())
    dt.datetime = real  # type: ignore[misc] # freezegun assigns it, too
    try:
        yield
    finally:
        dt.datetime = found  # type: ignore[misc]


def _issued(
    issuer: trustme.CA,
    names: Sequence[str],
    not_before: dt.datetime,
    not_after: dt.datetime,
) -> _Identity:
    import idna

    try:
        leaf = issuer.issue_cert(*names, not_before=not_before, not_after=not_after)
    except idna.IDNAError:  # a host of a container network may be called my_mail
        return _handmade(issuer, names, names[0], not_before, not_after)
    return _of_leaf(leaf)


def _of_leaf(leaf: trustme.LeafCert) -> _Identity:
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


def _write_once(path: Path, octets: bytes) -> None:
    """Write a file that its owner alone can read, unless another process was faster."""
    handle, made = tempfile.mkstemp(prefix=".smtp4d-", dir=path.parent)  # mode 0600
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - it is a file descriptor
            file.write(octets)
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        except (AttributeError, OSError):  # no hard links, by the system or in this folder
            if not path.exists():
                Path(made).replace(path)
    finally:
        Path(made).unlink(missing_ok=True)


def _replace(path: Path, octets: bytes, mode: int) -> None:
    """Write a file so that nobody ever reads half of it."""
    handle, made = tempfile.mkstemp(prefix=".smtp4d-", dir=path.parent)
    with open(handle, "wb") as file:  # noqa: PTH123 - it is a file descriptor
        file.write(octets)
    Path(made).chmod(mode)
    Path(made).replace(path)


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


def use_authority(chosen: CertificateAuthority) -> None:
    """Make an authority the one of the process, before any server shows a certificate."""
    global _authority  # noqa: PLW0603 - as above
    with _lock:
        _authority = chosen
