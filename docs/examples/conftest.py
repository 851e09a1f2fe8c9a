"""The shops are suites of their own, with an ini of their own: tests of ours run them."""

from __future__ import annotations

collect_ignore = ["audited", "planted"]
