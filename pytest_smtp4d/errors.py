"""Every exception this package raises, and 4D's error stack beside them.

The tree::

    SMTP4DError
    ├── TransporterOptionError (ValueError)   a server option that cannot be
    ├── SettingsError          (ValueError)   a fake-server setting or fault that cannot be
    ├── MailError              (ValueError)   a mail object that cannot become a message
    ├── LocalProtocolError     (ValueError)   we were about to say something SMTP does not allow
    ├── RemoteProtocolError                   the peer said something SMTP does not allow
    └── SMTPStatusError                       `Status.raise_for_status` on a failed status

The one thing to know: a message says what happened, with which value, and what to do next.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_smtp4d.transporter.status import Status

__all__ = [
    "LocalProtocolError",
    "MailError",
    "RemoteProtocolError",
    "SMTP4DError",
    "SMTPStatusError",
    "SettingsError",
    "TransporterOptionError",
    "nearest",
]


class SMTP4DError(Exception):
    """The root of everything this package raises on purpose."""


class TransporterOptionError(SMTP4DError, ValueError):
    """A server option is missing, unknown, of the wrong type or out of range (4D: `SMTP New transporter`)."""


class SettingsError(SMTP4DError, ValueError):
    """A fake-server setting, a fault or a criterion is unknown, of the wrong type or impossible."""


class MailError(SMTP4DError, ValueError):
    """A mail object cannot be turned into a message (RFC 5322, RFC 2045); names the key and the value."""


class LocalProtocolError(SMTP4DError, ValueError):
    """Our own side was about to violate SMTP: CR, LF or NUL in a command, a line over the limit (RFC 5321 4.5.3.1)."""


class RemoteProtocolError(SMTP4DError):
    """The peer violated SMTP: a malformed reply, a path that is none, a reply without end (RFC 5321 4.2)."""


class SMTPStatusError(SMTP4DError):
    """A failed status was asked to raise; the status is kept as `status`."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint to append to an error about an unknown name.

    Args:
        word: the unknown name.
        known: the names that exist.

    Returns:
        ``" (did you mean 'x'?)"`` where one is close, else ``" (known: 'a', 'b', …)"``.
    """
    names = sorted(known)
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    if close:
        return f" (did you mean {folded[close[0]]!r}?)"
    return f" (known: {', '.join(repr(name) for name in names)})"
