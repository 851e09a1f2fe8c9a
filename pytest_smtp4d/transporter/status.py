"""What `send` and `check_connection` return.

4D: status object of `.send()` and `.checkConnection()`; RFC 5321 4.2, RFC 3463 for the codes.
A server's refusal is a status, not an exception. Code 0 means that no reply decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_smtp4d.errors import SMTP4DError
from pytest_smtp4d.smtp.reply import Reply, enhanced_code_of
from pytest_smtp4d.spelling import FourDSpelling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_smtp4d.errors import ErrorRecord, Problem

__all__ = ["FAILED_TO_SEND", "SMTPStatusError", "Status"]

FAILED_TO_SEND = "Failed to send email"
"""4D's text for every failed `send` that no server's reply decided."""

_SHOWN = 240  # pytest cuts what it prints of a value in an assertion there

_NOBODY: Mapping[str, Reply] = MappingProxyType({})


@dataclass(frozen=True)
class Status(FourDSpelling):
    """The outcome of a `send` or a `check_connection`; true when it succeeded.

    Args:
        success: whether it did.
        status: the server's reply code; 0 where the problem did not come from a reply.
        status_text: the server's reply text, lines joined by a newline. With status 0: "Failed to send email"
            from `send`, the last error's message from `check_connection`.
        errors: entries of 4D's error stack, the cause first; empty where a server replied.
        command: what the deciding reply answered, or where the trouble came: a stage's name; None where the
            mail or the options were the trouble.
        refused: recipient to reply, for each recipient that was refused.

    Example:
        >>> fault = smtp_server.on("RCPT").reply(451, "4.3.0 Try later")
        >>> status = transporter.send({"from": "ada@example.com", "to": "bob@example.org"})
        >>> bool(status), status.status, status.command, status.is_transient
        (False, 451, 'RCPT', True)
        >>> status
        Status(RCPT: '451 4.3.0 Try later', refused=['bob@example.org'], success=False)
    """

    _slips: ClassVar[Mapping[str, str]] = MappingProxyType({"message": "status_text"})  # 4D's first sample

    success: bool
    status: int
    status_text: str
    errors: tuple[ErrorRecord, ...] = ()
    command: str | None = None
    refused: Mapping[str, Reply] = field(default_factory=lambda: _NOBODY)

    @classmethod
    def _from_reply(
        cls, reply: Reply, command: str, *, success: bool, refused: Mapping[str, Reply] = _NOBODY
    ) -> Status:
        """Make the status that a server's reply decided."""
        kept = MappingProxyType(dict(refused)) if refused else _NOBODY
        return cls(success, reply.code, reply.text, (), command, kept)

    @classmethod
    def _from_problem(cls, problem: Problem, text: str | None = None) -> Status:
        """Make the status of a problem without a reply; `text` is the problem's own message unless given."""
        return cls(False, 0, str(problem) if text is None else text, (problem.as_object(),), problem.stage)

    @property
    def enhanced_code(self) -> str | None:
        """The enhanced status code at the head of the text, such as "5.1.1", or None (RFC 3463)."""
        return enhanced_code_of(self.status, self.status_text)

    @property
    def is_transient(self) -> bool:
        """Whether the code is 4yz, so that the same send may succeed later; False with status 0."""
        return self.status // 100 == 4

    @property
    def is_permanent(self) -> bool:
        """Whether the code is 5yz, so that the same send will fail again; False with status 0."""
        return self.status // 100 == 5

    def as_object(self) -> dict[str, Any]:
        """Return the plain dict that 4D documents.

        Returns:
            `success`, `status`, `statusText`; and `errors` for a failed check that no reply decided.

        Example:
            >>> fault = smtp_server.on("MAIL").reply(552, "5.2.2 Full")
            >>> transporter.send({"from": "ada@example.com", "to": "bob@example.org"}).as_object()
            {'success': False, 'status': 552, 'statusText': '5.2.2 Full'}
        """
        document: dict[str, Any] = {
            "success": self.success,
            "status": self.status,
            "statusText": self.status_text,
        }
        if self.errors and self.status_text != FAILED_TO_SEND:
            document["errors"] = [dict(error) for error in self.errors]
        return document

    def raise_for_status(self) -> Status:
        """Return this status when it succeeded.

        Raises:
            SMTPStatusError: it did not; carries the status.

        Example:
            >>> fault = smtp_server.on("MAIL").reply(552, "5.2.2 Full")
            >>> transporter.send({"from": "ada@example.com", "to": "bob@example.org"}).raise_for_status()
            Traceback (most recent call last):
                ...
            pytest_smtp4d.transporter.status.SMTPStatusError: MAIL: 552 5.2.2 Full
        """
        if self.success:
            return self
        where = f"{self.command}: " if self.command else ""
        raise SMTPStatusError(self, where + self._summary())

    def __bool__(self) -> bool:
        return self.success

    def __repr__(self) -> str:
        head = f"{self.command}: {self._summary()!r}" if self.command else repr(self._summary())
        refused = f", refused={list(self.refused)}" if self.refused else ""
        tail = f", success={self.success})"
        room = _SHOWN - len("Status(") - len(tail)
        shown = head + refused
        return f"Status({shown if len(shown) <= room else shown[: room - 1] + '…'}{tail}"

    def _summary(self) -> str:
        """Return the reply, or with status 0 the last error's message."""
        if self.status:
            return f"{self.status} {self.status_text}".rstrip()
        return self.errors[-1]["message"] if self.errors else self.status_text


class SMTPStatusError(SMTP4DError):
    """Raised by `Status.raise_for_status` on a failed status.

    Args:
        status: the status that failed, kept as `status`.
        message: the stage, and the reply or the last error's message.

    Example:
        >>> fault = smtp_server.on("MAIL").reply(552, "5.2.2 Full")
        >>> try:
        ...     transporter.send({"from": "ada@example.com", "to": "bob@example.org"}).raise_for_status()
        ... except SMTPStatusError as error:
        ...     error.status.is_permanent
        True
    """

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
