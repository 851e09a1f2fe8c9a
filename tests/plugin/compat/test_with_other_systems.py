from __future__ import annotations

import pytest

from tests.plugin.compat.conftest import Together

LESS = """
import asyncio, os, select, signal

for module, names in {
    select: "epoll poll kqueue",
    os: "fork forkpty register_at_fork killpg link geteuid getuid fchmod mkfifo",
    signal: "SIGALRM SIGKILL SIGUSR1 ITIMER_REAL setitimer alarm",
}.items():
    for name in names.split():
        vars(module).pop(name, None)
"""
"""A plugin that is loaded before all others, and takes from the system what Windows or macOS lack."""


def test_a_system_with_less_than_linux(together: Together, pytester: pytest.Pytester) -> None:
    """Without epoll, poll, fork, hard links and interval timers all that the plugin does is the same."""
    pytester.makepyfile(less=LESS)
    together("-p", "less")
