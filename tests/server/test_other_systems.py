"""What a server does without, on systems that have less than Linux: by taking it away."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_smtp4d.server import listener
from pytest_smtp4d.server.certificates import CertificateAuthority
from pytest_smtp4d.server.server import SMTPServer
from tests.server.test_server import deliver, refuses


class Windows:
    """The module `os`, as far as its name goes."""

    name = "nt"

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def test_a_server_without_so_reuseaddr(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the option means something else it is not set; `down` still comes back to the port."""
    monkeypatch.setattr(listener, "os", Windows())
    with SMTPServer() as server:
        port = server.port
        with server.down():
            assert refuses(server)
        assert server.port == port
        deliver(server)
        assert len(server.messages) == 1
    assert refuses(server)


def _refuse_to_link(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("lack", ["of the system", "of the folder"])
def test_an_authority_is_kept_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lack: str
) -> None:
    """It is written once, for its owner alone, and used again, on a file system like FAT too."""
    if lack == "of the system":
        monkeypatch.delattr(os, "link")
    else:
        monkeypatch.setattr(os, "link", _refuse_to_link)
    first = CertificateAuthority.kept_in(tmp_path)
    second = CertificateAuthority.kept_in(tmp_path)
    assert first.pem == second.pem
    assert {path.name for path in tmp_path.iterdir()} == {"ca-key.pem", "ca.pem", "client.pem"}
    if os.name == "posix":
        assert (tmp_path / "ca-key.pem").stat().st_mode & 0o777 == 0o600
