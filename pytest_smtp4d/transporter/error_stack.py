"""4D's error stack: the handler that a serious problem calls, and what it can read there.

4D: `ON ERR CALL`, `Last errors` (earlier `GET LAST ERROR STACK`).
A server's refusal is not an error in this sense; it is in the status alone.
"""

from __future__ import annotations

import sys
import threading
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_smtp4d.errors import ErrorRecord

__all__ = ["Installation", "clear_errors", "last_errors", "on_err_call", "report_errors"]


class _Stack(NamedTuple):
    """A stack, and the thread or task it was raised in: a new task copies the context, but not the errors."""

    owner: object
    errors: tuple[ErrorRecord, ...]


_handler: ContextVar[Callable[[], object] | None] = ContextVar("smtp4d_error_handler", default=None)
_stack: ContextVar[_Stack | None] = ContextVar("smtp4d_error_stack", default=None)


class _ProcessHandler:
    """The handler of every context that has none of its own; read and set as a context variable is."""

    def __init__(self) -> None:
        self._handler: Callable[[], object] | None = None

    def get(self) -> Callable[[], object] | None:
        """Return the handler."""
        return self._handler

    def set(self, handler: Callable[[], object] | None) -> None:
        """Replace the handler."""
        self._handler = handler


_process_handler = _ProcessHandler()
_SCOPES: dict[str, ContextVar[Callable[[], object] | None] | _ProcessHandler] = {
    "local": _handler,
    "global": _process_handler,
}


class Installation:
    """A handler's installation: leave it as a context manager, and the one before is back."""

    def __init__(self, handler: Callable[[], object] | None, scope: str = "local") -> None:
        self._place = _SCOPES[scope]
        self._before = self._place.get()
        self._place.set(handler)

    def __enter__(self) -> Installation:  # noqa: PYI034 - typing.Self came with 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._place.set(self._before)


def on_err_call(
    handler: Callable[[], object] | None, scope: Literal["local", "global"] = "local"
) -> Installation:
    """Install an error handler; it replaces the one before in the same scope (4D: `ON ERR CALL`).

    Args:
        handler: called without arguments, once for each `send` or `check_connection` that fails without a
            server's reply, before that returns. What it raises leaves the call. None installs none.
        scope: "local", the current context: this thread or task and the tasks that it starts (4D:
            `ek local`); "global", every context of the process that has no local one (4D: `ek global`).

    Returns:
        an object that, used with `with`, restores the handler before.

    Raises:
        TypeError: the handler cannot be called.
        ValueError: there is no such scope.

    Example:
        >>> def handler():
        ...     print(last_errors()[0]["errCode"])
        >>> with on_err_call(handler):
        ...     status = transporter.send({"from": "ada@example.com"})
        1401
    """
    if handler is not None and not callable(handler):
        raise TypeError(f"on_err_call takes a callable or None, not {handler!r}")
    if scope not in _SCOPES:
        raise ValueError(f"on_err_call has no scope {scope!r}{nearest(str(scope), _SCOPES)}")
    return Installation(handler, scope)


def last_errors() -> list[ErrorRecord] | None:
    """Return the error stack of this thread or task, the cause first, or None (4D: `Last errors`).

    It is that of the last `send` or `check_connection` here; the next one clears it.

    Example:
        >>> status = transporter.send({"from": "ada@example.com"})
        >>> [error["componentSignature"] for error in last_errors()]
        ['MIME']
    """
    stack = _stack.get()
    if stack is None or stack.owner != _owner():
        return None
    return [error.copy() for error in stack.errors]


def clear_errors() -> None:
    """Empty the stack of this thread or task."""
    _stack.set(None)


def report_errors(errors: tuple[ErrorRecord, ...]) -> None:
    """Make these the stack, and call the handler, if there is one; what it raises comes through."""
    _stack.set(_Stack(_owner(), errors))
    handler = _handler.get() or _process_handler.get()
    if handler is not None:
        handler()


def _owner() -> object:
    asyncio = sys.modules.get("asyncio")  # without it imported, no task is running
    task = None
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None  # no loop runs in this thread
    return threading.get_ident() if task is None else weakref.ref(task)
