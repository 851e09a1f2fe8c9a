"""Server options: names, types, ranges, defaults, and what each slip is told."""

from __future__ import annotations

import math
import ssl
from pathlib import Path
from typing import Any

import pytest

from pytest_smtp4d import (
    AsyncSMTPTransporter,
    AuthenticationMode,
    MailMode,
    ServerObject,
    SMTPTransporter,
    TransporterOptionError,
    smtp_new_transporter,
)

HOST: ServerObject = {"host": "smtp.example.com"}


def test_defaults() -> None:
    """S8, I5, I6: what an omitted option reads as."""
    transporter = SMTPTransporter(HOST)
    assert {
        name: getattr(transporter, name)
        for name in [
            "host",
            "port",
            "user",
            "authentication_mode",
            "accept_unsecure_connection",
            "keep_alive",
            "connection_time_out",
            "send_time_out",
            "header_charset",
            "body_charset",
            "log_file",
            "certificate",
            "certificate_name",
            "ssl_context",
            "implicit_tls",
        ]
    } == {
        "host": "smtp.example.com",
        "port": 587,
        "user": None,
        "authentication_mode": None,
        "accept_unsecure_connection": False,
        "keep_alive": True,
        "connection_time_out": 30,
        "send_time_out": 100,
        "header_charset": "US-ASCII_UTF8_QP",
        "body_charset": "US-ASCII_UTF8_QP",
        "log_file": None,
        "certificate": None,
        "certificate_name": None,
        "ssl_context": None,
        "implicit_tls": None,
    }


EVERY_OPTION: ServerObject = {
    "host": "smtp.example.com",
    "port": 2525,
    "user": "me",
    "password": "hunter2",
    "accessTokenOAuth2": "t0k3n",
    "authenticationMode": "PLAIN",
    "acceptUnsecureConnection": True,
    "keepAlive": False,
    "connectionTimeOut": 1,
    "sendTimeOut": 2.5,
    "headerCharset": "ISO-8859-1",
    "bodyCharset": "US-ASCII_UTF8_B64",
    "logFile": "log.txt",
    "certificate": b"pkcs12",
    "certificatePassword": "s3cret",
    "implicitTls": True,
}


@pytest.mark.parametrize(
    "make",
    [
        SMTPTransporter,
        SMTPTransporter.new,
        smtp_new_transporter,
        AsyncSMTPTransporter,
        AsyncSMTPTransporter.new,
    ],
)
def test_each_way_takes_keys_and_keywords(make: Any) -> None:
    """All ways to make a transporter take a mapping, keywords, or both."""
    assert make(host="::1").host == "::1"
    both = make({"host": "::1", "keepAlive": True, "port": 25}, keep_alive=False)
    assert (both.host, both.keep_alive, both.port) == ("::1", False, 25)


@pytest.mark.parametrize(
    "make", [SMTPTransporter, SMTPTransporter.new, smtp_new_transporter, AsyncSMTPTransporter]
)
def test_every_option_is_read_back_in_both_spellings(make: Any) -> None:
    """S2, S3: the command, the class function and the class are one; so are the two spellings of a member."""
    transporter = make(EVERY_OPTION)
    assert transporter.send_time_out == transporter.sendTimeOut == 2.5
    assert transporter.authentication_mode is AuthenticationMode.PLAIN
    assert transporter.authenticationMode == "PLAIN"
    assert transporter.header_charset is MailMode.ISO88591
    assert transporter.accept_unsecure_connection is transporter.acceptUnsecureConnection is True
    assert transporter.keepAlive is False
    assert transporter.logFile == "log.txt"
    assert transporter.implicit_tls is True


def test_a_keyword_wins_over_a_key() -> None:
    """Both at once, and None as 4D's null: absent."""
    transporter = SMTPTransporter({**HOST, "port": 25, "user": None}, port=26, send_time_out=None)
    assert (transporter.port, transporter.user, transporter.send_time_out) == (26, None, 100)


def test_members_are_read_only() -> None:
    """S4: in either spelling, with a sentence."""
    transporter: Any = SMTPTransporter(HOST)
    with pytest.raises(AttributeError, match="port is read-only: make another transporter"):
        transporter.port = 25
    with pytest.raises(AttributeError, match="not assignable"):
        transporter.keepAlive = False


@pytest.mark.parametrize(
    "secret", ["password", "access_token_oauth2", "accessTokenOAuth2", "certificate_password"]
)
def test_secrets_are_not_readable(secret: str) -> None:
    """S9, S10: given once, and never seen again."""
    transporter = SMTPTransporter(EVERY_OPTION)
    with pytest.raises(AttributeError, match="can be given to a transporter, and never be read from it"):
        getattr(transporter, secret)
    with pytest.raises(AttributeError, match=r"stays as given|not assignable"):
        setattr(transporter, secret, "another")
    shown = repr(transporter) + str(transporter) + repr(vars(transporter))
    assert not any(value in shown for value in ("hunter2", "t0k3n", "s3cret", "pkcs12"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "host is missing: name the server"),
        ({"host": None}, "host is missing"),
        ({"host": ""}, "host must be a host name or an IP address, not ''"),
        ({"host": "a b"}, "host must be a host name"),
        ({"host": 1}, "host must be text, not 1 (int)"),
        ({"host": "a\r\nb"}, "host must not hold CR, LF or NUL: 'a\\r\\nb'"),
        ({**HOST, "prot": 25}, "there is no server option 'prot' (did you mean 'port'?)"),
        ({**HOST, "keepalive": True}, "there is no server option 'keepalive' (did you mean 'keepAlive'?)"),
        ({**HOST, "keep_alive": True}, "there is no server option 'keep_alive' (did you mean 'keepAlive'?)"),
        ({**HOST, "port": 0}, "port must be from 1 to 65535, not 0"),
        ({**HOST, "port": 65536}, "port must be from 1 to 65535, not 65536"),
        ({**HOST, "port": "25"}, "port must be a whole number from 1 to 65535, not '25' (str)"),
        ({**HOST, "port": True}, "port must be a whole number"),
        ({**HOST, "port": 25.0}, "port must be a whole number"),
        ({**HOST, "user": 5}, "user must be text"),
        ({**HOST, "user": "a\nb", "password": "x"}, "user must not hold CR, LF or NUL"),
        ({**HOST, "user": "me", "password": 5}, "password must be text, not int"),
        (
            {**HOST, "user": "me", "password": "a\r\nb"},
            "password must not hold CR, LF or NUL (its value is not",
        ),
        ({**HOST, "user": "me", "accessTokenOAuth2": {"access_token": "x"}}, "must hold token.access_token"),
        ({**HOST, "user": "me", "accessTokenOAuth2": {"token": {}}}, "must hold token.access_token"),
        (
            {**HOST, "authenticationMode": "PLAN"},
            "authenticationMode cannot be 'PLAN' (did you mean 'PLAIN'?)",
        ),
        (
            {**HOST, "acceptUnsecureConnection": 1},
            "acceptUnsecureConnection must be True or False, not 1 (int)",
        ),
        ({**HOST, "keepAlive": "no"}, "keepAlive must be True or False"),
        ({**HOST, "connectionTimeOut": 0}, "connectionTimeOut must be a number of seconds above 0, not 0"),
        ({**HOST, "connectionTimeOut": math.nan}, "connectionTimeOut must be a number of seconds above 0"),
        ({**HOST, "sendTimeOut": -1}, "sendTimeOut must be a number of seconds above 0, not -1"),
        ({**HOST, "sendTimeOut": "5"}, "sendTimeOut must be a number of seconds, not '5' (str)"),
        ({**HOST, "sendTimeOut": True}, "sendTimeOut must be a number of seconds"),
        ({**HOST, "headerCharset": "UTF-8"}, "headerCharset cannot be 'UTF-8'"),
        ({**HOST, "bodyCharset": 5}, "bodyCharset cannot be 5"),
        ({**HOST, "logFile": 5}, "logFile must be a path, not 5 (int)"),
        ({**HOST, "logFile": ""}, "logFile must be a path, not ''"),
        ({**HOST, "certificate": 5}, "certificate must be a path or bytes (PKCS#12 or PEM), not int"),
        (
            {**HOST, "certificate": b"x", "certificateName": "me"},
            "give certificate or certificateName, not both",
        ),
        ({**HOST, "sslContext": True}, "sslContext must be an ssl.SSLContext, not True (bool)"),
        ({**HOST, "implicitTls": "yes"}, "implicitTls must be True or False"),
    ],
)
def test_every_slip_is_named(options: Any, words: str) -> None:
    """C4: bad input is a `TransporterOptionError` (a `ValueError`) that names the option, at construction."""
    with pytest.raises(TransporterOptionError) as caught:
        SMTPTransporter(options)
    assert words in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_keywords_are_spelled_in_snake_case() -> None:
    """A keyword slip is answered with a keyword."""
    with pytest.raises(TransporterOptionError, match="'sendTimeOut' \\(did you mean 'send_time_out'\\?\\)"):
        SMTPTransporter(host="smtp.example.com", sendTimeOut=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("server", ["smtp.example.com", 5, ["host"]])
def test_a_server_object_is_a_mapping(server: Any) -> None:
    """A text is no server object, and the message says what is."""
    with pytest.raises(TransporterOptionError, match="server must be a mapping of options"):
        SMTPTransporter(server)


def test_the_token_may_be_the_whole_object() -> None:
    """The object of a token service, as it came."""
    token = {
        "token": {"access_token": "t", "expires_in": 3599, "token_type": "Bearer"},
        "tokenExpiration": "…",
    }
    assert SMTPTransporter({**HOST, "user": "me", "accessTokenOAuth2": token}).user == "me"


def test_other_types_that_fit_are_taken() -> None:
    """Enum members, paths, contexts, fractions of seconds."""
    context = ssl.create_default_context()
    transporter = SMTPTransporter(
        host="::1",
        authentication_mode=AuthenticationMode.LOGIN,
        header_charset=MailMode.UTF8,
        log_file=Path("x"),
        ssl_context=context,
        send_time_out=0.5,
    )
    assert transporter.ssl_context is context
    assert (transporter.host, transporter.log_file) == ("::1", Path("x"))


def test_the_repr_says_which_server() -> None:
    """Enough to recognise it by."""
    assert (
        repr(SMTPTransporter(HOST, user="me"))
        == "SMTPTransporter(host='smtp.example.com', port=587, user='me')"
    )
    assert repr(AsyncSMTPTransporter(HOST)) == "AsyncSMTPTransporter(host='smtp.example.com', port=587)"


def test_a_constant_is_its_4d_value() -> None:
    """I2, I3: the enums carry 4D's texts."""
    assert [mode.value for mode in AuthenticationMode] == ["CRAM-MD5", "LOGIN", "PLAIN", "OAUTH2"]
    assert str(AuthenticationMode.PLAIN) == "PLAIN"
    assert {mode.value for mode in MailMode} == {
        "US-ASCII_UTF8_QP",
        "US-ASCII_UTF8_B64",
        "US-ASCII_ISO-2022-JP_UTF8_QP",
        "ISO-8859-1",
    }


def test_a_context_for_servers_is_refused() -> None:
    """At construction, with the way out."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(
        TransporterOptionError, match=r"ssl_context is a context for servers: make one with ssl\.create"
    ):
        SMTPTransporter(host="mx.example.com", ssl_context=context)
