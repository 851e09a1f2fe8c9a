"""Make `docs/picture.png`, the picture of a report in README: `python docs/picture.py`.

It runs the tests of a shop with `--smtp4d-report` and photographs the page in Chromium (Debian: chromium,
chromium-driver; Python: selenium, of the extra `test`).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "picture.png"
SHOWN = "#test=test_shop.py::test_order_is_confirmed&view=html"
"""The mail in the picture; where there is no such test, the page shows its first."""


def write_report(page: Path) -> None:
    """Run the shop's tests, of which one fails, and write their page."""
    command = [sys.executable, "-m", "pytest", "-q", f"--smtp4d-report={page}"]
    run = subprocess.run(command, cwd=ROOT / "docs" / "examples" / "picture", check=False)
    if run.returncode != 1:
        raise SystemExit(f"one of the shop's tests should fail; pytest's exit status is {run.returncode}")


def photograph(page: Path, picture: Path, fragment: str = SHOWN) -> None:
    """Show a page in Chromium, 1,200 pixels wide at double resolution, and save what is seen as a PNG."""
    sys.path.insert(0, str(ROOT))
    from tests.report.browser import Page, programs, running

    found = programs()
    if found is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium chromium-driver")
    with tempfile.TemporaryDirectory() as profile, running(*found, Path(profile)) as chrome:
        shown = Page(chrome, page.parent)
        shown.path = page
        shown.resize(1200, height=770, scale=2)
        shown.open(fragment)
        picture.write_bytes(chrome.get_screenshot_as_png())


def main() -> None:
    """Make the picture."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "mail.html"
        write_report(page)
        photograph(page, PICTURE)
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size} octets\n")


if __name__ == "__main__":
    main()
