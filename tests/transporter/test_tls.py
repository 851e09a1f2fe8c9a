"""TLS: by port and option, verified, and every bad certificate told apart (I1)."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d import CertificateName, Email, SMTPServer, SMTPTransporter, TLSMode
from pytest_smtp4d.server.keywords import TLSVersion
from pytest_smtp4d.transporter.trust import default_context

if TYPE_CHECKING:
    from pytest_smtp4d import MakeSMTPServer, MakeTransporter

MAIL: Email = {"from": "a@example.com", "to": "b@example.org", "subject": "Secret", "textBody": "x"}

TLS_MODES = ["starttls", "implicit"]


@pytest.mark.parametrize("tls", TLS_MODES)
def test_a_trusted_certificate_is_trusted(
    make_smtp_server: MakeSMTPServer, make_transporter: MakeTransporter, tls: TLSMode
) -> None:
    """The mail goes through TLS 1.2 or later, and the capabilities are asked for anew after STARTTLS."""
    server = make_smtp_server(tls=tls)
    assert make_transporter(server).send(MAIL).success
    session = server.messages.one().session
    assert session.tls is not None
    assert session.tls.version in ("TLSv1.2", "TLSv1.3")
    verbs = [command.verb for command in session.commands]
    assert verbs.count("EHLO") == (2 if tls == "starttls" else 1)


@pytest.mark.parametrize("tls", TLS_MODES)
@pytest.mark.parametrize(
    ("certificate", "code", "words"),
    [
        ("expired", 1201, "certificate has expired"),
        ("not_yet_valid", 1202, "certificate is not yet valid"),
        ("wrong_host", 1203, "is not valid for"),
        ("self_signed", 1204, "self"),
        ("unknown_ca", 1204, "unable to get local issuer certificate"),
        ("no_san", 1203, "is not valid for"),
        ("incomplete_chain", 1204, "unable to get local issuer certificate"),
    ],
)
def test_each_bad_certificate_has_its_own_error(
    make_smtp_server: MakeSMTPServer,
    make_transporter: MakeTransporter,
    tls: TLSMode,
    certificate: CertificateName,
    code: int,
    words: str,
) -> None:
    """Nothing is sent, not even where cleartext would be allowed, and the message says what to check."""
    server = make_smtp_server(tls=tls, certificate=certificate, strict=False)
    status = make_transporter(server, accept_unsecure_connection=True).send(MAIL)
    assert (status.status, status.command, [error["errCode"] for error in status.errors]) == (
        0,
        "TLS",
        [code],
    )
    assert words in status.errors[0]["message"]
    assert not server.messages


@pytest.mark.parametrize("tls", TLS_MODES)
def test_a_name_is_verified(
    make_smtp_server: MakeSMTPServer, make_transporter: MakeTransporter, tls: TLSMode
) -> None:
    """The name localhost is in the certificate, and is asked for by SNI."""
    server = make_smtp_server(tls=tls)
    assert make_transporter(server, host="localhost").send(MAIL).success
    tls_of_session = server.messages.one().session.tls
    assert tls_of_session is not None
    assert tls_of_session.server_name == "localhost"


@pytest.mark.parametrize("tls", TLS_MODES)
def test_the_systems_trust_is_the_default(
    make_smtp_server: MakeSMTPServer, make_transporter: MakeTransporter, tls: TLSMode
) -> None:
    """A CA that the system does not know is refused without an `ssl_context`."""
    server = make_smtp_server(tls=tls)
    status = make_transporter(server, ssl_context=None).check_connection()
    assert [error["errCode"] for error in status.errors] == [1204]
    assert default_context() is default_context()
    assert default_context().hostname_checks_common_name is False
    assert default_context().minimum_version >= ssl.TLSVersion.TLSv1_2
    server.messages.none()


@pytest.mark.parametrize("tls", TLS_MODES)
def test_no_common_version(
    make_smtp_server: MakeSMTPServer, make_transporter: MakeTransporter, tls: TLSMode
) -> None:
    """The server speaks TLS 1.2 alone, the client TLS 1.3 alone."""
    server = make_smtp_server(tls=tls, tls_versions=("TLSv1.2",), strict=False)
    context = server.client_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    status = make_transporter(server, ssl_context=context).check_connection()
    assert [error["errCode"] for error in status.errors] == [1205]
    assert "speak TLS 1.2 or later" in status.status_text


@pytest.mark.parametrize("tls", TLS_MODES)
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_client_certificate_that_is_required(
    make_smtp_server: MakeSMTPServer, make_transporter: MakeTransporter, tls: TLSMode, version: TLSVersion
) -> None:
    """Without one the error says so, in either version of TLS; with one the mail goes."""
    server = make_smtp_server(tls=tls, client_certificate="required", tls_versions=(version,), strict=False)
    status = make_transporter(server, ssl_context=server.client_context()).send(MAIL)
    assert status.status == 0
    assert [error["errCode"] for error in status.errors] == [1206 if version == "TLSv1.3" else 1207]
    assert status.command == "TLS"
    assert make_transporter(server, ssl_context=server.client_context(identity=True)).send(MAIL).success


@pytest.mark.smtp_server(tls="none")
def test_cleartext_needs_permission(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
    """False: an error, and nothing sent. True: the mail goes in clear, since TLS is not on offer."""
    status = make_transporter(accept_unsecure_connection=False).send(MAIL)
    assert [error["errCode"] for error in status.errors] == [1301]
    assert make_transporter(accept_unsecure_connection=True).send(MAIL).success
    assert smtp_server.messages.one().session.tls is None


def test_permission_for_cleartext_is_no_request(
    smtp_server: SMTPServer, make_transporter: MakeTransporter
) -> None:
    """Where TLS is on offer it is used."""
    assert make_transporter(accept_unsecure_connection=True).send(MAIL).success
    assert smtp_server.messages.one().session.tls is not None


def test_a_refused_starttls(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
    """454: the server's own words by default; with permission, cleartext."""
    smtp_server.on("STARTTLS").reply(454, "4.7.0 TLS not available")
    status = make_transporter().send(MAIL)
    assert (status.status, status.command, status.is_transient) == (454, "STARTTLS", True)
    assert make_transporter(accept_unsecure_connection=True).send(MAIL).success


def test_a_stalled_handshake_is_a_time_out(
    smtp_server: SMTPServer, make_transporter: MakeTransporter
) -> None:
    """Bounded by connectionTimeOut, which covers TLS."""
    smtp_server.on("TLS").silence()
    status = make_transporter(connection_time_out=0.3).send(MAIL)
    assert (status.status, status.command) == (0, "TLS")
    assert "connectionTimeOut of 0.3 s is over" in status.errors[0]["message"]


@pytest.mark.parametrize("abort", [False, True])
def test_a_handshake_that_is_cut(
    smtp_server: SMTPServer, make_transporter: MakeTransporter, abort: bool
) -> None:
    """FIN or RST in the middle of it: the connection was lost at TLS."""
    smtp_server.on("TLS").disconnect(abort=abort)
    status = make_transporter().send(MAIL)
    assert (status.status, status.command, [error["errCode"] for error in status.errors]) == (
        0,
        "TLS",
        [1106],
    )


@pytest.mark.parametrize(
    ("options", "implicit"),
    [
        ({"port": 465}, True),
        ({"port": 587}, False),
        ({"port": 25}, False),
        ({"port": 2525}, False),
        ({"port": 465, "implicit_tls": False}, False),
        ({"port": 2525, "implicit_tls": True}, True),
    ],
)
def test_the_port_says_which_tls(options: dict[str, Any], implicit: bool) -> None:
    """I1: 465 is TLS from the first octet; the option overrules."""
    transporter = SMTPTransporter(host="smtp.example.com", **options)
    assert transporter._options.tls_from_the_start is implicit
