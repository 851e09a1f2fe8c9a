"""User code as a type checker sees it: mypy fails on this file when a type of the public surface is lost.

Each `type: ignore` names an error that *must* be there: `warn_unused_ignores` is on. The lines of
`typing_cases` are held against mypy and pyright as of the oldest Python that we support.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_smtp4d import (
    AsyncSMTPTransporter,
    Email,
    ReceivedMessage,
    Reply,
    SMTPServer,
    SMTPTransporter,
    Status,
    mail_convert_from_mime,
    mail_convert_to_mime,
    mail_new_attachment,
    smtp_new_transporter,
)
from tests.typing_cases import HEAD, PARAMETERS, RIGHT, WRONG

if TYPE_CHECKING:
    from pytest_smtp4d import MakeSMTPServer, MakeTransporter

Errors = Mapping[int, str]
"""Number of a line -> what a checker says of it."""


def test_names_and_types_of_a_whole_test(
    smtp_server: SMTPServer,
    transporter: SMTPTransporter,
    make_smtp_server: MakeSMTPServer,
    make_transporter: MakeTransporter,
) -> None:
    """A test like any user's: every value has its type, none is Any."""
    mail: Email = {"from": "a@example.com", "to": ["b@example.org"], "subject": "Hi", "textBody": "x"}
    mail["attachments"] = [mail_new_attachment(b"data", "data.bin")]
    status: Status = transporter.send(mail)
    code: int = status.status
    refused: Reply | None = status.refused.get("b@example.org")
    message: ReceivedMessage = smtp_server.messages.one(subject="Hi")
    name: str = message.attachments[0].name
    fault = smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user").optional()
    other: SMTPServer = make_smtp_server(tls="none")
    second: SMTPTransporter = make_transporter(other, keep_alive=False)
    parsed: Email = mail_convert_from_mime(mail_convert_to_mime(mail))
    assert (code, refused, name, fault.hits) == (250, None, "data.bin", 0)
    assert second.send(parsed).success
    assert smtp_new_transporter({"host": other.host}).port == 587


def test_4ds_spelling_is_for_the_run_time(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """It works, and a type checker still shows every slip."""
    assert transporter.keepAlive is True  # type: ignore[attr-defined]
    status = transporter.checkConnection()  # type: ignore[attr-defined]
    assert status.statusText == status.status_text
    assert transporter.check_connection().statusText  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        transporter.prot  # type: ignore[attr-defined] # noqa: B018
    with pytest.raises(AttributeError):
        transporter.port = 25  # type: ignore[assignment]
    assert smtp_server.messages.none()


async def test_the_awaited_types(smtp_server: SMTPServer) -> None:
    """The same members, awaited."""
    async with AsyncSMTPTransporter(**smtp_server.client_options()) as transporter:
        status: Status = await transporter.send({"from": "a@example.com", "to": "b@example.org"})
    assert status.raise_for_status() is status


CASES = (*WRONG, *RIGHT)


def case_function(number: int, line: str) -> str:
    """Return one line of user code in a function of its own."""
    word = "async def" if "await " in line else "def"
    note = "  # pyright: ignore[reportUnusedFunction]" if line.startswith("def ") else ""
    return f"{word} case_{number}({PARAMETERS}) -> None:\n    {line}{note}\n"


def line_of(case: str) -> int:
    """Return the number of a case's line in the file of all cases."""
    return HEAD.count("\n") + 2 * CASES.index(case) + 2


@pytest.fixture(scope="session")
def user_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file of all cases."""
    folder = tmp_path_factory.mktemp("user_code")
    functions = [case_function(number, line) for number, line in enumerate(CASES)]
    (folder / "cases.py").write_text(HEAD + "".join(functions), encoding="utf-8")
    settings = {"strict": ["."], "pythonVersion": "3.10"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def required(checker: str) -> None:
    """Skip without a checker, or fail where it is required."""
    if find_spec(checker) is not None:
        return
    if os.environ.get("SMTP4D_REQUIRE_CHECKERS") == "1":
        pytest.fail(f"{checker} is not installed (SMTP4D_REQUIRE_CHECKERS is set)", pytrace=False)
    pytest.skip(f"{checker} is not installed: pip install -e '.[lint]'")


def run_checker(folder: Path, *arguments: str) -> str:
    """Run a type checker in a folder and return what it prints; one that could not work fails the test."""
    # `pyright --verifytypes` asks the first Python on the path for packages, whatever `--pythonpath` says.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    quiet = {"PYRIGHT_PYTHON_GLOBAL_NODE": "1", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    run = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**quiet, **os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="session")
def mypy_errors(user_code: Path) -> Errors:
    """What mypy finds as of Python 3.10, where `typing` has no `Unpack`."""
    required("mypy")
    options = (
        "--strict",
        "--python-version=3.10",
        "--no-pretty",
        "--hide-error-context",
        "--no-error-summary",
    )
    printed = run_checker(user_code, "mypy", *options, "--config-file=", "cases.py")
    found: dict[int, str] = {}
    for line in printed.splitlines():
        file, number, kind, words = line.split(":", 3)
        assert file == "cases.py", line
        if kind.strip() == "error":
            found[int(number)] = found.get(int(number), "") + words
    return found


@pytest.fixture(scope="session")
def pyright_errors(user_code: Path) -> Errors:
    """What pyright finds, strict, as of Python 3.10."""
    required("pyright")
    printed = run_checker(user_code, "pyright", "--outputjson", "--pythonpath", sys.executable)
    found: dict[int, str] = {}
    for finding in json.loads(printed)["generalDiagnostics"]:
        number = finding["range"]["start"]["line"] + 1
        if finding["severity"] == "error":
            found[number] = found.get(number, "") + finding["message"]
    return found


checkers = pytest.mark.parametrize("errors", ["mypy_errors", "pyright_errors"])


@checkers
@pytest.mark.parametrize("case", WRONG)
def test_a_slip_is_an_error(case: str, errors: str, request: pytest.FixtureRequest) -> None:
    """What would fail at run time, or could never match, is shown before it runs."""
    assert line_of(case) in request.getfixturevalue(errors)


@checkers
def test_the_rest_is_none(errors: str, request: pytest.FixtureRequest) -> None:
    """What is right passes strict checking, and no type in it is unknown."""
    found = dict(request.getfixturevalue(errors))
    for case in WRONG:
        found.pop(line_of(case), None)
    assert found == {}


def test_pyright_knows_nearly_every_type(user_code: Path) -> None:
    """`pyright --verifytypes` finds at least 99 % of what the package exports typed."""
    required("pyright")
    options = ("--ignoreexternal", "--outputjson", "--pythonpath", sys.executable)
    found = json.loads(run_checker(user_code, "pyright", "--verifytypes", "pytest_smtp4d", *options))
    assert found["typeCompleteness"]["completenessScore"] >= 0.99
