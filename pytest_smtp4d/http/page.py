"""The live page: the page of a report, of what the archive keeps."""

from __future__ import annotations

import platform
import time
from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING

from pytest_smtp4d.report.document import FORMAT, Author, SessionRecord
from pytest_smtp4d.report.page import data_block, render

if TYPE_CHECKING:
    from pytest_smtp4d.report.document import ReportDocument
    from pytest_smtp4d.server.archive import KeptSession
    from pytest_smtp4d.server.serving import Serving

__all__ = ["LivePage"]


class LivePage:
    """Makes the page, and the data that it asks for when something happened.

    Args:
        serving: what is shown.
    """

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._author = Author()
        self._started_at = datetime.now(timezone.utc)
        self._began = time.monotonic()

    def html(self) -> str:
        """Return the page as it is now."""
        return render(self._report(), live=True)

    def data(self) -> str:
        """Return the data of the page as it is now, as JSON."""
        return data_block(self._report())

    def _report(self) -> ReportDocument:
        serving = self._serving
        assert serving.archive is not None
        kept = serving.archive.sessions()
        attempt = self._author.attempt(
            [self._record(one) for one in kept],
            serving.server._rules.faults,
            outcome="passed",
            seconds=time.monotonic() - self._began,
            failures=(),
        )
        return {
            "format": FORMAT,
            "run": {
                "name": f"live, {serving.server.url}",
                "startedAt": self._started_at.isoformat(timespec="seconds"),
                "seconds": time.monotonic() - self._began,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "version": version("pytest-smtp4d"),
                "seed": None,
                "outcomes": {},
                "notes": [f"{serving.archive.trimmed} older messages have left"]
                if serving.archive.trimmed
                else [],
                "shards": [],
            },
            "tests": [{"id": serving.server.url, "attempts": [attempt]}],
        }

    def _record(self, kept: KeptSession) -> SessionRecord:
        return SessionRecord(self._serving.server.url, kept.session, tuple(kept.transactions))
