"""A small shop that mails its customers through a hard-coded server, and takes a dead one lightly."""

from __future__ import annotations

import logging
import smtplib

HOST = "mail.shop.invalid"
LOG = logging.getLogger(__name__)


def confirm_order(customer: str) -> None:
    """Mail that an order came in."""
    try:
        with smtplib.SMTP(HOST, 587, timeout=5) as client:
            client.starttls()
            client.sendmail("shop@example.com", [customer], "Subject: Your order\r\n\r\nThank you.\r\n")
    except OSError as error:
        LOG.warning("order not confirmed: %s", error)


def reset_password(customer: str) -> None:
    """Mail a link."""
    try:
        with smtplib.SMTP(HOST, 587, timeout=5) as client:
            client.ehlo()
            client.docmd("AUTH", "PLAIN AHNob3AAc2VjcmV0")
            client.sendmail("shop@example.com", [customer], "Subject: Your password\r\n\r\nA link.\r\n")
    except OSError as error:
        LOG.warning("password not reset: %s", error)


def send_newsletter(customer: str) -> None:
    """Mail what is new."""
    news = "<p>" + "New! " * 400 + "</p>"
    try:
        with smtplib.SMTP(HOST, 25, timeout=5) as client:
            client.sendmail("shop@example.com", [customer], f"Subject: News\r\n\r\n{news}\r\n")
    except OSError as error:
        LOG.warning("newsletter not sent: %s", error)
