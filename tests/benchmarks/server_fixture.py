"""What a test pays for its server: ours against smtpdfix's fixture, in one run.

Run it with an interpreter that has both (`pip install smtpdfix`):
`python tests/benchmarks/server_fixture.py [rounds]`. A file of 200 tests that request the fixture and send
nothing, less a file of 200 empty tests; pairs of rounds, the median of their ratios. It asserts nothing.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = 200
TARGETS = {"STARTTLS": 0.3, "implicit TLS": 0.05}
VARIABLES = {"STARTTLS": "SMTPD_USE_STARTTLS", "implicit TLS": "SMTPD_USE_SSL"}


def seconds(folder: Path, source: str, *options: str, **environment: str) -> float:
    """Return what pytest says a file of tests took."""
    (folder / "test_it.py").write_text(source)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_it.py"],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    match = re.search(r"passed in ([\d.]+)s", run.stdout)
    assert match is not None, run.stdout
    return float(match[1])


def file_of(fixture: str, head: str = "") -> str:
    """Return the source of a file of tests that request a fixture."""
    mark = f"@pytest.mark.parametrize('n', range({TESTS}))"
    return f"import pytest\n{head}\n{mark}\ndef test(n, {fixture}): pass\n"


def ours(folder: Path, tls: str) -> float:
    """Return milliseconds for a test with our fixture."""
    head = (
        f"pytestmark = pytest.mark.smtp_server(tls={'implicit' if tls == 'implicit TLS' else 'starttls'!r})"
    )
    plugins = ("-p", "pytest_smtp4d.plugin")
    idle = seconds(folder, file_of("request"), *plugins)
    return (seconds(folder, file_of("smtp_server", head), *plugins) - idle) * 1000 / TESTS


def theirs(folder: Path, tls: str) -> float:
    """Return milliseconds for a test with smtpdfix's fixture."""
    plugins = ("-p", "smtpdfix.fixture")
    idle = seconds(folder, file_of("request"), *plugins)
    return (seconds(folder, file_of("smtpd"), *plugins, **{VARIABLES[tls]: "True"}) - idle) * 1000 / TESTS


def main(rounds: int) -> None:
    """Print a row for each kind of TLS."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for tls, target in TARGETS.items():
            pairs = [(ours(folder, tls), theirs(folder, tls)) for _ in range(rounds)]
            ratio = statistics.median(one / other for one, other in pairs)
            one, other = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
            figures = f"{one:.2f} ms against {other:.2f} ms; at most {target}"
            print(f"idle server, {tls:12} {ratio:5.3f} of smtpdfix ({figures})")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
