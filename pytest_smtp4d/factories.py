"""Factories of servers and transporters, as fixtures hand them out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    import pytest
    from typing_extensions import Unpack

    from pytest_smtp4d.server.keywords import SettingsDict
    from pytest_smtp4d.server.server import SMTPServer
    from pytest_smtp4d.transporter.options import TransporterOptions
    from pytest_smtp4d.transporter.transporter import SMTPTransporter

__all__ = ["MakeSMTPServer", "MakeTransporter", "server_maker", "transporter_maker"]


class MakeSMTPServer(Protocol):
    """What `make_smtp_server` and `smtp_server_factory` are: settings in, a running server out.

    Example:
        >>> def test_two_servers(make_smtp_server: MakeSMTPServer) -> None:
        ...     first, second = make_smtp_server(), make_smtp_server(tls="implicit", certificate="expired")
    """

    def __call__(self, **settings: Unpack[SettingsDict]) -> SMTPServer:
        """Start a server."""
        ...


class MakeTransporter(Protocol):
    """What `make_transporter` is: a server (default: `smtp_server`) and options in, a transporter out.

    Example:
        >>> def test_plain_login(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
        ...     smtp_server.configure(users={"ada": "secret"})
        ...     assert make_transporter(authentication_mode="PLAIN").check_connection()
    """

    def __call__(
        self, server: SMTPServer | None = None, **options: Unpack[TransporterOptions]
    ) -> SMTPTransporter:
        """Make a transporter; nothing is opened."""
        ...


def server_maker(defaults: Mapping[str, Any], stack: ExitStack) -> MakeSMTPServer:
    """Return a factory of running servers, all of which `stack` stops."""

    def make(**settings: Unpack[SettingsDict]) -> SMTPServer:
        from pytest_smtp4d.server.server import SMTPServer

        merged: dict[str, Any] = {**defaults, **settings}
        return stack.enter_context(SMTPServer(**merged))

    return make


def transporter_maker(request: pytest.FixtureRequest, stack: ExitStack) -> MakeTransporter:
    """Return a factory of transporters, all of which `stack` closes, if nothing did before.

    Args:
        request: of the fixture; the default server is its `smtp_server`.
        stack: closed when the fixture is torn down.
    """

    def make(server: SMTPServer | None = None, **options: Unpack[TransporterOptions]) -> SMTPTransporter:
        from pytest_smtp4d.transporter.options import Given
        from pytest_smtp4d.transporter.transporter import SMTPTransporter

        given: Any = Given(server=None, keywords=options)
        del options  # a traceback shows what stands in a frame, and this holds secrets
        if server is None:
            server = request.getfixturevalue("smtp_server")
        if not hasattr(server, "client_options"):
            from pytest_smtp4d.errors import SettingsError

            raise SettingsError(f"make_transporter takes a server of ours first, not {type(server).__name__}")
        times = {"connection_time_out": 2, "send_time_out": 5}
        given["keywords"] = {**times, **server.client_options(), **given["keywords"]}
        transporter = SMTPTransporter(given)
        stack.callback(transporter.close)
        with suppress(AssertionError):  # the test is being torn down, and takes no finalizer any more
            # The last finalizer that is added is the first to run: before the server stops.
            request.node.addfinalizer(transporter.close)
        return transporter

    return make
