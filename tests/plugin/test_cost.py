from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = ("aiosmtpd", "asyncio", "ssl", "trustme", "cryptography", "hypothesis")

SHOW = """
import sys
class Show:
    def pytest_unconfigure(self):
        print("MODULES", *sorted(sys.modules))
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[Show()]))
"""


OURS = {
    "pytest_smtp4d",
    "pytest_smtp4d.clock",
    "pytest_smtp4d.collection",
    "pytest_smtp4d.options",
    "pytest_smtp4d.plugin",
    "pytest_smtp4d.server",
    "pytest_smtp4d.server.ini",
    "pytest_smtp4d.testrun",
}
"""The rooms that are imported when pytest starts; none of them imports anything that pytest has not."""


def modules_of_a_run(folder: Path, *arguments: str) -> set[str]:
    """Return what a fresh interpreter has imported after a pytest run of one empty test."""
    (folder / "test_empty.py").write_text("def test_empty():\n    pass\n", encoding="utf-8")
    command = [sys.executable, "-c", SHOW, *arguments]
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert "1 passed" in result.stdout
    line = next(line for line in result.stdout.splitlines() if line.startswith("MODULES"))
    return set(line.split()[1:])


def test_a_run_that_sends_no_mail_imports_nothing_for_the_plugin(tmp_path: Path) -> None:
    """With the plugin, a fresh pytest has imported a few light rooms of ours more, and nothing else."""
    without = modules_of_a_run(tmp_path)
    with_it = modules_of_a_run(tmp_path, "-p", "pytest_smtp4d.plugin")

    added = with_it - without
    assert {name for name in added if name.partition(".")[0] in HEAVY} == set()
    assert added == OURS


def test_the_reading_of_modules_sees_what_is_imported(tmp_path: Path) -> None:
    """The check above can fail: a plugin that imports aiosmtpd is seen to."""
    (tmp_path / "heavy_plugin.py").write_text("import aiosmtpd.smtp\n", encoding="utf-8")
    assert {"aiosmtpd", "asyncio", "ssl"} <= modules_of_a_run(tmp_path, "-p", "heavy_plugin")
