"""A shop's tests, for the picture of the report: a mail in HTML, a near miss, refusals, a blind copy."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest

from pytest_smtp4d import SMTPServer

LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="44" height="44"><rect width="44" height="44" '
    b'rx="10" fill="#1757c2"/><path d="M10 14h24v16H10zl12 10 12-10" fill="none" '
    b'stroke="#fff" stroke-width="2.5"/></svg>'
)
ORDER = """\
<body style="margin:0;background:#f3f5f9;font:16px/1.5 sans-serif;color:#1d2433">
<div style="max-width:520px;margin:24px auto;background:#fff;border-radius:10px;padding:24px 32px">
<p style="font-size:20px;margin:0 0 16px">
<img src="cid:logo" alt="" style="vertical-align:middle"> <b>The Shop</b></p>
<p>Hello Zoë,</p><p>thank you for your order. We send it as soon as we have your payment.</p>
<table style="width:100%;border-collapse:collapse;margin:16px 0">
<tr style="border-bottom:1px solid #ccd"><td>Tea, 250 g</td><td align="right">12.00 EUR</td></tr>
<tr style="border-bottom:1px solid #ccd"><td>A cup, blue</td><td align="right">30.00 EUR</td></tr>
<tr><td><b>Total</b></td><td align="right"><b>42.00 EUR</b></td></tr></table>
<p><a href="https://shop.example.com/pay?order=1042"
style="background:#1757c2;color:#fff;padding:10px 18px;border-radius:6px;
text-decoration:none">Pay now</a></p></div></body>
"""


def send(
    server: SMTPServer, recipient: str, subject: str, text: str, *, copy: str = "", html: str = ""
) -> None:
    """Send a mail over TLS."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "The Shop <shop@example.com>", recipient, subject
    mail["Date"] = "Wed, 25 Nov 2026 09:00:00 +0000"
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
        mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="terms.pdf")
        body = mail.get_body(("html",))
        assert isinstance(body, EmailMessage)
        body.add_related(LOGO, maintype="image", subtype="svg+xml", cid="<logo>", filename="logo.svg")
    with smtplib.SMTP(*server.address, timeout=5) as client:
        client.starttls(context=server.client_context())
        client.send_message(mail, to_addrs=[recipient, *([copy] if copy else [])])


def test_order_is_confirmed(smtp_server: SMTPServer) -> None:
    """The customer gets the order, and the archive a blind copy."""
    send(
        smtp_server,
        "zoe@example.org",
        "Your order 1042",
        "Thank you.",
        copy="archive@example.net",
        html=ORDER,
    )
    assert smtp_server.messages.one(subject="Your order 1042").bcc == ["archive@example.net"]


def test_password_is_reset(smtp_server: SMTPServer) -> None:
    """A near miss: the subject is another one."""
    send(smtp_server, "bob@example.org", "Your new pasword", "The code is 483920.")
    smtp_server.messages.one(subject="Your new password", to="bob@example.org")


def test_full_mailbox_is_tried_again(smtp_server: SMTPServer) -> None:
    """Refused for now, and accepted later."""
    smtp_server.on("RCPT", times=1).reply(452, "4.2.2 Mailbox full")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(smtp_server, "ada@example.org", "We miss you", "Come back.")
    send(smtp_server, "ada@example.org", "We miss you", "Come back.")
    smtp_server.messages.one(subject="We miss you")


def test_customer_is_gone(smtp_server: SMTPServer) -> None:
    """Refused for good."""
    smtp_server.on("RCPT", "gone@*").reply(550, "5.1.1 No such user")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(smtp_server, "gone@example.org", "We miss you", "Come back.")
