"""Which hash and which padding a key signs with.

RFC 5480 4 (the hash fits the curve), RFC 4055 1.2 and 3.1, RFC 4056 (keys for RSASSA-PSS alone). That an RSA
key is for RSASSA-PSS, and with which parameters, stands in its certificate: in the algorithm of the subject's
public key, which is read here from the DER of the certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.padding import PSS
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
    from cryptography.x509 import Certificate

__all__ = ["Scheme", "UnfitKeyError", "scheme_of"]


class UnfitKeyError(ValueError):
    """A key is restricted to a signature that cannot be made here; the text says to which."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a key signs.

    Args:
        hash_bits: 256, 384 or 512, of SHA-2.
        pss_salt: octets of salt where the key signs RSASSA-PSS; None for PKCS #1 v1.5 and ECDSA.
    """

    hash_bits: int
    pss_salt: int | None = None

    @property
    def micalg(self) -> str:
        """The hash as a multipart/signed names it (RFC 8551 3.5.3.2)."""
        return f"sha-{self.hash_bits}"

    @property
    def hash(self) -> SHA256 | SHA384 | SHA512:
        """The hash as `cryptography` takes it."""
        from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

        hashes: dict[int, SHA256 | SHA384 | SHA512] = {256: SHA256(), 384: SHA384(), 512: SHA512()}
        return hashes[self.hash_bits]

    @property
    def rsa_padding(self) -> PSS | None:
        """The padding as `cryptography` takes it; None for the usual one."""
        if self.pss_salt is None:
            return None
        from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS

        return PSS(MGF1(self.hash), self.pss_salt)


def scheme_of(key: RSAPrivateKey | EllipticCurvePrivateKey, certificate: Certificate) -> Scheme:
    """Return how a key signs.

    Raises:
        UnfitKeyError: it is restricted to RSASSA-PSS with a hash that cannot be used here.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    if isinstance(key, EllipticCurvePrivateKey):
        return Scheme(256 if key.key_size <= 256 else 384 if key.key_size <= 384 else 512)
    algorithm, *parameters = _key_algorithm(certificate.tbs_certificate_bytes)
    return _pss_scheme(parameters) if algorithm == _RSASSA_PSS else Scheme(256)


# --- RSASSA-PSS -----------------------------------------------------------------------------------
#
#   AlgorithmIdentifier = SEQUENCE { algorithm OID, parameters ANY OPTIONAL }               RFC 5280 4.1.1.2
#   RSASSA-PSS-params   = SEQUENCE { [0] hash (SHA-1), [1] MGF1 of a hash (SHA-1), [2] salt (20), … }
#                                                                                         RFC 4055 3.1

_RSASSA_PSS = bytes.fromhex("2a864886f70d01010a")
_SHA2 = {bytes.fromhex(f"60864801650304020{last}"): bits for last, bits in ((1, 256), (2, 384), (3, 512))}
_HASH, _MASK, _SALT = 0xA0, 0xA1, 0xA2
_SEQUENCE, _VERSION = 0x30, 0xA0


def _pss_scheme(parameters: list[bytes]) -> Scheme:
    """Return how a key signs that is for RSASSA-PSS alone; without parameters it takes any."""
    if not parameters:
        return Scheme(256, 32)
    given = dict(_elements(parameters[0]))
    hash_oid, mask_oid = _last_oid(given.get(_HASH, b"")), _last_oid(given.get(_MASK, b""))
    bits = _SHA2.get(hash_oid)
    if bits is None or mask_oid != hash_oid:
        raise UnfitKeyError(
            "it is restricted to RSASSA-PSS with SHA-1 or two different hashes; "
            "use one with SHA-256, SHA-384 or SHA-512 for both"
        )
    least = int.from_bytes(next((content for _, content in _elements(given.get(_SALT, b""))), b""), "big")
    return Scheme(bits, max(least, bits // 8))


def _key_algorithm(certificate: bytes) -> list[bytes]:
    """Return the algorithm of a certificate's public key: its OID and its parameters, where it has any."""
    (_, fields), *_ = _elements(certificate)
    # version (may be absent), serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo
    contents = [content for tag, content in _elements(fields) if tag != _VERSION]
    (_, algorithm), *_ = _elements(contents[5])
    return [content for _, content in _elements(algorithm) if content]


def _last_oid(octets: bytes) -> bytes:
    """Return the OID of an algorithm, or of the algorithm that is its parameter (as a hash is of MGF1)."""
    found = b""
    for tag, content in _elements(octets):
        found = (_last_oid(content) if tag == _SEQUENCE else content) or found
    return found


def _elements(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tags and contents of the DER elements in `octets` (X.690 8.1)."""
    position = 0
    while position + 2 <= len(octets):
        tag, length = octets[position : position + 2]
        position += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(octets[position : position + size], "big")
            position += size
        yield tag, octets[position : position + length]
        position += length
