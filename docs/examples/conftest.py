"""The audited shop is a suite of its own, with an ini of its own: one of our tests runs it."""

from __future__ import annotations

collect_ignore = ["audited"]
