"""What has an ini of its own, or fails on purpose: tests of ours run it."""

from __future__ import annotations

collect_ignore = ["asynchronous", "audited", "first-page", "picture", "planted"]
