"""What happens when a test's time is up (pytest-timeout), or somebody presses Ctrl-C.

A client without a time-out that waits for a silent server hangs twice: in its test, and once more in what its
`with` block says on the way out (a QUIT). So when time is up every session is cut first; then pytest-timeout
does what it does. Nothing here takes a lock, for the thread that is interrupted may hold any.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

__all__ = ["CUT", "cut_on_interrupt", "note_failure", "set_timer"]

CUT = "cut by the time-out"
INTERRUPTED = "cut by an interrupt"


def set_timer(item: pytest.Item, settings: Any, show: Callable[[str], None]) -> None:
    """Start the timer of a test, in pytest-timeout's stead.

    Args:
        item: the test.
        settings: pytest-timeout's.
        show: shows the transcript at once, under a title.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    start = _set_signal if settings.method == "signal" and in_main_thread else _set_thread
    start(item, settings, show)


def _is_debugged(settings: Any) -> bool:
    import pytest_timeout

    return not settings.disable_debugger_detection and pytest_timeout.is_debugging()


def _set_signal(item: Any, settings: Any, _: Callable[[str], None]) -> None:
    """Fail the test by a signal; the failure's report shows the transcript."""
    import pytest_timeout

    def expire(*_: object) -> None:
        __tracebackhide__ = True
        if not _is_debugged(settings):
            cut_everything(CUT)
        pytest_timeout.timeout_sigalrm(item, settings)

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    item.cancel_timeout = cancel
    signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout)


def _set_thread(item: Any, settings: Any, show: Callable[[str], None]) -> None:
    """End the process from a thread, as pytest-timeout does; the transcript is shown before."""
    import pytest_timeout

    def expire() -> None:
        try:
            if not _is_debugged(settings):
                cut_everything(CUT)
                show(f"Timeout (>{settings.timeout} s) from pytest-timeout")
        finally:
            pytest_timeout.timeout_timer(item, settings)

    timer = threading.Timer(settings.timeout, expire)
    timer.name = f"{__name__} {item.nodeid}"

    def cancel() -> None:
        timer.cancel()
        timer.join()

    item.cancel_timeout = cancel
    timer.start()


def cut_everything(reason: str) -> None:
    """Cut every session of every server of this process."""
    servers = sys.modules.get("pytest_smtp4d.server.server")
    if servers is not None:
        servers.cut_everything(reason)


_pressed: list[KeyboardInterrupt] = []
"""What Ctrl-C raised in the test that runs."""

_replaced: list[KeyboardInterrupt] = []
"""What of it did not reach pytest."""


def note_failure(error: BaseException) -> None:
    """Remember Ctrl-C where an error took its place: a client's, which could not say goodbye.

    Args:
        error: what a test failed with.
    """
    earlier: BaseException | None = error
    seen: set[int] = set()  # a chain of contexts may be a circle
    while earlier is not None and id(earlier) not in seen:
        seen.add(id(earlier))
        if any(earlier is one for one in _pressed):
            _replaced[:] = _pressed[-1:]
        earlier = earlier.__context__


@contextmanager
def cut_on_interrupt() -> Iterator[None]:
    """Cut every session before Ctrl-C raises `KeyboardInterrupt`, while the block runs.

    Raises:
        KeyboardInterrupt: when the block ends, where Ctrl-C was pressed and `note_failure` found it replaced.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        cut_everything(INTERRUPTED)
        try:
            before(number, frame)
        except KeyboardInterrupt as error:
            _pressed.append(error)
            raise

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
        if _replaced:
            raise _replaced[0]
    finally:
        _pressed.clear()
        _replaced.clear()
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, before)
