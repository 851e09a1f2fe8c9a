from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def failed_tests(pytester: pytest.Pytester, *arguments: str) -> set[str]:
    """Run the tests of the outbox with the careless one in its place; return those that failed."""
    shutil.copy(EXAMPLES / "outbox.py", pytester.path)
    source = (EXAMPLES / "test_outbox.py").read_text(encoding="utf-8")
    careless = source.replace("import Account, Outbox", "import Account, CarelessOutbox as Outbox")
    assert careless != source
    pytester.makepyfile(test_outbox=careless)
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:asyncio", "-rfE", *arguments)
    return set(re.findall(r"^(?:FAILED|ERROR) test_outbox\.py::(\S+)", result.stdout.str(), re.MULTILINE))


def test_plain_tests_miss_the_planted_bug(pytester: pytest.Pytester) -> None:
    """The careless outbox passes every test that is not swept, and the sweep's undisturbed item."""
    assert failed_tests(pytester, "-k", "not lost or undisturbed") == set()


def test_the_sweep_finds_the_planted_bug(pytester: pytest.Pytester) -> None:
    """The careless outbox sends twice when QUIT fails after the message was accepted: the sweep shows it."""
    swept = "test_nothing_is_lost_and_nothing_is_sent_twice"
    kinds = ("refuse-for-now", "refuse-for-good", "garbage")
    assert failed_tests(pytester, "-k", "lost and (QUIT or MAIL)") == {
        f"{swept}[QUIT-{kind}]" for kind in kinds
    }
