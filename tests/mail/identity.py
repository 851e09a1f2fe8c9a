"""Signing identities for tests, and a stranger that verifies what they sign."""

from __future__ import annotations

import binascii
import re
import shutil
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID

from tests.peers.conftest import missing

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc)


class Identity(NamedTuple):
    """A certificate authority, an intermediate one, and a signer below it."""

    root: x509.Certificate
    intermediate: x509.Certificate
    certificate: x509.Certificate
    key: Any

    def pem(self, password: str = "", key: bool = True) -> bytes:
        """Return the signer's key and the chain in PEM."""
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        octets = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption) if key else b""
        for certificate in (self.intermediate, self.certificate):
            octets += certificate.public_bytes(Encoding.PEM)
        return bytes(octets)

    def p12(self, password: str = "", key: bool = True) -> bytes:
        """Return the same as PKCS#12."""
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return serialize_key_and_certificates(
            b"signer", self.key if key else None, self.certificate, [self.intermediate], encryption
        )


def issue(
    name: str,
    key: Any,
    issuer: x509.Certificate | None,
    issuer_key: Any,
    *,
    ca: bool,
    days: tuple[int, int] = (-1, 365),
) -> x509.Certificate:
    """Issue a certificate that is valid from and to so many days from `NOW`."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.RFC822Name("shop@example.com")]), critical=False
        ).add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
    return builder.sign(
        issuer_key, None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    )


def make_identity(key: Any = None, days: tuple[int, int] = (-1, 365)) -> Identity:
    """Make a signer below two authorities, valid from and to so many days from `NOW`."""
    root_key, middle_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    key = key or ec.generate_private_key(ec.SECP256R1())
    root = issue("Test Root", root_key, None, root_key, ca=True)
    middle = issue("Test Intermediate", middle_key, root, root_key, ca=True)
    return Identity(root, middle, issue("Shop", key, middle, middle_key, ca=False, days=days), key)


def make_pss_identity(folder: Path, *options: str) -> Identity:
    """Make a self-signed signer whose RSA key is for RSASSA-PSS alone; openssl makes it, with `options`."""
    openssl = _program("openssl")
    key, certificate = folder / "pss.key", folder / "pss.pem"
    arguments: list[str | Path] = [
        *("req", "-x509", "-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048", *options, "-nodes"),
        *("-keyout", key, "-out", certificate, "-days", "9", "-subj", "/CN=Shop"),
        *("-addext", "keyUsage=digitalSignature,keyCertSign", "-addext", "extendedKeyUsage=emailProtection"),
        *("-sigopt", "rsa_pss_saltlen:digest"),
    ]
    subprocess.run([openssl, *arguments], check=True, capture_output=True, timeout=60)
    own = x509.load_pem_x509_certificate(certificate.read_bytes())
    return Identity(own, own, own, load_pem_private_key(key.read_bytes(), None))


def _program(name: str) -> str:
    """Return the path of a foreign program, or skip (or fail) the test that needs it."""
    path = shutil.which(name)
    if path is None:
        missing(name, f"apt-get install {name}")
    assert path is not None
    return path


def entity_and_signature(octets: bytes) -> tuple[bytes, bytes]:
    """Return the very octets that a multipart/signed says were signed, and the signature in DER."""
    match = re.search(rb'boundary="([^"]+)"', octets)
    assert match
    first, second = octets.split(b"--" + match[1])[1:3]
    return first[2:-2], binascii.a2b_base64(second.partition(b"\r\n\r\n")[2])


def verified_by_gpgsm(octets: bytes, identity: Identity, at: datetime = NOW) -> str:
    """Return what `gpgsm --verify` says of a signed message, the root being trusted."""
    gpgsm, gpgconf, _ = _program("gpgsm"), _program("gpgconf"), _program("gpg-agent")
    # A short path: the agent's socket is in it, and its name may have some hundred octets only.
    with tempfile.TemporaryDirectory(prefix="gpgsm-") as home:
        folder = Path(home)
        fingerprint = identity.root.fingerprint(hashes.SHA1()).hex().upper()
        (folder / "trustlist.txt").write_text(f"{fingerprint} S relax\n")
        (folder / "root.pem").write_bytes(identity.root.public_bytes(Encoding.PEM))
        entity, signature = entity_and_signature(octets)
        (folder / "entity").write_bytes(entity)
        (folder / "signature").write_bytes(signature)
        command: list[str | Path] = [gpgsm, "--homedir", folder, "--batch", "--disable-crl-checks"]
        command += ["--status-fd", "1", "--faked-system-time", f"{at:%Y%m%dT%H%M%S}"]
        options: dict[str, Any] = {"cwd": folder, "capture_output": True, "text": True, "timeout": 60}
        try:
            subprocess.run([*command, "--import", "root.pem"], check=True, **options)
            result = subprocess.run([*command, "--verify", "signature", "entity"], **options)
        finally:
            subprocess.run([gpgconf, "--homedir", folder, "--kill", "gpg-agent"], **options)
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


def verified(octets: bytes, identity: Identity, folder: Path, at: datetime = NOW) -> bytes:
    """Return what `openssl cms -verify` says was signed."""
    openssl = _program("openssl")
    (folder / "root.pem").write_bytes(identity.root.public_bytes(Encoding.PEM))
    (folder / "mail.eml").write_bytes(octets)
    command: list[str | Path] = [
        openssl,
        "cms",
        "-verify",
        "-in",
        folder / "mail.eml",
        "-CAfile",
        folder / "root.pem",
        "-out",
        folder / "out",
        "-attime",
        str(int(at.timestamp())),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    content = (folder / "out").read_bytes()
    # The same once more, on the very octets between the delimiters: nothing canonicalised on the way.
    entity, signature = entity_and_signature(octets)
    (folder / "entity").write_bytes(entity)
    (folder / "signature").write_bytes(signature)
    command[3:5] = ["-inform", "DER", "-in", folder / "signature", "-content", folder / "entity", "-binary"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return content
