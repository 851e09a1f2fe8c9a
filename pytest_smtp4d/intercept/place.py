"""Where in the user's code something was asked for: the innermost line that is not a library's."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

__all__ = ["users_place"]

_PYTHON = tuple(os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib"))  # noqa: PTH118
_OURS = str(Path(__file__).parents[1]) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")

_LOOPS = frozenset({"run_forever", "unrolled_run"})
"""The functions in which asyncio's and trio's loops turn: what is called from them is a task's."""


def users_place() -> str | None:
    """Return "file:line" of the user's line that led to the caller; None where no such line can be seen.

    Under asyncio and trio a connection may be made in a task of the library's own. Then the tasks that wait
    are looked through, and at last what runs the loop. In the thread of an executor there is nothing to see.
    """
    frames = list(_frames_of_this_thread())
    loop = next((at for at, (code, _) in enumerate(frames) if code.co_name in _LOOPS), len(frames))
    place = _innermost(frames[:loop])
    if place is None and "trio" in sys.modules:
        place = _innermost(_frames_of_trio())
    if place is None and "asyncio" in sys.modules:
        place = _only_one_of_asyncio()
    return place or _innermost(frames[loop:])


def _innermost(frames: Iterable[tuple[CodeType, int]]) -> str | None:
    for code, line in frames:
        if _is_users(code.co_filename):
            return f"{_shown(code.co_filename)}:{line}"
    return None


def _is_users(path: str) -> bool:
    if path.startswith(("<", _OURS)):
        return False
    return not any(folder in path for folder in _INSTALLED) and not path.startswith(_PYTHON)


def _shown(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return path


def _frames_of_this_thread() -> Iterator[tuple[CodeType, int]]:
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a frame
    while frame is not None:
        yield frame.f_code, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]


def _frames_of_coroutine(coroutine: Any) -> Iterator[tuple[CodeType, int]]:
    """Yield the frames of a coroutine that waits, the innermost first."""
    frames: list[tuple[CodeType, int]] = []
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            frames.append((frame.f_code, frame.f_lineno))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return reversed(frames)


def _frames_of_trio() -> Iterator[tuple[CodeType, int]]:
    trio: Any = sys.modules["trio"]
    try:
        task = trio.lowlevel.current_task()
    except RuntimeError:
        return
    while task is not None:
        yield from _frames_of_coroutine(task.coro)
        task = task.parent_nursery and task.parent_nursery.parent_task


def _only_one_of_asyncio() -> str | None:
    """Return the place where the one task waits that waits in the user's code; with several nobody knows."""
    import asyncio

    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        return None
    places = {_innermost(_frames_of_coroutine(task.get_coro())) for task in tasks} - {None}
    return places.pop() if len(places) == 1 else None
