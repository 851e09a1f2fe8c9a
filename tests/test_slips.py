from __future__ import annotations

import pytest

from pytest_smtp4d.server.server import SMTPServer
from pytest_smtp4d.transporter.transporter import SMTPTransporter
from tests.records.test_expect import message as received


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("tls", "implicit", "settings are not assigned: use configure(tls='implicit')"),
        ("users", {"ada": "secret"}, "settings are not assigned: use configure(users=…)"),
        ("size_limt", 5, "'size_limt' to assign (did you mean 'size_limit'?); settings: configure()"),
        ("hostname", "x", "no attribute 'hostname' to assign: it is `server.host` here"),
    ],
)
def test_assigning_to_a_server_says_what_to_call(
    smtp_server: SMTPServer, name: str, value: object, words: str
) -> None:
    """What would have no effect is an AttributeError, and no secret is in it."""
    with pytest.raises(AttributeError) as error:
        setattr(smtp_server, name, value)
    assert words in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("name", ["host", "port", "messages", "settings"])
def test_what_is_read_only_stays_so(smtp_server: SMTPServer, name: str) -> None:
    """A property of the server is not replaced either."""
    with pytest.raises(AttributeError):
        setattr(smtp_server, name, "x")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hostname", ": it is `server.host` here"),
        ("addr", ": it is `server.address` here"),
        ("outbox", ": it is `server.messages` here"),
        ("mesages", " (did you mean 'messages'?)"),
    ],
)
def test_reading_other_harnesses_names_of_a_server(smtp_server: SMTPServer, name: str, words: str) -> None:
    """An AttributeError says what it is called here."""
    with pytest.raises(AttributeError) as error:
        getattr(smtp_server, name)
    assert str(error.value) == f"'SMTPServer' object has no attribute {name!r}{words}"


def test_what_a_property_raises_is_its_own() -> None:
    """A port that is not there yet keeps its own words."""
    with pytest.raises(RuntimeError, match="no port before it is started"):
        SMTPServer().port  # noqa: B018 - the property raises


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sender", ": it is `message.mail_from` here"),
        ("body", ": it is `message.text_body` here"),
        ("subjct", " (did you mean 'subject'?)"),
    ],
)
def test_slips_on_a_message(name: str, words: str) -> None:
    """Reading says what it is called here; assigning what does not exist is refused as well."""
    message = received()
    with pytest.raises(AttributeError) as error:
        getattr(message, name)
    assert str(error.value) == f"'ReceivedMessage' object has no attribute {name!r}{words}"
    with pytest.raises(AttributeError) as error:
        setattr(message, name, "x")
    assert str(error.value) == f"'ReceivedMessage' object has no attribute {name!r} to assign{words}"


@pytest.mark.parametrize(("name", "meant"), [("send_timeout", "send_time_out"), ("timeout", "stay as given")])
def test_assigning_to_a_transporter_names_the_option(
    transporter: SMTPTransporter, name: str, meant: str
) -> None:
    """A time-out that was only believed to be set is an error that names the option."""
    with pytest.raises(AttributeError, match=meant):
        setattr(transporter, name, 3)


@pytest.mark.parametrize(
    ("name", "meant"), [("hostname", "host"), ("username", "user"), ("timeout", "send_time_out")]
)
def test_reading_other_clients_names_of_a_transporter(
    transporter: SMTPTransporter, name: str, meant: str
) -> None:
    """An AttributeError names the member."""
    with pytest.raises(AttributeError, match=f"did you mean '{meant}'"):
        getattr(transporter, name)
