from __future__ import annotations

import json
import os
import smtplib
import subprocess
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import localtime, make_msgid
from pathlib import Path

import aiosmtplib
import django.conf
import pytest
from django.core import mail
from django.core.mail.backends.smtp import EmailBackend

from pytest_smtp4d import SMTPServer, SMTPTransporter, mail_new_attachment
from pytest_smtp4d.records.lint import lint
from tests.peers.conftest import PROJECT, Foreign

if not django.conf.settings.configured:
    django.conf.settings.configure(DEFAULT_CHARSET="utf-8", USE_TZ=True)

PICTURE = bytes(range(256)) * 4

NODEMAILER = """
const {host, port} = JSON.parse(process.argv[1]);
const transport = require("nodemailer").createTransport({host, port, requireTLS: true});
transport.sendMail({
  from: {name: "Müller, Söhne & Co.", address: "info@example.com"},
  to: ["bob@example.org", {name: "Dr. Zoë Lee", address: "zoe@example.org"}],
  bcc: "eve@example.org",
  subject: "Grüße ".repeat(20),
  references: ["<a@example.com>", "<b@example.com>"],
  list: {unsubscribe: {url: "https://example.com/u", comment: "out"}},
  text: "Größe\\n".repeat(30),
  html: "<p>Größe</p>",
  attachments: [{filename: "größe.bin", content: Buffer.alloc(1000, 7)}],
  icalEvent: {method: "REQUEST", content: "BEGIN:VCALENDAR\\r\\nMETHOD:REQUEST\\r\\nEND:VCALENDAR\\r\\n"},
}).then(() => transport.close(), error => { console.error(error); process.exit(1); });
"""


def mail_by_hand() -> EmailMessage:
    """Compose a mail as the standard library's documentation does."""
    message = EmailMessage()
    message["From"] = "Müller & Co. <info@example.com>"
    message["To"] = "Dr. Zoë Lee <zoe@example.org>, bob@example.org"
    message["Bcc"] = "eve@example.org"
    message["Subject"] = "Grüße " * 20
    message["Date"] = localtime()
    message["Message-ID"] = make_msgid()
    message.set_content("Größe\n" * 30)
    message.add_alternative("<p>Größe</p>", subtype="html")
    message.add_attachment(PICTURE, maintype="image", subtype="png", filename="größe.png")
    return message


def flaws_of_what_arrived(server: SMTPServer) -> list[str]:
    """Return what is wrong with the one message that arrived."""
    message = server.messages.one(bcc="eve@example.org")
    assert len(message.attachments) >= 1
    return [str(finding) for finding in lint(message.content)]


def test_smtplib_sends_nothing_wrong(smtp_server: SMTPServer) -> None:
    """EmailMessage with `send_message`: names with dots, umlauts, HTML, an attachment; its Bcc is removed."""
    with smtplib.SMTP(*smtp_server.address, timeout=10) as client:
        client.starttls(context=smtp_server.client_context())
        client.send_message(mail_by_hand())
    assert flaws_of_what_arrived(smtp_server) == []


async def test_aiosmtplib_sends_nothing_wrong(smtp_server: SMTPServer) -> None:
    """The same by aiosmtplib's own way to the wire."""
    host, port = smtp_server.address
    await aiosmtplib.send(
        mail_by_hand(), hostname=host, port=port, tls_context=smtp_server.client_context(), timeout=10
    )
    assert flaws_of_what_arrived(smtp_server) == []


@pytest.mark.usefixtures("smtp_trust")
@pytest.mark.filterwarnings("ignore:Directly creating EmailBackend instances is deprecated")
def test_django_sends_nothing_wrong(smtp_server: SMTPServer) -> None:
    """Django's multipart mail with Bcc, Reply-To and an attachment."""
    message = mail.EmailMultiAlternatives(
        "Grüße " * 20,
        "Größe\n" * 30,
        "Müller <info@example.com>",
        ["Zoë Lee <zoe@example.org>", "bob@example.org"],
        bcc=["eve@example.org"],
        reply_to=["office@example.com"],
    )
    message.attach_alternative("<p>Größe</p>", "text/html")
    message.attach("größe.png", PICTURE, "image/png")
    backend = EmailBackend(host=smtp_server.host, port=smtp_server.port, use_tls=True, timeout=10)
    assert backend.send_messages([message]) == 1
    assert flaws_of_what_arrived(smtp_server) == []


def test_nodemailer_sends_nothing_wrong(
    smtp_server: SMTPServer, nodemailer: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Nodemailer with a list, an invitation and an attachment."""
    where = json.dumps({"host": smtp_server.host, "port": smtp_server.port})
    result = nodemailer(NODEMAILER, where, NODE_EXTRA_CA_CERTS=smtp_server.ca_file)
    assert result.returncode == 0, result.stderr
    assert flaws_of_what_arrived(smtp_server) == []


def test_swaks_sends_nothing_wrong(smtp_server: SMTPServer, foreign: Foreign) -> None:
    """Its own test mail, with an attachment."""
    command = [foreign("swaks"), "--server", smtp_server.host, "--port", str(smtp_server.port)]
    command += ["--tls", "--tls-ca-path", smtp_server.ca_file, "--helo", "client.example.com"]
    command += ["--from", "ada@example.com", "--to", "bob@example.org,eve@example.org"]
    command += ["--header-To", "bob@example.org", "--attach", "some octets"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert flaws_of_what_arrived(smtp_server) == []


def test_our_transporter_sends_nothing_wrong(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """A mail object with everything: quoted names, a picture in the HTML, Bcc."""
    status = transporter.send(
        {
            "from": {"name": "Müller, Söhne & Co.", "email": "info@example.com"},
            "to": ["bob@example.org", {"name": "Dr. Zoë Lee", "email": "zoe@example.org"}],
            "bcc": "eve@example.org",
            "subject": "Grüße " * 20,
            "textBody": "Größe\r\n" * 30,
            "htmlBody": '<p>Größe</p><img src="cid:picture">',
            "attachments": [mail_new_attachment(PICTURE, "größe.png", "picture", "image/png", "inline")],
        }
    )
    assert status.success, status
    assert flaws_of_what_arrived(smtp_server) == []


PHPMAILER = r"""
require getenv('PHPMAILER') ?: 'libphp-phpmailer/autoload.php';
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
[, $mail->Host, $mail->Port] = $argv;
$mail->CharSet = 'UTF-8';
$mail->setFrom('info@example.com', 'Müller, Söhne & Co.');
$mail->addAddress('bob@example.org');
$mail->addAddress('zoe@example.org', 'Dr. Zoë Lee');
$mail->addBCC('eve@example.org');
$mail->Subject = str_repeat('Grüße ', 20);
$mail->isHTML();
$mail->Body = '<p>Größe</p>';
$mail->AltBody = str_repeat("Größe\n", 30);
$mail->addStringAttachment(str_repeat("\7", 1000), 'größe.bin');
$mail->send();
"""


@pytest.mark.slow
def test_phpmailer_sends_nothing_wrong(smtp_server: SMTPServer, foreign: Foreign) -> None:
    """PHPMailer with HTML, its text, Bcc and an attachment."""
    command = [foreign("php"), "-r", PHPMAILER, "--", smtp_server.host, str(smtp_server.port)]
    trust = {**os.environ, "SSL_CERT_FILE": smtp_server.ca_file}
    result = subprocess.run(command, env=trust, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    assert flaws_of_what_arrived(smtp_server) == []


@pytest.mark.slow
def test_go_sends_what_it_is_given(smtp_server: SMTPServer, foreign: Foreign, tmp_path: Path) -> None:
    """Go's net/smtp composes nothing: of our example's four lines only what they lack is reported."""
    program = tmp_path / "net_smtp"
    source = PROJECT / "docs" / "examples" / "senders" / "net_smtp.go"
    subprocess.run([foreign("go"), "build", "-o", str(program), str(source)], check=True, timeout=300)
    smtp_server.configure(users={"me": "secret"})
    command = [str(program), "careful_starttls", smtp_server.host, str(smtp_server.port), smtp_server.ca_file]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert [(flaw.name, flaw.line) for flaw in smtp_server.messages.one().problems] == [
        ("missing-field", "(no Date)")
    ]
