"""The trust of a whole run: default TLS contexts take the servers' certificates beside the system's roots."""

from __future__ import annotations

import os
import ssl
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_smtp4d.server.certificates import CertificateAuthority

__all__ = ["trusting"]


@contextmanager
def trusting(authority: CertificateAuthority) -> Iterator[None]:
    """Let default contexts made in this process, and in its children, trust an authority meanwhile."""
    with tempfile.TemporaryDirectory(prefix="smtp4d-trust-") as folder:
        bundle = Path(folder) / "roots-and-smtp-ca.pem"
        roots = ssl.get_default_verify_paths().cafile
        bundle.write_bytes((Path(roots).read_bytes() if roots else b"") + b"\n" + authority.pem)
        wanted = {"SSL_CERT_FILE": str(bundle), "NODE_EXTRA_CA_CERTS": authority.ca_file}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if os.environ.get(name) == wanted[name]:  # what somebody else set since stays
                    _restore(name, value)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        del os.environ[name]
    else:
        os.environ[name] = value
