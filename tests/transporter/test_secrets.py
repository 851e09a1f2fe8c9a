"""No secret is the value of a local variable that a traceback can show (`pytest --showlocals`)."""

from __future__ import annotations

import base64
import itertools
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._io.saferepr import saferepr

from pytest_smtp4d import Mechanism, SMTPTransporter, TLSMode, TransporterOptionError, smtp_new_transporter
from tests.transporter.interruption import PACKAGE, Strike

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_smtp4d import MakeSMTPServer

PASSWORD = "geheimnis-0815"
TOKEN = "ya29.token-4711"
FORMS = {
    form
    for secret in (PASSWORD, TOKEN)
    for form in (
        secret,
        # base64, at each of the three places that it can have in a group
        *(base64.b64encode(b"x" * shift + secret.encode())[4:-4].decode() for shift in range(3)),
    )
}


def shown(error: BaseException | None) -> Iterator[str]:
    """Yield what a report can show of an exception and its causes: words, and locals of our frames."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        todo += [one.__cause__, one.__context__]
        yield f"{one!r} {one}"
        for frame, line in traceback.walk_tb(one.__traceback__):
            if frame.f_code.co_filename.startswith(PACKAGE):
                where = f"{frame.f_code.co_filename}:{line}"
                yield from (
                    f"{where}: {name} = {saferepr(value, maxsize=100_000)}"
                    for name, value in frame.f_locals.items()
                )


def leaks(error: BaseException | None) -> list[str]:
    """Return what of it holds a secret."""
    return [text for text in shown(error) if any(form in text for form in FORMS)]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # struck before it had a name
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("mechanism", "secret"),
    [
        ("PLAIN", {"password": PASSWORD}),
        ("LOGIN", {"password": PASSWORD}),
        ("CRAM-MD5", {"password": PASSWORD}),
        ("SCRAM-SHA-256", {"password": PASSWORD}),
        ("XOAUTH2", {"access_token_oauth2": TOKEN}),
        ("OAUTHBEARER", {"access_token_oauth2": TOKEN}),
    ],
)
@pytest.mark.parametrize("tls", ["none", pytest.param("implicit", marks=pytest.mark.slow)])
def test_no_frame_of_a_login_shows_a_secret(
    make_smtp_server: MakeSMTPServer, mechanism: Mechanism, secret: dict[str, str], tls: TLSMode
) -> None:
    """Struck at any line, from the making of the transporter to the end of the login."""
    server = make_smtp_server(
        tls=tls, users={"me": PASSWORD}, tokens={"me": TOKEN}, auth=(mechanism,), strict=False
    )
    options: dict[str, Any] = {
        **server.client_options(),
        "password": None,
        "access_token_oauth2": None,
        **secret,
    }
    struck = 0
    for at in itertools.count(1):
        made: list[SMTPTransporter] = []

        def log_in(made: list[SMTPTransporter] = made) -> None:
            made.append(SMTPTransporter(**options))
            assert made[0].check_connection().command == "AUTH"

        strike = Strike(at, opcodes=False, rooms=("transporter/", "smtp/", "tls.py"))
        interrupt = strike.call(log_in)
        for transporter in made:
            transporter.close()
        if interrupt is None:
            break
        struck += 1
        # What the caller gave is a plain dict until our first line has wrapped it.
        assert [leak for leak in leaks(interrupt) if ": options = {" not in leak] == []
    assert struck > 100


@pytest.mark.parametrize(
    "wrong",
    [
        ("x",),
        ({"host": "mx.example.com", "password": PASSWORD, "prot": 25},),
        ({"host": "mx.example.com", "accessTokenOAuth2": TOKEN, "port": "25"},),
        ({"accessTokenOAuth2": {"token": {"access_token": TOKEN}}},),
        ({"host": "mx.example.com", "accessTokenOAuth2": {"access_token": TOKEN}},),
        ({"host": "mx.example.com", "accessTokenOAuth2": TOKEN + "\n"},),
        ({"host": "mx.example.com", "certificatePassword": PASSWORD.encode()},),
        (),
    ],
)
@pytest.mark.parametrize("make", [SMTPTransporter, SMTPTransporter.new, smtp_new_transporter])
def test_a_refused_option_does_not_show_the_others(make: Any, wrong: tuple[Any, ...]) -> None:
    """Whatever is wrong, and however a transporter is made."""
    with pytest.raises(TransporterOptionError) as caught:
        make(*wrong, password=PASSWORD)
    assert leaks(caught.value) == []


@pytest.mark.parametrize("password", [PASSWORD + "\0", PASSWORD.encode(), [PASSWORD]])
def test_a_refused_secret_is_not_shown(password: Any) -> None:
    """Its name and what is wrong with it are enough."""
    with pytest.raises(TransporterOptionError, match="password must") as caught:
        SMTPTransporter(host="mx.example.com", password=password)
    assert leaks(caught.value) == []
