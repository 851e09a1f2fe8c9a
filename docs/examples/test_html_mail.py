"""A mail in text and HTML: both bodies, the sign-up link and the code in it."""

from __future__ import annotations

from pytest_smtp4d import SMTPServer, SMTPTransporter

HTML = """\
<p>Welcome, <b>Zoë</b>!</p>
<p>Your code is 483920, or <a href="https://shop.example.com/confirm?user=7&amp;token=x1">follow me</a>.</p>
"""


def test_html_mail(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """Both alternatives arrive; links and codes are found as a reader would find them."""
    status = transporter.send(
        {
            "from": {"name": "The Shop", "email": "shop@example.com"},
            "to": [{"name": "Zoë", "email": "zoe@example.org"}],
            "bcc": "archive@example.net",
            "subject": "Willkommen, Zoë",
            "textBody": "Welcome, Zoë! Your code is 483920.",
            "htmlBody": HTML,
        }
    )
    assert status.success

    message = smtp_server.messages.one(to="zoe@example.org", subject="Willkommen, Zoë")
    assert message.rcpt_to == ("zoe@example.org", "archive@example.net")
    assert message.bcc == ["archive@example.net"]
    assert "483920" in (message.text_body or "")
    assert message.links() == ["https://shop.example.com/confirm?user=7&token=x1"]
    assert message.codes() == ["483920"]
    assert message.mime.get_content_type() == "multipart/alternative"
    assert message.attachments == []
