"""Every exception this package raises, and 4D's error stack beside them.

The tree::

    SMTP4DError
    ├── TransporterOptionError (ValueError)   a server option that cannot be
    ├── SettingsError          (ValueError)   a fake-server setting or fault that cannot be
    ├── SMTPBlockedError       (ConnectionRefusedError)  a connection that a test run must not make
    ├── MailError              (ValueError)   a mail object that cannot become a message
    ├── LocalProtocolError     (ValueError)   we were about to say something SMTP does not allow
    ├── RemoteProtocolError                   the peer said something SMTP does not allow
    ├── Problem                               why something failed without a reply; becomes a status
    └── SMTPStatusError                       a failed status was asked to raise (see `transporter.status`)

A message says what happened, with which value, and what to do next.
"""

from __future__ import annotations

from enum import Enum
from typing import TypedDict

__all__ = [
    "Cause",
    "ErrorRecord",
    "LocalProtocolError",
    "MailError",
    "Problem",
    "RemoteProtocolError",
    "SMTP4DError",
    "SMTPBlockedError",
    "SettingsError",
    "TransporterOptionError",
]


class SMTP4DError(Exception):
    """The root of everything this package raises on purpose."""


class TransporterOptionError(SMTP4DError, ValueError):
    """A server option is missing, unknown, of the wrong type or out of range (4D: `SMTP New transporter`).

    Example:
        >>> SMTPTransporter(host="smtp.example.com", keepalive=False)
        Traceback (most recent call last):
            ...
        pytest_smtp4d.errors.TransporterOptionError: there is no server option 'keepalive' (did you mean ...?)
    """


class SettingsError(SMTP4DError, ValueError):
    """A fake-server setting, a fault or a criterion is unknown, of the wrong type or impossible.

    Example:
        >>> smtp_server.configure(certificate="expird")
        Traceback (most recent call last):
            ...
        pytest_smtp4d.errors.SettingsError: certificate cannot be 'expird' (did you mean 'expired'?)
    """


class SMTPBlockedError(SMTP4DError, ConnectionRefusedError):
    """A connection to a mail server was refused because the run blocks mail; names the user's line."""


class MailError(SMTP4DError, ValueError):
    """A mail object cannot be turned into a message (RFC 5322, RFC 2045); names the key and the value.

    Example:
        >>> mail_convert_to_mime({"subjet": "Hi"})
        Traceback (most recent call last):
            ...
        pytest_smtp4d.errors.MailError: a mail has no property 'subjet' (did you mean 'subject'?)
    """


class LocalProtocolError(SMTP4DError, ValueError):
    """We were about to violate SMTP: CR, LF or NUL in a command, a line over the limit (RFC 5321 4.5.3.1)."""


class RemoteProtocolError(SMTP4DError):
    """The peer violated SMTP: a malformed reply, a path that is none, a reply without end (RFC 5321 4.2).

    Args:
        message: what it did.
        stage: at what, as a stage's name, where that is known.
    """

    def __init__(self, message: str, stage: str | None = None) -> None:
        super().__init__(message)
        self.stage = stage


class ErrorRecord(TypedDict):
    """One entry of 4D's error stack (4D: `Last errors`).

    Example:
        >>> status = transporter.send({"from": "ada@example.com"})
        >>> status.errors[0]["errCode"]
        1401
    """

    errCode: int
    message: str
    componentSignature: str


class Cause(Enum):
    """Why something failed without a server's reply: our error codes, one for each cause.

    4D publishes no numbers for its SMTP component, only signatures: "srvr" is its network layer, "SMTP"
    and "MIME" are its mail interfaces. The numbers are ours.
    """

    NAME_RESOLUTION = (1101, "srvr", "check the host's spelling and this machine's DNS")
    CONNECTION_REFUSED = (1102, "srvr", "check the port, and that the server is running")
    UNREACHABLE = (1103, "srvr", "check the network, the routes and the firewalls between")
    CONNECT_TIMED_OUT = (1104, "srvr", "check host, port and firewalls, or allow a longer connectionTimeOut")
    GREETING_TIMED_OUT = (
        1105,
        "srvr",
        "check that the port speaks SMTP, and TLS only where implicitTls says so",
    )
    CONNECTION_LOST = (1106, "srvr", "look into the server's log; it ended the session without a word")
    SEND_TIMED_OUT = (1107, "srvr", "look at what the server is doing, or allow a longer sendTimeOut")
    NETWORK_ERROR = (1108, "srvr", "check the network between here and the server")

    CERTIFICATE_EXPIRED = (1201, "srvr", "renew the server's certificate, and check this machine's clock")
    CERTIFICATE_NOT_YET_VALID = (1202, "srvr", "check the clocks of both machines")
    CERTIFICATE_WRONG_HOST = (1203, "srvr", "connect by a name that the server's certificate carries")
    CERTIFICATE_UNKNOWN_ISSUER = (1204, "srvr", "pass an sslContext that trusts the server's CA")
    TLS_NO_COMMON_VERSION = (1205, "srvr", "let both sides speak TLS 1.2 or later")
    TLS_CLIENT_CERTIFICATE = (
        1206,
        "srvr",
        "pass an sslContext with a client certificate that the server trusts",
    )
    TLS_FAILED = (1207, "srvr", "check that the port speaks TLS, and what its versions and ciphers are")
    TLS_INJECTED = (
        1208,
        "srvr",
        "somebody between here and the server may be adding octets; do not trust this path",
    )

    ENCRYPTION_REQUIRED = (
        1301,
        "SMTP",
        "use a server with TLS, or allow cleartext with acceptUnsecureConnection",
    )
    LOGIN_NOT_OFFERED = (
        1302,
        "SMTP",
        "leave user and password out, or use a port where the server offers AUTH",
    )
    MECHANISM_NOT_OFFERED = (1303, "SMTP", "choose an authenticationMode that the server offers, or none")
    CREDENTIALS_UNFIT = (1304, "SMTP", "check user, password and accessTokenOAuth2")
    SERVER_NOT_AUTHENTIC = (
        1305,
        "SMTP",
        "check the password; if it is right, this is not the server it was made for",
    )
    MESSAGE_TOO_LARGE = (1306, "SMTP", "make the message smaller; nothing was sent")
    SMTPUTF8_NOT_OFFERED = (1307, "SMTP", "use ASCII in addresses and message identifiers with this server")
    NOT_SMTP = (1308, "SMTP", "check host and port: what answers there does not speak SMTP")
    MALFORMED_REPLY = (1309, "SMTP", "look into the server's log; the session was closed")
    COMMAND_UNFIT = (1310, "SMTP", "correct the value that is named")
    IN_USE = (1311, "SMTP", "send after that call has returned, or with another transporter")

    MAIL_UNFIT = (1401, "MIME", "correct the mail object")
    SIGNING_FAILED = (1402, "MIME", "check certificate, certificateName and certificatePassword")

    def __init__(self, code: int, signature: str, advice: str) -> None:
        self.code = code
        self.signature = signature
        self.advice = advice


class Problem(SMTP4DError):  # noqa: N818 - 4D's word is error, which everything here is
    """Something went wrong that is not a server's reply. A transporter turns it into a status with code 0.

    Args:
        cause: which row of the table of error codes.
        what: what happened, with which value.
        stage: where, as a stage's name such as "TLS" or "MAIL"; None before there was a connection.
    """

    def __init__(self, cause: Cause, what: str, stage: str | None = None) -> None:
        super().__init__(f"{what}: {cause.advice}")
        self.cause = cause
        self.stage = stage

    def as_object(self) -> ErrorRecord:
        """Return this problem as an entry of 4D's error stack."""
        return {
            "errCode": self.cause.code,
            "message": str(self),
            "componentSignature": self.cause.signature,
        }
