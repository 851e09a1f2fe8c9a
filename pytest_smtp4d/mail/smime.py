"""Clear signing: a message that anyone can read and whoever knows the signer can verify.

RFC 8551 3.5.3 (multipart/signed), RFC 5652 (CMS), RFC 1847; 4D `certificate`, `certificateName`,
`certificatePassword`. What is signed are the very octets of the first part, CRLF
line ends included, so they are composed in 7 bits and never touched again. `cryptography` is imported when
an identity is loaded, not before.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.charset import base64_lines
from pytest_smtp4d.mail.scheme import Scheme, UnfitKeyError, scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

__all__ = [
    "CertificateError",
    "ExpiredCertificateError",
    "MissingKeyError",
    "Signer",
    "WrongPasswordError",
    "certificate_store",
    "sign_entity",
]


class CertificateError(MailError):
    """A signing identity cannot be found, read or used."""


class WrongPasswordError(CertificateError):
    """The password does not open the identity, or it needs one and none was given."""


class MissingKeyError(CertificateError):
    """There is a certificate but no private key that belongs to it."""


class ExpiredCertificateError(CertificateError):
    """The certificate's time is over."""


@dataclass(frozen=True)
class Signer:
    """A signing identity; make it with `Signer.load`. Its repr shows whose it is and no key.

    Args:
        certificate: the signer's certificate.
        key: its private key.
        chain: further certificates, sent along so that readers find the way to the root.
    """

    certificate: Certificate
    key: RSAPrivateKey | EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[Certificate, ...] = field(default=(), repr=False)

    @classmethod
    def load(
        cls,
        certificate: str | os.PathLike[str] | bytes | None = None,
        certificate_name: str | None = None,
        password: str = "",
    ) -> Signer:
        """Load an identity: a certificate and its private key.

        Args:
            certificate: PKCS#12 or PEM, as octets or as the path of a file.
            certificate_name: instead, a name in the certificate store (`certificate_store`).
            password: what protects the private key; "" for nothing.

        Raises:
            WrongPasswordError: `password` does not open it.
            MissingKeyError: it holds no private key.
            CertificateError: it does not exist or is neither PKCS#12 nor PEM; the base of the two above.
        """
        if (certificate is None) == (certificate_name is None):
            raise CertificateError(
                "a signing identity is either certificate or certificateName: give one of the two"
            )
        octets, origin = _read(_stored(certificate_name) if certificate is None else certificate)
        try:
            if b"-----BEGIN " in octets:
                found, key, others = _load_pem(octets, password, origin)
            else:
                found, key, others = _load_pkcs12(octets, password, origin)
        except ValueError as error:
            if isinstance(error, MailError):
                raise
            raise CertificateError(f"certificate {origin} cannot be read: {error}") from error
        signer = cls(found, _signing_key(key, origin), tuple(others))
        try:
            scheme_of(signer.key, found)
        except UnfitKeyError as error:
            raise CertificateError(f"certificate {origin}: its key cannot sign here: {error}") from error
        return signer

    @property
    def scheme(self) -> Scheme:
        """The hash and the padding of the signatures, which follow the key."""
        return scheme_of(self.key, self.certificate)

    def sign(self, entity: bytes, *, now: datetime) -> bytes:
        """Return the detached signature of a MIME entity.

        Args:
            entity: header and body with CRLF line ends, as they will be sent.
            now: the moment at which the certificate must be valid; UTC where it has no offset.

        Returns:
            CMS SignedData in DER: the hash that fits the key, the signer's certificate and its chain.

        Raises:
            ExpiredCertificateError: the certificate is no longer valid.
            CertificateError: it is not valid yet.
        """
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

        moment = now if now.tzinfo else now.replace(tzinfo=timezone.utc)
        owner = self.certificate.subject.rfc4514_string()
        first, last = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        if moment > last:
            raise ExpiredCertificateError(
                f"the certificate of {owner!r} expired on {last:%Y-%m-%d}: renew it"
            )
        if moment < first:
            raise CertificateError(f"the certificate of {owner!r} is not valid before {first:%Y-%m-%d}")
        scheme = self.scheme
        builder = (
            PKCS7SignatureBuilder()
            .set_data(entity)
            .add_signer(self.certificate, self.key, scheme.hash, rsa_padding=scheme.rsa_padding)
        )
        for certificate in self.chain:
            builder = builder.add_certificate(certificate)
        return builder.sign(Encoding.DER, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])


def sign_entity(
    signer: Signer, entity: bytes, *, now: datetime, unique: Callable[[], str]
) -> tuple[bytes, bytes]:
    """Return the Content-Type field and the body of a multipart/signed around `entity`.

    Args:
        signer: the identity.
        entity: header and body of the part to sign, with CRLF line ends, in 7 bits.
        now: the moment of signing.
        unique: gives texts of letters and digits for the boundary.

    Raises:
        CertificateError: the signer cannot sign at that moment.
    """
    boundary = f"=_0_{unique()}".encode("ascii")
    while boundary in entity:
        boundary += b"_"
    signature = base64_lines(signer.sign(entity, now=now))
    header = (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
        b' micalg=%b; boundary="%b"\r\n' % (signer.scheme.micalg.encode("ascii"), boundary)
    )
    body = (
        b"--%b\r\n%b\r\n--%b\r\n"
        b'Content-Type: application/pkcs7-signature; name="smime.p7s"\r\n'
        b"Content-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="smime.p7s"\r\n'
        b"\r\n%b\r\n--%b--" % (boundary, entity, boundary, signature, boundary)
    )
    return header, body


# --- where identities are -------------------------------------------------------------------------

_STORE_VARIABLE = "SMTP4D_CERTIFICATE_STORE"
_SUFFIXES = (".p12", ".pfx", ".pem")


def certificate_store() -> Path:
    """Return the folder in which `certificateName` is looked up: `NAME.p12`, `NAME.pfx` or `NAME.pem`.

    The variable `SMTP4D_CERTIFICATE_STORE`, else `pytest-smtp4d/certificates` in the user's data folder.
    """
    named = os.environ.get(_STORE_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        data = os.environ.get("APPDATA") or "~/AppData/Roaming"
    elif sys.platform == "darwin":
        data = "~/Library/Application Support"
    else:
        data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "pytest-smtp4d" / "certificates"


def _stored(name: str | None) -> Path:
    """Return the file of a name in the store.

    Raises:
        CertificateError: there is none; names the folder and the names it holds.
    """
    store = certificate_store()
    files = {path.stem: path for path in sorted(store.glob("*")) if path.suffix.lower() in _SUFFIXES}
    if not isinstance(name, str) or name not in files:
        held = ", ".join(repr(stem) for stem in files) or "none"
        raise CertificateError(
            f"certificateName {name!r} is not in the certificate store {store} (it holds: {held})"
        )
    return files[name]


def _read(certificate: str | os.PathLike[str] | bytes) -> tuple[bytes, str]:
    """Return the octets of an identity and where they came from, for messages."""
    if isinstance(certificate, (bytes, bytearray, memoryview)):
        return bytes(certificate), "given as octets"
    try:
        return Path(certificate).read_bytes(), repr(os.fspath(certificate))
    except (OSError, ValueError, TypeError) as error:
        raise CertificateError(f"certificate {certificate!r} cannot be read: {error}") from error


# --- what identities are --------------------------------------------------------------------------

_PRIVATE_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
_PKCS7_DATA = bytes.fromhex("06092a864886f70d0107")  # the OIDs that a PKCS#12 file begins with (RFC 7292 4)


def _load_pem(octets: bytes, password: str, origin: str) -> tuple[Certificate, object, list[Certificate]]:
    """Read certificates and a private key in PEM."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    block = _PRIVATE_KEY.search(octets)
    if not block:
        raise MissingKeyError(
            f"certificate {origin} holds no private key: add it to the PEM, or give a PKCS#12 file"
        )
    encrypted = b"ENCRYPTED" in block[0][:200]
    try:
        key = load_pem_private_key(block[0], password.encode() if encrypted and password else None)
    except (ValueError, TypeError) as error:
        if encrypted:
            raise WrongPasswordError(_wrong_password(origin, password)) from error
        raise
    certificates = load_pem_x509_certificates(octets)
    mine = next((each for each in certificates if each.public_key() == key.public_key()), None)
    if mine is None:
        raise MissingKeyError(f"certificate {origin}: its private key belongs to none of its certificates")
    return mine, key, [each for each in certificates if each != mine]


def _load_pkcs12(octets: bytes, password: str, origin: str) -> tuple[Certificate, object, list[Certificate]]:
    """Read a PKCS#12 file."""
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    if octets[:1] != b"\x30" or _PKCS7_DATA not in octets[:64]:
        raise CertificateError(f"certificate {origin} is neither PKCS#12 nor PEM")
    try:
        bundle = load_pkcs12(octets, password.encode() or None)
    except ValueError as error:
        raise WrongPasswordError(_wrong_password(origin, password)) from error
    if bundle.key is None or bundle.cert is None:
        raise MissingKeyError(
            f"certificate {origin} holds no private key with its certificate: export both together"
        )
    return bundle.cert.certificate, bundle.key, [each.certificate for each in bundle.additional_certs]


def _wrong_password(origin: str, password: str) -> str:
    """Say that a password does not fit, without saying the password."""
    if password:
        return f"certificatePassword does not open certificate {origin}"
    return f"certificate {origin} is protected: give certificatePassword"


def _signing_key(key: object, origin: str) -> RSAPrivateKey | EllipticCurvePrivateKey:
    """Return a key that CMS signatures can be made with here."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if isinstance(key, (RSAPrivateKey, EllipticCurvePrivateKey)):
        return key
    raise CertificateError(
        f"certificate {origin}: its key must be RSA or elliptic-curve, not {type(key).__name__}"
    )
