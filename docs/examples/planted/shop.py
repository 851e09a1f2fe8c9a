"""A shop that mails its customers, with five mistakes that its own tests do not notice.

Do not copy it. The mistakes: the server's certificate is not verified; what a visitor typed becomes part of
the header; who is twice on a list gets the news twice; managers that nobody should see stand in a Bcc field;
a mail has no date.
"""

from __future__ import annotations

import logging
import smtplib
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime, make_msgid

SERVER = ("mail.shop.invalid", 587)
TIMEOUT = 5.0
LOG = logging.getLogger(__name__)


def compose(to: str, subject: str, text: str) -> EmailMessage:
    """Compose a mail of the shop."""
    mail = EmailMessage(policy=SMTP)
    mail["Date"], mail["Message-ID"] = localtime(), make_msgid(domain="shop.example")
    mail["From"], mail["To"], mail["Subject"] = "shop@shop.example", to, subject
    mail.set_content(text)
    return mail


def deliver(content: bytes, *recipients: str) -> None:
    """Send to several recipients; a dead server is a warning, for the shop goes on without mail."""
    try:
        with smtplib.SMTP(*SERVER, timeout=TIMEOUT) as client:
            client.starttls()  # the first mistake: without a context, any certificate will do
            client.sendmail("shop@shop.example", recipients, content)
    except (OSError, ValueError) as error:
        LOG.warning("not sent: %s", error)


def confirm(customer: str, order: int) -> EmailMessage:
    """Mail that an order came in."""
    mail = compose(customer, f"Order {order}", "Thank you.\n")
    deliver(bytes(mail), customer)
    return mail


def contact(name: str, subject: str, text: str) -> bytes:
    """Mail to the shop what a visitor typed into a form."""
    form = bytes(compose("office@shop.example", "Form", text))
    # The second mistake: what was typed goes into the header as it is.
    head = f"Reply-To: {name} <visitor@example.net>\r\nSubject: {subject}"
    content = form.replace(b"Subject: Form", head.encode())
    deliver(content, "office@shop.example")
    return content


def send_news(customers: list[str], text: str) -> int:
    """Mail what is new to everybody on a list."""
    mail = compose("customers@shop.example", "News", text)
    for customer in customers:  # the third mistake: who is on the list twice gets it twice
        deliver(bytes(mail), customer)
    return len(customers)


def report(managers: list[str], figures: str) -> EmailMessage:
    """Mail figures to managers who should not see each other."""
    mail = compose("reports@shop.example", "Figures", figures)
    mail["Bcc"] = ", ".join(managers)  # the fourth mistake: `sendmail` leaves the field in
    deliver(bytes(mail), *managers)
    return mail


def remind(customer: str) -> EmailMessage:
    """Mail that something is in the cart."""
    mail = compose(customer, "Your cart", "It waits.\n")
    del mail["Date"]  # the fifth mistake; written by hand, a mail has none in the first place
    deliver(bytes(mail), customer)
    return mail
