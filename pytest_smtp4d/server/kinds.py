"""The kinds of settings: what a value may be, and how it is written in an ini file and on a command line.

One object for each kind. A new setting names its kind in `settings`, and can then be written everywhere.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Protocol

from pytest_smtp4d.errors import LocalProtocolError, SettingsError
from pytest_smtp4d.words import nearest

__all__ = ["Accounts", "Boolean", "HostNames", "Kind", "Number", "OneOf", "SeveralOf", "Text"]

# A name, with a wildcard for its first label at most; or an IPv4 or IPv6 address.
_HOST_NAME = re.compile(r"(\*\.)?[\w-]+(\.[\w-]+)*\.?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")


class Kind(Protocol):
    """A kind of setting."""

    @property
    def written(self) -> str:
        """How a person writes it there."""

    def check(self, name: str, value: object) -> object:
        """Return the value to keep; raises `SettingsError`, which names the setting."""

    def from_ini(self, name: str, value: Any) -> object:
        """Return the value that an ini file means; what it cannot mean is left for `check`."""

    def option(self) -> Mapping[str, Any]:
        """Return the keywords of `argparse` for its option on a command line."""


_TRUTH = {
    **dict.fromkeys(("1", "yes", "true", "on"), True),
    **dict.fromkeys(("0", "no", "false", "off"), False),
}


class Boolean:
    """True or False; with `derived`, None too: it then follows from other settings."""

    written = "`true` or `false`"

    def __init__(self, derived: bool = False) -> None:
        self.derived = derived

    def check(self, name: str, value: object) -> bool | None:
        """Return the value."""
        if value is None and self.derived:
            return None
        if not isinstance(value, bool):
            raise SettingsError(f"{name} is True or False, not {value!r}")
        return value

    def from_ini(self, _: str, value: object) -> object:
        """Return the truth value that a text means; what means none, as it is."""
        return _TRUTH.get(value.strip().lower(), value) if isinstance(value, str) else value

    def option(self) -> Mapping[str, Any]:
        """`--name` and `--no-name`."""
        return {"action": argparse.BooleanOptionalAction}


class Text:
    """A text that is not empty."""

    written = "as it is"

    def check(self, name: str, value: object) -> str:
        """Return the value."""
        if not isinstance(value, str) or not value:
            raise SettingsError(f"{name} is a text such as '127.0.0.1', not {value!r}")
        return value

    def from_ini(self, _: str, value: object) -> object:
        """Return the value."""
        return value

    def option(self) -> Mapping[str, Any]:
        """A text."""
        return {"type": str}


class Number:
    """A number, or None where that is allowed.

    Args:
        unit: what it counts, "octets"; with "seconds" it need not be whole.
        lowest, highest: the range; no `highest`: any.
        optional: whether it may be None.
    """

    written = "a number"

    def __init__(self, unit: str, lowest: int, highest: int | None = None, *, optional: bool = True) -> None:
        self.unit, self.lowest, self.highest, self.optional = unit, lowest, highest, optional

    def check(self, name: str, value: object) -> float | None:
        """Return the value."""
        if value is None and self.optional:
            return None
        kinds: tuple[type, ...] = (int, float) if self.unit == "seconds" else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise SettingsError(f"{name} is a {self._words}, not {value!r}")
        assert isinstance(value, (int, float))
        highest = float("inf") if self.highest is None else self.highest
        if not self.lowest <= value <= highest or value == float("inf"):
            if self.unit == "seconds":
                raise SettingsError(f"{name} is a {self._words}, not {value!r}")
            above = f"at least {self.lowest}" if self.highest is None else f"{self.lowest} to {self.highest}"
            raise SettingsError(f"{name} {value} is out of range: {above}")
        return value

    @property
    def _words(self) -> str:
        if self.unit == "seconds":
            return "number of seconds, 0 or more"
        return "whole number, 0 to let the system choose" if self.unit == "port" else f"number of {self.unit}"

    def from_ini(self, _: str, value: object) -> object:
        """Return the number that a text is, or the text."""
        if not isinstance(value, str):
            return value
        try:
            return float(value) if "." in value else int(value)
        except ValueError:
            return value

    def option(self) -> Mapping[str, Any]:
        """A number."""
        return {"type": float if self.unit == "seconds" else int}


class OneOf:
    """One of several names."""

    written = "as it is"

    def __init__(self, known: tuple[str, ...]) -> None:
        self.known = known

    def check(self, name: str, value: object) -> str:
        """Return the value."""
        if not isinstance(value, str):
            raise SettingsError(f"{name} is one of {', '.join(map(repr, self.known))}, not {value!r}")
        if value not in self.known:
            raise SettingsError(f"{name} cannot be {value!r}{nearest(value, self.known)}")
        return value

    def from_ini(self, _: str, value: object) -> object:
        """Return the value."""
        return value

    def option(self) -> Mapping[str, Any]:
        """One of the names."""
        return {"choices": self.known}


class SeveralOf:
    """Several names, in the order given, spelled as they are known, each once.

    Args:
        names: returns the names that are known; called when a value is checked.
        optional: whether it may be None: it then follows from other settings, or from the interpreter.
        all_by: a name that stands for all of them, alone or in a list; "" where there is none.
        also: looks at the names that were chosen and returns those to keep; raises `SettingsError`.
        elsewhere: names that are known, but belong to another setting.
    """

    written = "words parted by blanks"

    def __init__(
        self,
        names: Callable[[], Sequence[str]],
        *,
        optional: bool = False,
        all_by: str = "",
        also: Callable[[str, tuple[str, ...]], tuple[str, ...]] | None = None,
        elsewhere: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.names, self.optional, self.all_by = names, optional, all_by
        self.also, self.elsewhere = also, elsewhere

    def check(self, name: str, value: object) -> tuple[str, ...] | None:
        """Return the names."""
        if value is None and self.optional:
            return None
        if not value and isinstance(value, tuple | list | set | frozenset):
            return () if self.also is None else self.also(name, ())
        known = tuple(self.names())
        if self.all_by and value in (self.all_by, (self.all_by,), [self.all_by]):
            return known
        if not isinstance(value, tuple | list | set | frozenset):
            raise SettingsError(f"{name} is a tuple of names such as ({known[0]!r},), not {value!r}")
        spelled = {one.casefold(): one for one in known}
        chosen: dict[str, None] = {}
        for one in sorted(value, key=str) if isinstance(value, set | frozenset) else value:
            if not isinstance(one, str):
                raise SettingsError(f"{name} holds {one!r}, which is no name")
            if one.casefold() not in spelled:
                raise SettingsError(f"{name} cannot hold {one!r}{self._hint(one, known)}")
            chosen[spelled[one.casefold()]] = None
        return tuple(chosen) if self.also is None else self.also(name, tuple(chosen))

    def _hint(self, one: str, known: Sequence[str]) -> str:
        other = self.elsewhere.get(one.upper())
        return f" ({one.upper()} follows from the setting {other!r})" if other else nearest(one, known)

    def from_ini(self, _: str, value: object) -> object:
        """Return the words as a tuple."""
        if isinstance(value, str):
            return value if value == "*" else tuple(value.split())
        return tuple(value) if isinstance(value, list) else value

    def option(self) -> Mapping[str, Any]:
        """Names parted by commas."""
        return {"metavar": "NAME,…", "type": _names_of}


class HostNames:
    """Host names, also with a wildcard ("*.shop.example"), and IP addresses."""

    written = "words parted by blanks"

    def check(self, name: str, value: object) -> tuple[str, ...]:
        """Return the names, each once."""
        if isinstance(value, str) or not isinstance(value, tuple | list | set | frozenset):
            raise SettingsError(f"{name} is a tuple of names such as ('mail.example.com',), not {value!r}")
        for one in value:
            if not isinstance(one, str) or not _HOST_NAME.fullmatch(one):
                raise SettingsError(f"{name} holds {one!r}, which is no host name and no IP address")
        return tuple(dict.fromkeys(sorted(value) if isinstance(value, set | frozenset) else value))

    def from_ini(self, _: str, value: object) -> object:
        """Return the words as a tuple."""
        if isinstance(value, str):
            return value if value == "*" else tuple(value.split())
        return tuple(value) if isinstance(value, list) else value

    def option(self) -> Mapping[str, Any]:
        """Names parted by commas."""
        return {"metavar": "NAME,…", "type": _names_of}


def _names_of(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


class Accounts:
    """Users, each with a secret.

    Args:
        secret: what the secret is, "password".
        anybody: whether "*" stands for anybody.
    """

    written = "lines `user: secret`"

    def __init__(self, secret: str, *, anybody: bool = False) -> None:
        self.secret, self.anybody = secret, anybody

    def check(self, name: str, value: object) -> Mapping[str, str] | str:
        """Return the accounts; no error shows a secret."""
        if self.anybody and isinstance(value, str) and value == "*":
            return value
        if not isinstance(value, Mapping):
            what = f"{name} maps each user to its {self.secret}"
            or_all = ", or is '*' for anybody" if self.anybody else ""
            raise SettingsError(f"{what}{or_all}; it is no {type(value).__name__}")
        for user, word in value.items():
            if not isinstance(user, str) or not user:
                raise SettingsError(f"{name} holds the user {user!r}: a user is a text that is not empty")
            if not isinstance(word, str):
                raise SettingsError(
                    f"{name}: the {self.secret} of {user!r} is a text, not a {type(word).__name__}"
                )
            self._check_preparation(name, user, word)
        return MappingProxyType(dict(value))

    def _check_preparation(self, name: str, user: str, word: str) -> None:
        """Refuse what no client can log in with: what SASLprep forbids (RFC 4013)."""
        if user.isascii() and user.isprintable() and word.isascii() and word.isprintable():
            return
        from pytest_smtp4d.smtp.sasl import prepared

        try:
            prepared(user)
            prepared(word)
        except LocalProtocolError:
            raise SettingsError(
                f"{name}: {user!r} or its {self.secret} holds a character that no login carries (RFC 4013)"
            ) from None

    def from_ini(self, name: str, value: object) -> object:
        """Return the accounts that lines give; a line without a colon is a `SettingsError`.

        A table of `[tool.pytest.ini_options]` comes as the text that Python prints for it.
        """
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            with suppress(ValueError, SyntaxError):
                value = ast.literal_eval(value.strip())
        if isinstance(value, str):
            value = [line.strip() for line in value.splitlines() if line.strip()]
        if not isinstance(value, list):
            return value
        if value == ["*"]:
            return "*"
        return dict(self._account(name, line, ":") for line in value)

    def option(self) -> Mapping[str, Any]:
        """One account an option."""
        return {
            "action": "append",
            "metavar": f"NAME={self.secret.upper().replace(' ', '-')}",
            "type": str,
        }

    def from_options(self, name: str, texts: Sequence[str]) -> object:
        """Return the accounts that options give; one without "=" is a `SettingsError`."""
        if self.anybody and "*" in texts:
            return "*"
        return dict(self._account(name, text, "=") for text in texts)

    @staticmethod
    def _account(name: str, line: object, mark: str) -> tuple[str, str]:
        if not isinstance(line, str):  # TOML has lists of anything
            kind = type(line).__name__
            raise SettingsError(f"{name} holds an account of type {kind}: write the text `user: secret`")
        user, found, secret = line.partition(mark)
        if not found:
            # The line may be a secret that lost its user, so it is not shown.
            written = "user: secret" if mark == ":" else "user=secret"
            raise SettingsError(f"{name} has an account without {mark!r}: write `{written}`")
        return user.strip(), secret.strip() if mark == ":" else secret
