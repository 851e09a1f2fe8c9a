"""Runs one fuzz target under atheris until it fails or its time is over.

    pip install atheris                                      # has wheels for Python 3.11 and 3.12
    python -m tests.fuzz parse -max_total_time=600 corpus/   # libFuzzer's options; a folder keeps inputs

A target is a module beside this one with a function `one_input`, which takes any octets and raises when a
promise is broken, and with `SEEDS`, octets to start from.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("addresses", "client_replies", "compose", "parse", "server_octets", "settings")


def main(arguments: list[str]) -> None:
    """Fuzz the target that the first argument names; the others go to libFuzzer."""
    if not arguments or arguments[0] not in TARGETS:
        sys.exit(f"name a target: {', '.join(TARGETS)}")
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        sys.exit("atheris is missing: pip install atheris, with Python 3.11 or 3.12")
    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["pytest_smtp4d"]):
        target = importlib.import_module(f"tests.fuzz.{arguments[0]}")
    with tempfile.TemporaryDirectory() as seeds:
        for number, octets in enumerate(target.SEEDS):
            (Path(seeds) / f"seed-{number}").write_bytes(octets)
        # libFuzzer writes what it finds to the first folder of several.
        atheris.Setup([sys.argv[0], *arguments[1:], seeds], target.one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
