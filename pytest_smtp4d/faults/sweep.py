"""The sweep's grid: every stage with every kind of fault that it can have, as data.

RFC 5321 4.2.1 (transient and permanent), 3.8 (connections that end).
"disconnect-after" is when the client's command *has* taken effect: after content the reply is lost (the
message is stored, and the client does not know), after a handshake nothing follows, and elsewhere the reply
arrives and the connection is gone by the next command.

The kinds about trust are no faults but settings of the server: a certificate that must be refused, and a
server that offers no STARTTLS any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_smtp4d.checks import check_count
from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.stage import STAGES
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_smtp4d.faults.fault import Fault
    from pytest_smtp4d.faults.rules import Rules

__all__ = [
    "DEFAULT_STAGES",
    "GARBAGE",
    "KINDS",
    "SETTINGS_OF_KIND",
    "STAGE_KINDS",
    "apply",
    "grid",
    "point_id",
]

KINDS: tuple[str, ...] = (
    "refuse-for-now",
    "refuse-for-good",
    "disconnect-before",
    "disconnect-after",
    "silence",
    "garbage",
    "impostor",
    "wrong-host",
    "expired",
    "stripped",
)
"""The kinds, in the order of the grid."""

SETTINGS_OF_KIND: Mapping[str, Mapping[str, object]] = {
    "impostor": {"certificate": "unknown_ca"},
    "wrong-host": {"certificate": "wrong_host"},
    "expired": {"certificate": "expired"},
    "stripped": {"tls": "none", "auth_without_tls": True},
}
"""Kind -> the settings that it changes; the other kinds are faults."""

DEFAULT_STAGES: tuple[str, ...] = (
    "CONNECT",
    "EHLO",
    "STARTTLS",
    "TLS",
    "AUTH",
    "MAIL",
    "RCPT",
    "DATA",
    "CONTENT",
    "QUIT",
)
"""What a sweep visits unless `stages` says otherwise."""

GARBAGE = b"\xffgarbage \x00\xfe\r\n"
"""What is sent where a reply or a handshake is due: neither of them, in any character set."""

# Stage -> the replies that refuse it, for now and for good: RFC 5321 4.3.2, RFC 3207 4, RFC 4954 6.
_REFUSALS: Mapping[str, tuple[tuple[int, str], tuple[int, str]]] = {
    "CONNECT": ((421, "4.3.2 Try again later"), (554, "5.3.2 No mail service here")),
    "HELO": ((421, "4.3.2 Try again later"), (550, "5.7.1 Not welcome")),
    "EHLO": ((421, "4.3.2 Try again later"), (550, "5.7.1 Not welcome")),
    "STARTTLS": ((454, "4.7.0 TLS not available for now"), (502, "5.5.1 TLS not available")),
    "AUTH": (
        (454, "4.7.0 Temporary authentication failure"),
        (535, "5.7.8 Authentication credentials invalid"),
    ),
    "MAIL": ((451, "4.3.0 Try again later"), (550, "5.7.1 Sender refused")),
    "RCPT": ((450, "4.2.1 Mailbox busy, try again later"), (550, "5.1.1 No such user")),
    "DATA": ((451, "4.3.0 Try again later"), (554, "5.5.0 No content wanted")),
    "CONTENT": ((451, "4.3.0 Try again later"), (554, "5.7.1 Message refused")),
    "BDAT": ((451, "4.3.0 Try again later"), (554, "5.7.1 Message refused")),
    "RSET": ((421, "4.3.2 Try again later"), (500, "5.5.2 Command not recognized")),
    "NOOP": ((421, "4.3.2 Try again later"), (500, "5.5.2 Command not recognized")),
    "VRFY": ((450, "4.2.1 Try again later"), (550, "5.1.1 No such user")),
    "HELP": ((421, "4.3.2 Try again later"), (502, "5.5.1 No help here")),
    "QUIT": ((421, "4.3.2 Try again later"), (500, "5.5.2 Command not recognized")),
}


def _kinds_of(stage: str) -> tuple[str, ...]:
    impossible = {"impostor", "wrong-host", "expired"} if stage != "TLS" else set()
    if stage != "STARTTLS":
        impossible.add("stripped")
    if stage not in _REFUSALS:
        impossible |= {"refuse-for-now", "refuse-for-good"}  # a handshake has no reply to refuse it
    if stage == "QUIT":
        impossible.add("disconnect-after")  # that is what QUIT does
    return tuple(kind for kind in KINDS if kind not in impossible)


STAGE_KINDS: Mapping[str, tuple[str, ...]] = {
    stage: _kinds_of(stage) for stage in STAGES if stage in _REFUSALS or stage == "TLS"
}
"""Stage -> the kinds that it can have (UNKNOWN has none: a sweep disturbs what a client means to do)."""


def grid(
    stages: Iterable[str] | None = None, kinds: Iterable[str] | None = None, occurrence: int = 1
) -> list[tuple[str, str]]:
    """Return the points of a sweep, stage by stage.

    Args:
        stages: which; None: `DEFAULT_STAGES`.
        kinds: which; None: all that each stage can have.
        occurrence: which arrival at the stage is disturbed. Settings hold for whole sessions, so kinds that
            are settings go with the first one only.

    Raises:
        SettingsError: an unknown stage or kind, an occurrence that cannot be, or nothing left to sweep.
    """
    check_count("occurrence", occurrence, 1, "which arrival at the stage is disturbed")
    wanted_stages = _checked("stage", DEFAULT_STAGES if stages is None else stages, STAGE_KINDS)
    possible = [kind for kind in KINDS if occurrence == 1 or kind not in SETTINGS_OF_KIND]
    wanted_kinds = _checked("kind", possible if kinds is None else kinds, KINDS)
    if late := [kind for kind in wanted_kinds if kind not in possible]:
        raise SettingsError(
            f"{late[0]} holds for whole sessions: it goes with occurrence=1, not {occurrence}"
        )
    points = [(stage, kind) for stage in wanted_stages for kind in STAGE_KINDS[stage] if kind in wanted_kinds]
    if not points:
        raise SettingsError(
            f"nothing to sweep: none of {', '.join(wanted_stages) or 'no stages'} "
            f"can have {', '.join(wanted_kinds) or 'no kinds'}"
        )
    return points


def _checked(what: str, names: Iterable[str], known: Iterable[str]) -> list[str]:
    if isinstance(names, str):
        raise SettingsError(f"{what}s is a list of names, not {names!r}")
    names = list(dict.fromkeys(names))
    for name in names:
        if name not in known:
            raise SettingsError(f"unknown {what} {name!r} of a sweep{nearest(str(name), known)}")
    return names


def point_id(stage: str, kind: str) -> str:
    """Return the readable id of a point, "RCPT-disconnect-before"."""
    return f"{stage}-{kind}"


def apply(rules: Rules, stage: str, kind: str, occurrence: int = 1) -> Fault:
    """Add the fault of one point.

    Args:
        rules: of the server that the test uses.
        stage: as in `grid`.
        kind: as in `grid`.
        occurrence: the n-th time that the stage is reached is disturbed, 1 or more.

    Returns:
        The fault; its `hits` say whether the stage was reached. It is optional.

    Raises:
        SettingsError: an unknown stage or kind, one that the stage cannot have or that is no fault, an
            occurrence below 1.
    """
    grid([stage], [kind], occurrence)
    if kind in SETTINGS_OF_KIND:
        raise SettingsError(f"{kind} is no fault: it changes settings of the server")
    # What is refused for good stays refused, however often the client tries; all else happens once.
    times = None if kind == "refuse-for-good" else 1
    fault = rules.add(stage, times=times, after=occurrence - 1, origin=f"sweep {point_id(stage, kind)}")
    _CHAINS[kind](fault)
    return fault.optional()


def _refuse(fault: Fault, for_good: bool) -> Fault:
    return fault.reply(*_REFUSALS[fault.stage][for_good])


def _disconnect_after(fault: Fault) -> Fault:
    if fault.stage in ("CONTENT", "BDAT", "TLS"):
        return fault.accept().disconnect()
    return fault.replies(["ok"]).disconnect()


_CHAINS: Mapping[str, Callable[[Fault], Fault]] = {
    "refuse-for-now": lambda fault: _refuse(fault, False),
    "refuse-for-good": lambda fault: _refuse(fault, True),
    "disconnect-before": lambda fault: fault.disconnect(),
    "disconnect-after": _disconnect_after,
    "silence": lambda fault: fault.silence(),
    "garbage": lambda fault: fault.send(GARBAGE),
}
