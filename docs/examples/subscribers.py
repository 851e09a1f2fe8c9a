"""A sample application: a mailing list that knows who cannot be reached, and says so by a bounce."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass, field
from email.message import EmailMessage


@dataclass
class MailingList:
    """People who want to hear from us.

    Args:
        address: the server's host and port.
        people: their addresses.
    """

    address: tuple[str, int]
    people: list[str]
    gone: list[str] = field(default_factory=list)

    def send(self, message: EmailMessage) -> list[str]:
        """Send to everybody; drop who is refused for good, and return who is to be tried again."""
        later: list[str] = []
        with smtplib.SMTP(*self.address, timeout=5) as client:
            for person in list(self.people):
                try:
                    client.send_message(message, "news-bounces@example.com", [person])
                except smtplib.SMTPRecipientsRefused as refusal:  # noqa: PERF203 - each person is a try of its own
                    code, _ = refusal.recipients[person]
                    if code < 500:  # RFC 5321 4.2.1: 4yz is for now, 5yz is for good
                        later.append(person)
                    else:
                        self.people.remove(person)
                        self.gone.append(person)
        return later

    def bounce(self, author: str, recipient: str, status: str) -> None:
        """Tell an author that a recipient was not reached (RFC 3464).

        It comes from the null sender, so that nobody bounces the bounce (RFC 5321 4.5.5).
        """
        report = EmailMessage()
        report["From"], report["To"] = "postmaster@example.com", author
        report["Subject"] = "Undelivered"
        report["Auto-Submitted"] = "auto-replied"
        report.set_content(f"Nothing reached {recipient}.")
        fields = EmailMessage()
        fields["Final-Recipient"], fields["Action"], fields["Status"] = (
            f"rfc822; {recipient}",
            "failed",
            status,
        )
        about_server = EmailMessage()
        about_server["Reporting-MTA"] = "dns; example.com"
        status_part = EmailMessage()
        status_part["Content-Type"] = "message/delivery-status"
        status_part.set_payload([about_server, fields])
        report.make_mixed()
        report.attach(status_part)
        report.replace_header("Content-Type", "multipart/report; report-type=delivery-status")
        with smtplib.SMTP(*self.address, timeout=5) as client:
            client.send_message(report, "", [author])
