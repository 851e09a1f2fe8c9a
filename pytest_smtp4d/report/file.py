"""Writes the page to its place: whole or not at all, and with its folder made."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["check_place", "write_page"]


def check_place(path: Path) -> None:
    """Make the folder of a page, and see that a file can be made there.

    Raises:
        OSError: it cannot; its words say why.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the path of a file in it")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"{path} may not be written")
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def write_page(path: Path, page: str) -> Path:
    """Write a page atomically and return its absolute path.

    Raises:
        OSError: it cannot be written; what stood there before still does.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    scratch = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(page)
        scratch.chmod(0o666 & ~_umask())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
