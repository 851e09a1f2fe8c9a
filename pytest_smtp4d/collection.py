"""What is decided about tests when they are collected: which marks are theirs, and which could not act.

It looks at pytest's items from outside and imports nothing that a run without mail would pay for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pytest

__all__ = [
    "is_ours",
    "is_swept",
    "marks_of",
    "own_marks_of",
    "reaches_a_server",
    "request_early",
    "without_server",
    "wrong",
]

PLUGIN = "pytest_smtp4d.plugin"
INTERCEPT_MARKS = ("smtp_intercept", "smtp_block")

SERVER_MARKS = ("smtp_server", "smtp_fault", "smtp_sweep")
"""Marks that act on a server."""

OUR_MARKS = frozenset((*SERVER_MARKS, *INTERCEPT_MARKS, "smtp_injection"))
"""All marks of ours."""

SERVER_FIXTURES = (
    "make_smtp_server",
    "make_transporter",
    "smtp_django",
    "smtp_intercept",
    "smtp_server",
    "smtp_server_factory",
    "transporter",
)
"""Fixtures of ours whose tests use a server."""


_checked: list[pytest.Mark] = []
"""The marks that were checked last, and found right."""


def marks_of(item: pytest.Item) -> list[pytest.Mark]:
    """Return the marks of a test that act on a server, the closest first (a parameter's, its function's)."""
    return _of_server(item, item.iter_markers())


def _of_server(item: pytest.Item, every: Iterable[pytest.Mark]) -> list[pytest.Mark]:
    marks = [mark for mark in every if mark.name in SERVER_MARKS]
    of_parameters = getattr(getattr(item, "callspec", None), "marks", ())
    return sorted(marks, key=lambda mark: mark not in of_parameters)


def own_marks_of(item: pytest.Item) -> list[pytest.Mark]:
    """Return those that stand on the test itself, and not on its class or module."""
    return [mark for mark in item.own_markers if mark.name in SERVER_MARKS]


def wrong(item: pytest.Item, *, intercepts_all: bool) -> str:
    """Return why the marks of a test could not act, or "".

    Args:
        item: the test.
        intercepts_all: whether every test of the run has a server.
    """
    marks = [mark for mark in item.iter_markers() if mark.name in OUR_MARKS]
    if not marks:
        return ""
    from pytest_smtp4d.errors import SettingsError

    try:
        return _wrong(item, marks, intercepts_all=intercepts_all)
    except SettingsError as error:
        return str(error)


def _wrong(item: pytest.Item, ours: list[pytest.Mark], *, intercepts_all: bool) -> str:
    from pytest_smtp4d.server.marker import check, sweep_of

    fixture_names = getattr(item, "fixturenames", ())
    names = {mark.name for mark in ours}
    if not names.isdisjoint(INTERCEPT_MARKS):
        from pytest_smtp4d.intercept.marks import blocks, redirected

        redirected(ours)
        blocks(ours)
    if "smtp_injection" in names:
        from pytest_smtp4d.faults.injection import injection_of

        injection_of(ours, fixture_names)
    marks = _of_server(item, ours)
    if marks != _checked:  # the items of one test have the same
        check(marks)
        _checked[:] = marks
    if sweep_of(marks) is None:
        return ""
    if "smtp_server" not in fixture_names and not intercepts_all:
        return "smtp_sweep: the test does not use the fixture smtp_server: request it"
    if not is_swept(item):
        return "smtp_sweep: it stands on a function, a class or a module, not on a parameter or in a TestCase"
    return ""


def request_early(item: pytest.Item, fixture: str) -> None:
    """Let an item request a function-scoped fixture before its others; the names are sorted by scope."""
    names: list[str] = item.fixturenames  # type: ignore[attr-defined] # what has _fixtureinfo has it
    definitions = _definitions(item)
    if fixture in names:
        names.remove(fixture)
    wider = (name for name in names if name in definitions and definitions[name][-1].scope != "function")
    names.insert(sum(1 for _ in wider), fixture)


def _definitions(item: pytest.Item) -> dict[str, Sequence[pytest.FixtureDef[Any]]]:
    """Return the fixtures that a test reaches by name, each with those it overrides, the closest last."""
    info = getattr(item, "_fixtureinfo", None)
    return {} if info is None else info.name2fixturedefs


def is_swept(item: pytest.Item) -> bool:
    """Return whether a test is an item of a sweep."""
    return "_smtp_markers" in getattr(getattr(item, "callspec", None), "params", ())


def is_ours(item: pytest.Item, fixture: str) -> bool:
    """Return whether a test gets the fixture of that name from us, and from nobody who overrides it."""
    definitions = _definitions(item).get(fixture, ())
    return len(definitions) > 0 and _is_of_plugin(definitions[-1])


def _is_of_plugin(definition: pytest.FixtureDef[Any]) -> bool:
    return getattr(definition.func, "__module__", "") == PLUGIN


def reaches_a_server(item: pytest.Item) -> bool:
    """Return whether a test's fixtures come to one of ours; bearing such a name is not enough."""
    definitions = _definitions(item)
    pending = [(name, -1) for name in getattr(item, "fixturenames", ())]
    seen: set[tuple[str, int]] = set()
    while pending:
        name, index = pending.pop()
        chain = definitions.get(name, ())
        if (name, index) in seen or -index > len(chain):
            continue
        seen.add((name, index))
        definition = chain[index]
        if name in SERVER_FIXTURES and _is_of_plugin(definition):
            return True
        # A fixture that asks for its own name gets the one that it overrides.
        pending += [(other, index - 1 if other == name else -1) for other in definition.argnames]
    return False


def without_server(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, str]]:
    """Yield the tests below a class or module whose marks act on none of its tests, and the words."""
    asked: dict[tuple[int, str], bool] = {}
    below: dict[tuple[int, str], list[pytest.Item]] = {}
    for item in items:
        for node, mark in item.iter_markers_with_node():
            if node is item or mark.name not in SERVER_MARKS:
                continue
            key = (id(node), mark.name)
            below.setdefault(key, []).append(item)
            asked[key] = asked.get(key, False) or reaches_a_server(item) or "smtp_server" in _names(item)
    for (_, name), tests in below.items():
        if not asked[_, name]:
            for item in tests:
                yield (
                    item,
                    f"{name} stands on a class or module in which no test uses the fixture smtp_server",
                )


def _names(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())
