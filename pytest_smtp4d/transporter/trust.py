"""TLS at the client: the context for servers of the world, and what a failed handshake means.

RFC 8446 6 (alerts), RFC 5280 6 (path validation); the numbers and names of causes are OpenSSL's.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

from pytest_smtp4d.errors import Cause, Problem

__all__ = ["default_context", "tls_problem"]


def default_context() -> ssl.SSLContext:
    """Return the context for servers of the world: system trust, names by SAN only, TLS 1.2 at least.

    Made once per process, and only when a verified connection is opened: loading the system's CAs is slow.
    Where the environment names other trust (OpenSSL's SSL_CERT_FILE and SSL_CERT_DIR), it is made anew.
    """
    return _default_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=2)
def _default_context(*_trust: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


# X509_V_ERR_…
_CERTIFICATE_CAUSES = {
    9: Cause.CERTIFICATE_NOT_YET_VALID,
    10: Cause.CERTIFICATE_EXPIRED,
    18: Cause.CERTIFICATE_UNKNOWN_ISSUER,
    19: Cause.CERTIFICATE_UNKNOWN_ISSUER,
    20: Cause.CERTIFICATE_UNKNOWN_ISSUER,
    21: Cause.CERTIFICATE_UNKNOWN_ISSUER,
    62: Cause.CERTIFICATE_WRONG_HOST,
    64: Cause.CERTIFICATE_WRONG_HOST,
}

_TLS_CAUSES = {
    "UNSUPPORTED_PROTOCOL": Cause.TLS_NO_COMMON_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": Cause.TLS_NO_COMMON_VERSION,
    "NO_PROTOCOLS_AVAILABLE": Cause.TLS_NO_COMMON_VERSION,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": Cause.TLS_CLIENT_CERTIFICATE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": Cause.TLS_FAILED,
}


def tls_problem(error: ssl.SSLError, host: str, stage: str) -> Problem:
    """Return what an error of TLS means, as a problem at `stage`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = _CERTIFICATE_CAUSES.get(error.verify_code, Cause.TLS_FAILED)
        return Problem(
            cause, f"the certificate of {host} was refused ({error.verify_message.rstrip('.')})", stage
        )
    reason = (error.reason or str(error)).replace("_", " ").lower()
    cause = _TLS_CAUSES.get(error.reason, Cause.TLS_FAILED)
    if cause is Cause.TLS_CLIENT_CERTIFICATE:
        stage = "TLS"  # TLS 1.3 tells it only after the client's handshake is done (RFC 8446 4.4.2.4)
    return Problem(cause, f"TLS with {host} failed ({reason})", stage)
