"""The plugin's ini values: their names, and how they are read.

pytest is told the names when it starts, and nothing of ours may be imported for that, so they stand here.
What kind of value each setting takes is known to `settings`, which is asked when a value is there. A value
comes as text from an ini file, and in TOML's own types from pytest 9's `[tool.pytest]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Protocol

    class Config(Protocol):
        """pytest's configuration, as far as it is needed here."""

        def getini(self, name: str) -> Any:
            """Return a value as the type says under which its name was declared."""

        @property
        def inicfg(self) -> Any:
            """The values as they stand in the file."""


__all__ = [
    "MEANINGS",
    "PREFIX",
    "SETTINGS",
    "block",
    "checked_settings",
    "flag",
    "gives",
    "seconds",
    "settings",
    "value",
    "words",
]

PREFIX = "smtp4d_"

SETTINGS = (
    "host",
    "port",
    "allow_remote",
    "tls",
    "require_tls",
    "certificate",
    "client_certificate",
    "tls_versions",
    "users",
    "tokens",
    "auth",
    "require_auth",
    "auth_without_tls",
    "size_limit",
    "recipient_limit",
    "extensions",
    "esmtp",
    "greylist",
    "names",
    "connection_limit",
    "message_limit",
    "strict",
    "ignore_violations",
    "fatal_violations",
)
"""Every setting of a server is an ini value, too."""

MEANINGS = {
    "timeout": "seconds that a test with a server may take, by pytest-timeout; 0: no limit (default: 60)",
    "intercept": "true: as --smtp4d-intercept",
    "block": "true (as --smtp4d-block), false or warn",
    "block_allow": "hosts to let through, words `host` or `host:port`",
    "report": "the path of --smtp4d-report, from this file's folder",
    "report_tests": "whose mails the page shows: all (default) or failed",
    "report_limit": "octets of the page (default: 25000000)",
    "report_attachments": "those above 1 MiB: small (default) leaves them out of the page, all keeps them",
    "report_redact": "regular expressions, one a line: what they match is not written",
}
"""The other ini values, and what they are for."""

DEFAULT_TIMEOUT = 60.0
"""Seconds that a test may take which uses a server."""


def value(config: Config, name: str) -> object:
    """Return an ini value, as text or in TOML's own type; None where there is none.

    Args:
        config: of the run.
        name: without the prefix.
    """
    try:
        return config.getini(PREFIX + name)
    except Exception:  # noqa: BLE001 - a value in TOML's own type; each version of pytest raises another error
        stored = getattr(config, "_inicfg", None)  # reading `inicfg` itself warns since pytest 9.1
        native = (config.inicfg if stored is None else stored).get(PREFIX + name)
        return getattr(native, "value", native)


def gives(config: Config, *names: str) -> bool:
    """Return whether the ini file gives one of the values, whatever it is."""
    return any(value(config, name) not in (None, "") for name in names)


def settings(config: Config) -> dict[str, Any]:
    """Return the settings that the ini file gives, as they are meant; what they cannot be is found later."""
    given = {name: found for name in SETTINGS if (found := value(config, name)) not in (None, "")}
    if not given:
        return {}
    from pytest_smtp4d.server.settings import KINDS

    return {name: KINDS[name].from_ini(name, found) for name, found in given.items()}


def checked_settings(config: Config) -> dict[str, Any]:
    """Return the settings that the ini file gives, after a check of what they mean.

    Raises:
        SettingsError: one that cannot be, with the name of its ini value.
    """
    if not gives(config, *SETTINGS):
        return {}
    from pytest_smtp4d.errors import SettingsError
    from pytest_smtp4d.server.settings import ServerSettings

    try:
        given = settings(config)
        ServerSettings.from_mapping(given)
    except SettingsError as error:
        raise SettingsError(f"ini: {PREFIX}{error}") from None
    return given


def seconds(config: Config) -> float:
    """Return how long a test may take that uses a server; 0: no limit.

    Raises:
        SettingsError: what is no number of seconds.
    """
    given = value(config, "timeout")
    if given in (None, ""):
        return DEFAULT_TIMEOUT
    number = -1.0
    if isinstance(given, (str, int, float)) and not isinstance(given, bool):
        try:
            number = float(given)
        except ValueError:
            number = -1.0
    if not 0 <= number < float("inf"):
        from pytest_smtp4d.errors import SettingsError

        raise SettingsError(f"ini: smtp4d_timeout is {given!r}: give a number of seconds, or 0 for no limit")
    return number


def flag(config: Config, name: str) -> bool:
    """Return an ini value that is true or false; without one, False.

    Raises:
        SettingsError: it is neither.
    """
    given = _truth(value(config, name))
    if not isinstance(given, bool):
        from pytest_smtp4d.errors import SettingsError

        raise SettingsError(f"ini: {PREFIX}{name} is true or false, not {given!r}")
    return given


def block(config: Config) -> object:
    """Return what the ini says of blocking mail: True, False, or a text to be checked."""
    return _truth(value(config, "block"))


def _truth(given: object) -> object:
    """Return the truth value that an ini value means; what means none, as it is."""
    if given in (None, ""):
        return False
    from pytest_smtp4d.server.kinds import Boolean

    return Boolean().from_ini("", given)


def words(config: Config, name: str) -> tuple[str, ...]:
    """Return an ini value that is several words; without one, none.

    Raises:
        SettingsError: it is none.
    """
    given = value(config, name)
    if given in (None, ""):
        return ()
    if isinstance(given, str):
        return tuple(given.split())
    if not isinstance(given, list) or not all(isinstance(word, str) for word in given):
        from pytest_smtp4d.errors import SettingsError

        raise SettingsError(f"ini: {PREFIX}{name} is several words, not {given!r}")
    return tuple(given)
