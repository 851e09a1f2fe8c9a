"""Lines of user code for `test_typing`: those that a type checker must refuse, and those that it must not.

A line stands in a function with all fixtures as arguments; `await` makes it a coroutine's.
"""

from __future__ import annotations

__all__ = ["HEAD", "PARAMETERS", "RIGHT", "WRONG"]

HEAD = """\
from __future__ import annotations

import re
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_smtp4d import *  # pyright: ignore[reportWildcardImportFromLibrary]

if TYPE_CHECKING:
    from typing_extensions import Unpack, assert_type


class Equal:
    def equals(self, other: object) -> bool:
        return True

"""

PARAMETERS = (
    "smtp_server: SMTPServer, smtp_intercept: SMTPServer, smtp_django: SMTPServer, "
    "smtp_ca: CertificateAuthority, smtp_trust: Path, transporter: SMTPTransporter, "
    "make_smtp_server: MakeSMTPServer, smtp_server_factory: MakeSMTPServer, "
    "make_transporter: MakeTransporter, async_transporter: AsyncSMTPTransporter"
)

WRONG = (
    # Criteria: unknown ones, and values that could never match.
    'smtp_server.messages.one(subjct="Hi")',
    "smtp_server.messages.one(to=3)",
    'smtp_server.messages.one(subject=b"Hi")',
    'smtp_server.messages.one(subject=["Hi"])',
    "smtp_server.messages.one(to=[3])",
    "smtp_server.messages.one(timeout='1')",
    'smtp_server.messages.one("Hi")',
    'smtp_server.messages.one(headers={"X-Id": 3})',
    'smtp_server.messages.one(subject=re.compile(b"Hi"))',
    'smtp_server.messages.one(subject=lambda s: s.startwith("x"))',
    'smtp_server.messages.one(to=lambda s: s.startwith("x"))',
    'smtp_server.messages.one(text_body=lambda s: "x" in s)',
    'smtp_server.messages.where(form_="a@example.com")',
    'smtp_server.messages.clear(subjct="Hi")',
    'smtp_server.messages.none(within=0.1, rcpt="a@example.com")',
    'smtp_server.messages.wait_for(2, text="Hi")',
    'smtp_server.messages.expect(2, recipient="a@example.com")',
    'await smtp_server.messages.await_one(subjct="Hi")',
    "await smtp_server.messages.await_for(1, 2.0, to=3)",
    'await smtp_server.messages.await_none(form="a@example.com")',
    # Stages, matches and actions.
    'smtp_server.on("RCTP")',
    'smtp_server.on("rcpt")',
    'smtp_server.on("RCPT", 3)',
    'smtp_server.on("RCPT", lambda event: event.argumnt)',
    'smtp_server.on("RCPT", time=1)',
    'smtp_server.on("RCPT").reply("550")',
    'smtp_server.on("RCPT").replies([(451, "x"), "okay"])',
    'smtp_server.on("RCPT").reply_with(lambda event: 5.5)',
    'smtp_server.on("RCPT").reply_with(lambda event: event.sesion)',
    'smtp_server.on("RCPT").send("text")',
    "smtp_server.drop_connections((421,))",
    # Settings.
    'smtp_server.configure(tls="implict")',
    'smtp_server.configure(size_limit="1")',
    'SMTPServer(certficate="expired")',
    'SMTPServer(certificate="expird")',
    'SMTPServer(auth=("PLAIN", "LOGINN"))',
    'SMTPServer(extensions=["PIPELINE"])',
    'SMTPServer(names="mail.example.com")',
    'SMTPServer(ignore_violations=("bare_lf",))',
    'SMTPServer(users={"ada": 1})',
    'SMTPServer(users="ada")',
    'make_smtp_server(tsl="none")',
    'smtp_server_factory(tls="off")',
    'smtp_server.settings.replace(tls="off")',
    "smtp_server.messages.put",
    "smtp_server.settle",
    "smtp_server.tls",
    # Options.
    'SMTPTransporter(host="localhost", keepalive=False)',
    'SMTPTransporter(host="localhost", port="25")',
    'SMTPTransporter({"host": "localhost", "keepalive": False})',
    'SMTPTransporter({"host": "localhost", "authenticationMode": "PLAINN"})',
    'SMTPTransporter.new(hots="localhost")',
    'AsyncSMTPTransporter(host="localhost", header_charset="UTF-8")',
    'smtp_new_transporter({"hots": "localhost"})',
    "make_transporter(timeout=3)",
    'make_transporter(smtp_server, send_time_out="3")',
    "make_transporter(smtp_server.port)",
    # Mails.
    'transporter.send({"subjet": "Hi"})',
    'transporter.send({"subject": 3})',
    'transporter.send({"from": 3})',
    'transporter.send({"to": [3]})',
    'transporter.send({"to": {"mail": "a@example.com"}})',
    'transporter.send({"attachments": ["file.txt"]})',
    'transporter.send("Hi")',
    'await async_transporter.send({"subjet": "Hi"})',
    'mail_convert_to_mime({"subjet": "Hi"})',
    'mail_convert_to_mime({}, {"bodyCharset": "UTF-8"})',
    'mail_convert_to_mime({}, {"charset": "ISO-8859-1"})',
    'mail_new_attachment(b"x", disposition=3)',
    # What comes back.
    "transporter.send({}).statusText",
    "smtp_server.messages[0].sender",
    "smtp_server.messages[0].text_body.upper()",
    "smtp_server.sessions[0].tls.version",
)
"""A type checker must find something wrong with each of these."""

RIGHT = (
    'smtp_server.messages.one(subject="Hi", timeout=1, settle=0.1)',
    'smtp_server.messages.one(subject=re.compile("Hi"), to="b@example.org", user=None)',
    'smtp_server.messages.one(subject=lambda s: s.startswith("x"), to=lambda s: s.endswith(".org"))',
    'smtp_server.messages.one(text_body=lambda s: s is None or "x" in s, html_body=None)',
    'smtp_server.messages.one(to=["a@example.com", re.compile("b@"), lambda s: "c" in s])',
    'smtp_server.messages.one(to={"a@example.com", "b@example.com"}, cc=(), attachments=("a.pdf",))',
    'smtp_server.messages.one(headers={"X-Id": "1", "X-Other": re.compile("2"), "X-None": None})',
    "smtp_server.messages.one(subject=Equal(), to=[Equal()], text_body=Equal(), rcpt_to=Equal)",
    "smtp_server.messages.none(0.1)",
    "assert_type(smtp_server.messages.one(), ReceivedMessage)",
    "assert_type(smtp_server.messages.wait_for(2, to='b@example.org'), list[ReceivedMessage])",
    "assert_type(smtp_server.messages[0], ReceivedMessage)",
    "assert_type(smtp_server.messages[1:], list[ReceivedMessage])",
    "assert_type(await smtp_server.messages.await_one(timeout=1), ReceivedMessage)",
    "assert_type(smtp_server.messages[0].problems, tuple[Violation, ...])",
    "assert_type(smtp_server.sessions[0].transcript.lines, tuple[TranscriptLine, ...])",
    "assert_type(smtp_server.ca_file, str)",
    "assert_type(smtp_ca.ca_file, str)",
    'smtp_server.on("RCPT", "nobody@*", times=1).reply(550, "5.1.1 No such user").optional()',
    'smtp_server.on("RCPT", lambda event: event.argument.endswith("x")).reply(550)',
    'smtp_server.on("*", re.compile("x"), after=1).delay(0.1).replies([451, (452, "x"), "ok", Reply(550)])',
    'smtp_server.on("RCPT").reply_with(lambda event: (550, "x") if event.parameters else None)',
    'smtp_server.drop_connections((421, "4.3.2 Away"), abort=True)',
    'smtp_server.configure(tls="implicit", tls_versions=("TLSv1.2",), greylist=0.5, size_limit=None)',
    'SMTPServer(users="*", auth=["PLAIN"], ignore_violations=("bare-lf", "nul"), fatal_violations="*")',
    'make_smtp_server(users={"ada": "secret"}, names=["mail.example.com"], extensions={"SIZE", "DSN"})',
    "SMTPTransporter(**smtp_server.client_options(), send_time_out=0.5)",
    'SMTPTransporter({"host": "localhost", "keepAlive": False, "sslContext": None}, port=25, user=None)',
    'SMTPTransporter(host="localhost", authentication_mode="PLAIN", body_charset=MailMode.ISO88591)',
    "assert_type(make_transporter(keep_alive=False), SMTPTransporter)",
    "assert_type(transporter.port, int)",
    "assert_type(transporter.ssl_context, ssl.SSLContext | None)",
    "assert_type(AsyncSMTPTransporter.new(host='localhost'), AsyncSMTPTransporter)",
    'transporter.send({"from": "a@example.com", "to": [{"name": "B", "email": "b@example.org"}, "c@x.org"]})',
    'transporter.send({"attachments": [mail_new_attachment(Path("a.pdf"))], "keywords": {"a": True}})',
    "transporter.send(EmailMessage())",
    'assert_type(transporter.send({"to": "b@example.org"}), Status)',
    "assert_type(await async_transporter.check_connection(), Status)",
    'assert_type(transporter.send({}).refused["a@example.com"].enhanced_code, str | None)',
    'assert_type(mail_convert_from_mime(b""), Email)',
    'mail_convert_to_mime({"subject": "x"}, {"bodyCharset": "ISO-8859-1"})',
    "with smtp_server.messages.expect(2) as sent: assert_type(sent, list[ReceivedMessage])",
    "with smtp_server.down(): pass",
    "with on_err_call(lambda: None): assert_type(last_errors(), list[ErrorRecord] | None)",
    "def f(**settings: Unpack[SettingsDict]) -> SMTPServer: return make_smtp_server(**settings)",
    "def f(**criteria: Unpack[Criteria]) -> ReceivedMessage: return smtp_server.messages.one(**criteria)",
    "def f(**options: Unpack[TransporterOptions]) -> SMTPTransporter: return SMTPTransporter(**options)",
)
"""A type checker must find nothing wrong with any of these, and know every type."""
