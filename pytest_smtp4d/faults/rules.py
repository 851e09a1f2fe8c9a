"""The faults of one server: declared in order, asked in order, the first that matches acts.

RFC 5321 4.1 (an event is a command, or what stands in its place).
Rules are added by the test's thread while sessions run in the server's loop, so what is asked is a snapshot,
replaced under a lock.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import SettingsError

if TYPE_CHECKING:
    from pytest_smtp4d.faults.fault import Decision, Fault
    from pytest_smtp4d.faults.match import Event, Match

__all__ = ["Rules"]


class Rules:
    """The faults of one server, in the order they were added; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: tuple[Fault, ...] = ()
        self._by_stage: dict[str, tuple[Fault, ...]] = {}

    def add(
        self,
        stage: str,
        match: Match = None,
        *,
        times: int | None = None,
        after: int = 0,
        origin: str | None = None,
    ) -> Fault:
        """Add a rule; it is inert until an action is chained to it.

        Args:
            stage: one of `STAGES`, or "*".
            match: a shell pattern (case ignored), a compiled pattern (searched), or a predicate of `Event`.
            times: how often it acts, then it steps aside; None: always.
            after: how many events that match are let through first.
            origin: file:line of the declaration; None: where this package was called.

        Raises:
            SettingsError: see `Fault`.
        """
        fault = _make(stage, match, times, after, origin)
        self._append(fault)
        return fault

    def declare(
        self,
        stage: str,
        match: Match = None,
        *,
        times: int | None = None,
        after: int = 0,
        optional: bool = False,
        origin: str | None = None,
        **actions: object,
    ) -> Fault:
        """Add a rule with its actions, as `@pytest.mark.smtp_fault` spells it.

        Args:
            stage: as in `add`; so are `match`, `times`, `after` and `origin`.
            match: as in `add`.
            times: as in `add`.
            after: as in `add`.
            optional: do not fail the test when it is never hit.
            origin: as in `add`.
            actions: `reply=(550, "…")`, `replies=[…]`, `delay=0.2`, `accept=True`, `disconnect=True` or its
                arguments `{"abort": True}`, `silence=True`, `send=b"…"`, `trickle=5`, `reply_with=function`,
                `pass_through=True`; carried out in the order of `ACTIONS`.

        Raises:
            SettingsError: an unknown or missing action, or what `add` and the action raise.
        """
        fault = _make(stage, match, times, after, origin)
        fault._chain_all(actions)
        if not isinstance(optional, bool):
            raise SettingsError(f"optional is True or False, not {optional!r}")
        fault._is_optional = optional
        self._append(fault)
        return fault

    def _append(self, fault: Fault) -> None:
        with self._lock:
            self._faults = (*self._faults, fault)
            for stage in fault._stages:
                self._by_stage[stage] = (*self._by_stage.get(stage, ()), fault)

    def remove(self, fault: Fault) -> None:
        """Forget one fault; nothing happens where it is not among them."""
        with self._lock:
            self._faults = tuple(other for other in self._faults if other is not fault)
            remaining = {
                stage: tuple(other for other in faults if other is not fault)
                for stage, faults in self._by_stage.items()
            }
            self._by_stage = {stage: faults for stage, faults in remaining.items() if faults}

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All of them, in order."""
        return self._faults

    def may_match(self, stage: str) -> bool:
        """Return whether any rule is about this stage: one look-up, the fast path."""
        return stage in self._by_stage

    def run_users_code(self, stage: str) -> bool:
        """Return whether `decide` may run the user's code for this stage (then not in the loop)."""
        return any(fault._runs_users_code for fault in self._by_stage.get(stage, ()))

    def thresholds(self, stage: str) -> tuple[int, ...]:
        """Return the octets of content at which a rule of this stage wants to act, ascending."""
        faults = self._by_stage.get(stage, ())
        return tuple(sorted({fault._after_octets for fault in faults if fault._after_octets is not None}))

    def decide(self, event: Event, after_octets: int | None = None) -> Decision | None:
        """Ask the rules in order; the first that matches acts, and its hit is counted.

        Args:
            event: what happened.
            after_octets: in mid-content, the threshold just reached (of `thresholds`); None: a reply is due.

        Returns:
            The fault and its actions, in the order to carry them out; None where none matches.

        Raises:
            Exception: whatever a predicate raises.
        """
        for fault in self._by_stage.get(event.stage, ()):
            if (decision := fault._decide(event, after_octets)) is not None:
                return decision
        return None

    def unhit(self) -> list[Fault]:
        """Return the faults that never acted and are not optional, in order."""
        return [fault for fault in self._faults if fault._is_unhit]

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._faults = ()
            self._by_stage = {}


def _make(stage: str, match: Match, times: int | None, after: int, origin: str | None) -> Fault:
    from pytest_smtp4d.faults.fault import Fault  # with all its actions, of which most servers have none

    return Fault(stage, match, times=times, after=after, origin=_caller() if origin is None else origin)


def _caller() -> str:
    """Return file:line of the nearest frame outside this package."""
    import inspect

    frame = inspect.currentframe()
    while frame and frame.f_back and str(frame.f_globals.get("__name__")).startswith("pytest_smtp4d."):
        frame = frame.f_back
    return f"{_short(frame.f_code.co_filename)}:{frame.f_lineno}" if frame else ""


def _short(path: str) -> str:
    """Return the path relative to the current folder where it is below it, else its name."""
    from pathlib import Path

    file = Path(path)
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else file.name
