"""A sample application: an outbox that keeps mail until a server has taken it, or refused it for good."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage


@dataclass
class Account:
    """Where to send, and as whom; the time-out is in seconds."""

    host: str
    port: int
    user: str
    password: str
    trust: ssl.SSLContext
    timeout: float = 10

    def connect(self) -> smtplib.SMTP:
        """Return a connection over TLS, logged in."""
        client = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
        try:
            client.starttls(context=self.trust)
            client.login(self.user, self.password)
        except BaseException:
            client.close()
            raise
        return client


@dataclass
class Outbox:
    """Mail that waits. Nothing leaves `waiting` before its fate is known."""

    account: Account
    waiting: list[EmailMessage] = field(default_factory=list)
    returned: list[EmailMessage] = field(default_factory=list)

    def flush(self) -> None:
        """Try each message once: what is refused for good is returned, what fails for now keeps waiting."""
        for message in list(self.waiting):
            try:
                self.deliver(message)
            except OSError as problem:  # smtplib's errors are OSErrors, and so are time-outs
                if not is_permanent(problem):
                    continue
                self.returned.append(message)
            self.waiting.remove(message)

    def deliver(self, message: EmailMessage) -> None:
        """Hand one message to the server. Once it is accepted, what happens to QUIT does not matter."""
        client = self.account.connect()
        try:
            client.send_message(message)
        finally:
            with suppress(OSError):
                client.quit()
            client.close()


class CarelessOutbox(Outbox):
    """The same, as it is often written: with one bug, which every plain test misses."""

    def deliver(self, message: EmailMessage) -> None:
        """Hand one message to the server."""
        with self.account.connect() as client:
            client.send_message(message)


def is_permanent(problem: OSError) -> bool:
    """Return whether trying again is in vain: the server said 5yz (RFC 5321 4.2.1)."""
    if isinstance(problem, smtplib.SMTPRecipientsRefused):
        return all(500 <= code < 600 for code, _ in problem.recipients.values())
    return isinstance(problem, smtplib.SMTPResponseException) and 500 <= problem.smtp_code < 600
