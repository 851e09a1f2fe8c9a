"""Podman, with an image of Python that `.ci/python-image` prepared: no registry of images is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.peers.conftest import PROJECT, missing

IMAGE = PROJECT / ".peers" / "image"
BASE = "localhost/smtp4d-python"

# What a machine that is a container itself may forbid is not asked for: groups of its own, and higher limits.
_CONTAINERS_CONF = """
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_backend = "netavark"
"""

# crun refuses a machine that has both versions of cgroups; this hides the second, only from what runs here.
_HIDING = 'umount /sys/fs/cgroup/unified && exec "$@"'


class Podman(NamedTuple):
    """Podman with its storage in a folder of its own.

    Args:
        before: the words of a command line that go before every command.
        environment: of every command.
    """

    before: tuple[str, ...]
    environment: dict[str, str]

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command that may start podman."""
        return subprocess.run(
            [*self.before, *command],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def podman(self, *arguments: str) -> None:
        """Run podman."""
        done = self.run("podman", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def podman_in(folder: Path) -> Podman:
    """Return a podman whose storage has the image `BASE`; skips where it cannot be had."""
    if shutil.which("podman") is None or os.geteuid() != 0:
        missing("podman, run by root,", "apt-get install podman crun netavark iptables")
    if not (IMAGE / "root.tar").exists():
        missing("an image of Python", ".ci/python-image .peers/image")
    (folder / "containers.conf").write_text(_CONTAINERS_CONF)
    storage = f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'
    (folder / "storage.conf").write_text(storage)
    environment = {
        **os.environ,
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }
    both = Path("/sys/fs/cgroup/unified").is_dir()
    podman = Podman(("unshare", "--mount", "sh", "-c", _HIDING, "sh") if both else (), environment)
    podman.podman("import", "--quiet", str(IMAGE / "root.tar"), "smtp4d-root")
    podman.podman("build", "--quiet", "--tag", BASE, str(IMAGE))
    return podman
