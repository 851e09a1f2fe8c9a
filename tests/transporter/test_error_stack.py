"""4D's error stack: handler and errors, by context (S17)."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pytest_smtp4d import last_errors, on_err_call
from pytest_smtp4d.errors import Cause, Problem
from pytest_smtp4d.transporter.error_stack import clear_errors, report_errors

ERROR = Problem(Cause.NAME_RESOLUTION, "'nowhere.invalid' is not known", "CONNECT").as_object()


def test_the_stack_holds_the_last_problem() -> None:
    """R6: none before, the records after, None when cleared; what a caller does to them changes nothing."""
    assert last_errors() is None
    report_errors((ERROR,))
    errors = last_errors()
    assert errors == [ERROR]
    errors[0]["message"] = "changed"
    assert last_errors() == [ERROR]
    clear_errors()
    assert last_errors() is None


def test_the_handler_is_called_once_and_sees_the_errors() -> None:
    """R2: without arguments; the errors are there when it runs."""
    seen = []
    on_err_call(lambda: seen.append(last_errors()))
    report_errors((ERROR,))
    assert seen == [[ERROR]]


def test_what_a_handler_raises_comes_through() -> None:
    """4D's ABORT, so to speak."""

    def handler() -> None:
        raise LookupError("enough")

    with on_err_call(handler), pytest.raises(LookupError, match="enough"):
        report_errors((ERROR,))


def test_leaving_the_block_restores_the_handler_before() -> None:
    """R4: handlers nest; None switches them off."""
    calls = []
    on_err_call(lambda: calls.append("outer"))
    with on_err_call(lambda: calls.append("inner")):
        report_errors((ERROR,))
        with on_err_call(None):
            report_errors((ERROR,))
    report_errors((ERROR,))
    assert calls == ["inner", "outer"]


def test_a_handler_is_callable() -> None:
    """A method's name, as 4D takes it, is not."""
    with pytest.raises(TypeError, match="takes a callable or None, not 'handler'"):
        on_err_call("handler")  # type: ignore[arg-type]


def test_a_thread_starts_without_errors_and_handler() -> None:
    """Each thread is a context of its own."""
    calls = []
    on_err_call(lambda: calls.append("main"))
    report_errors((ERROR,))
    seen: list[object] = []

    def other() -> None:
        seen.append(last_errors())
        report_errors((ERROR,))
        seen.append(last_errors())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [None, [ERROR]]
    assert calls == ["main"]


async def test_a_task_starts_without_errors() -> None:
    """It copies the context, and with it the handler, but not what went wrong before it."""
    calls = []
    on_err_call(lambda: calls.append("called"))
    report_errors((ERROR,))

    async def other() -> list[object]:
        before = last_errors()
        report_errors((ERROR, ERROR))
        return [before, last_errors()]

    assert await asyncio.create_task(other()) == [None, [ERROR, ERROR]]
    assert last_errors() == [ERROR]
    assert calls == ["called", "called"]


def test_a_global_handler_is_for_contexts_without_a_local_one() -> None:
    """R5: in any thread or task; a local handler goes first, and the one before comes back."""
    calls: list[str] = []
    threads: list[str] = []

    def in_a_thread() -> None:
        thread = threading.Thread(target=report_errors, args=((ERROR,),))
        thread.start()
        thread.join()
        threads.append(calls[-1] if calls else "")

    with on_err_call(lambda: calls.append("first"), scope="global"):
        with on_err_call(lambda: calls.append("second"), "global"):
            in_a_thread()
            with on_err_call(lambda: calls.append("local")):
                report_errors((ERROR,))
                in_a_thread()
            with on_err_call(None):
                report_errors((ERROR,))
        in_a_thread()
    in_a_thread()
    assert calls == ["second", "local", "second", "second", "first"]
    assert threads == ["second", "second", "first", "first"]


async def test_a_global_handler_in_tasks_that_run_already() -> None:
    """Installed by one task, it is called in another that has long begun."""
    calls = []
    ready, begin = asyncio.Event(), asyncio.Event()

    async def other() -> None:
        ready.set()
        await begin.wait()
        report_errors((ERROR,))

    task = asyncio.create_task(other())
    await ready.wait()
    with on_err_call(lambda: calls.append("called"), scope="global"):
        begin.set()
        await task
    assert calls == ["called"]


def test_an_unknown_scope_is_an_error() -> None:
    """It names the nearest one; nothing is installed."""
    with pytest.raises(ValueError, match=r"on_err_call has no scope 'globl' \(did you mean 'global'\?\)"):
        on_err_call(print, scope="globl")  # type: ignore[arg-type]
