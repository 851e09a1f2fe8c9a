"""What one item of a sweep does to a server, and whether a client came that far.

RFC 8314 5.2 (verifying certificates), RFC 3207 6 (a STARTTLS that somebody strips).

Most kinds are faults. Those about trust are settings: another certificate, or a server that offers no TLS any
more and takes a login in clear text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_smtp4d.faults.sweep import SETTINGS_OF_KIND, apply, point_id
from pytest_smtp4d.server import watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_smtp4d.faults.fault import Fault
    from pytest_smtp4d.records.record import Session
    from pytest_smtp4d.server.server import SMTPServer

__all__ = ["Disturbance", "Sweep"]


class Disturbance:
    """Disturbs a server as one point of a sweep says, until `undo`.

    Args:
        server: which one.
        stage: where.
        kind: what.
        occurrence: the n-th time that the stage is reached is disturbed; of kinds that are settings, 1.

    Raises:
        SettingsError: as `faults.sweep.apply`.
    """

    def __init__(self, server: SMTPServer, stage: str, kind: str, occurrence: int = 1) -> None:
        self.stage = stage
        self._server = server
        self._kind = kind
        self._fault: Fault | None = None
        self._before: dict[str, Any] = {}
        settings: Mapping[str, Any] | None = SETTINGS_OF_KIND.get(kind)
        if settings is None:
            self._fault = apply(server._rules, stage, kind, occurrence)
        elif kind != "stripped" or server.settings.tls == "starttls":
            self._before = {name: server.settings._given[name] for name in settings}
            server.configure(**settings)
        server.active_fault = stage, kind

    @property
    def is_reached(self) -> bool:
        """Whether a client came to the stage."""
        if self._fault is not None:
            return self._fault.hits > 0
        if self._kind == "stripped":
            return bool(self._before) and any(map(_was_greeted, self._sessions()))
        return any("TLS" in session._stages for session in self._sessions())

    def _sessions(self) -> Iterator[Session]:
        yield from self._server.sessions
        yield from (session for server, session in watch.current.sessions if server is self._server)

    def undo(self) -> None:
        """Leave the server as it was."""
        if self._fault is not None:
            self._server._rules.remove(self._fault)
        if self._before:
            self._server.configure(**self._before)
        self._server.active_fault = None


def _was_greeted(session: Session) -> bool:
    """Return whether EHLO was answered, so that the client saw what is on offer."""
    return any(
        command.verb == "EHLO" and command.reply is not None and command.reply.is_positive
        for command in session.commands
    )


class Sweep(NamedTuple):
    """The grid of a swept test; the first point, None, is undisturbed."""

    points: Sequence[tuple[str, str] | None]
    occurrence: int

    @property
    def ids(self) -> list[str]:
        """Return the readable id of each point."""
        return ["undisturbed" if point is None else point_id(*point) for point in self.points]

    def disturb(self, server: SMTPServer, point: tuple[str, str]) -> Disturbance:
        """Disturb a server as one point says."""
        return Disturbance(server, *point, self.occurrence)
