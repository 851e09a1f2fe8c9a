"""The server's own replies, in the order of a session.

RFC 5321 4.2.2 and 4.3.2 (which replies belong to which command), RFC 3463 (enhanced status codes).
"""

from __future__ import annotations

from functools import lru_cache

from pytest_smtp4d.smtp.reply import Reply

HOSTNAME = "localhost"
"""What the server calls itself in its greeting and in its reply to EHLO."""

# Any command.
GREETING = Reply(220, f"{HOSTNAME} ESMTP pytest-smtp4d")
GREETING_WITHOUT_ESMTP = Reply(220, f"{HOSTNAME} SMTP pytest-smtp4d")
TOO_MANY_CONNECTIONS = Reply(421, "4.7.0 Too many connections")
TOO_MANY_MESSAGES = Reply(421, "4.7.0 Too many messages in this session")
NO_SERVICE = Reply(503, "5.5.1 No SMTP service here")
TLS_REQUIRED = Reply(530, "5.7.0 Must issue a STARTTLS command first")
AUTH_REQUIRED = Reply(530, "5.7.0 Authentication required")
NOT_RECOGNISED = Reply(500, "5.5.1 Command not recognized")
LINE_TOO_LONG = Reply(500, "5.5.2 Line too long")
NO_NUL = Reply(500, "5.5.2 A command line cannot hold NUL")
NO_ARGUMENT = Reply(501, "5.5.4 The command takes no argument")
OK = Reply(250, "2.0.0 OK")
INTERNAL_ERROR = Reply(451, "4.3.0 Internal error")
HELLO_FIRST = Reply(503, "5.5.1 Send HELO or EHLO first")
EHLO_FIRST = Reply(503, "5.5.1 Send EHLO first")

# HELO, EHLO, STARTTLS, VRFY, EXPN, HELP, QUIT.
HELO_OK = Reply(250, HOSTNAME)
HELO_NEEDS_NAME = Reply(501, "Syntax: HELO hostname")
EHLO_NEEDS_NAME = Reply(501, "Syntax: EHLO hostname")
NO_ESMTP = Reply(502, "Command not implemented")
NO_STARTTLS = Reply(502, "5.5.1 STARTTLS is not implemented")
TLS_ALREADY = Reply(503, "5.5.1 TLS is already active")
READY_FOR_TLS = Reply(220, "2.0.0 Ready to start TLS")
NOT_VERIFIED = Reply(252, "2.5.0 Cannot VRFY user, but will accept message and attempt delivery")
VRFY_NEEDS_ADDRESS = Reply(501, "5.5.4 Syntax: VRFY address")
NO_EXPN = Reply(502, "5.5.1 EXPN not implemented")
BYE = Reply(221, "2.0.0 Bye")

# AUTH.
LOGGED_IN = Reply(235, "2.7.0 Authentication successful")
FAILED_LOGIN = Reply(535, "5.7.8 Authentication credentials invalid")
CANCELLED = Reply(501, "5.7.0 Authentication cancelled")
NOT_BASE64 = Reply(501, "5.5.2 The response is not base64")
RESPONSE_TOO_LONG = Reply(500, "5.5.6 Authentication exchange line is too long")
NO_INITIAL_RESPONSE = Reply(501, "5.7.0 The server speaks first in this mechanism")
NO_AUTH = Reply(502, "5.5.1 AUTH is not implemented")
UNKNOWN_MECHANISM = Reply(504, "5.5.4 Unrecognized authentication mechanism")
TLS_NEEDED = Reply(538, "5.7.11 Encryption required for requested authentication mechanism")
AUTHENTICATED_ALREADY = Reply(503, "5.5.1 Already authenticated")
IN_TRANSACTION = Reply(503, "5.5.1 AUTH is not permitted during a mail transaction")
AUTH_NEEDS_MECHANISM = Reply(501, "5.5.4 Syntax: AUTH mechanism [initial-response]")

# MAIL, RCPT.
SENDER_OK = Reply(250, "2.1.0 OK")
NESTED_MAIL = Reply(503, "5.5.1 Nested MAIL command")
NEEDS_SMTPUTF8 = Reply(553, "5.6.7 Non-ASCII addresses not permitted for this session")
TOO_BIG = Reply(552, "5.3.4 Message size exceeds fixed maximum message size")
MAIL_FIRST = Reply(503, "5.5.1 Send MAIL first")
RECIPIENT_OK = Reply(250, "2.1.5 OK")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3 Too many recipients")
GREYLISTED = Reply(451, "4.7.1 Greylisted, please try again later")

# DATA, BDAT, content.
RCPT_FIRST = Reply(503, "5.5.1 Send RCPT first")
NO_VALID_RECIPIENTS = Reply(554, "5.5.1 No valid recipients")
NEEDS_BDAT = Reply(503, "5.5.1 BODY=BINARYMIME goes with BDAT only")
BDAT_BEGUN = Reply(503, "5.5.1 DATA cannot follow BDAT")
DATA_NO_ARGUMENT = Reply(501, "5.5.4 Syntax: DATA")
GO_AHEAD = Reply(354, "End data with <CR><LF>.<CR><LF>")
QUEUED = Reply(250, "2.0.0 OK: queued")
NO_BDAT = Reply(502, "5.5.1 BDAT is not implemented")
BDAT_SYNTAX = Reply(501, "5.5.4 Syntax: BDAT octets [LAST]")
BDAT_FAILED = Reply(503, "5.5.1 A chunk of this message failed: send RSET")


@lru_cache(512)
def without_enhanced_code(reply: Reply) -> Reply:
    """Return the reply as a server words it that does not offer ENHANCEDSTATUSCODES (RFC 2034)."""
    if reply.enhanced_code is None:
        return reply
    return Reply(reply.code, "\n".join(line.partition(" ")[2] for line in reply.lines))
