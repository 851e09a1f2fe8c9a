from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
EXAMPLES = PROJECT / "docs" / "examples"


def code_of(source: str, *, without_types: bool = False) -> str:
    """Return source without its docstrings, comments and, if asked, annotations: what runs."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.Module) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        if isinstance(node, ast.FunctionDef) and without_types:
            node.returns = None
            for argument in node.args.args:
                argument.annotation = None
    return ast.unparse(tree)


def test_the_tests_in_readme_are_those_that_run() -> None:
    """The code on README's first screen is a file of the examples, without its types and docstrings."""
    (shown,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    source = (EXAMPLES / "first-page" / "test_invoice.py").read_text(encoding="utf-8")
    code = code_of(source, without_types=True).replace("from pytest_smtp4d import SMTPServer\n", "")
    assert code_of(shown) == code.partition("from __future__ import annotations\n")[2].strip()
    assert len(shown.strip().splitlines()) <= 15


def test_readme_is_short() -> None:
    """A person decides in ten seconds: what it is, the command and the test come first."""
    assert len(README.splitlines()) <= 140
    assert README.index("pip install pytest-smtp4d") < 300


def test_the_commands_in_readme_are_those_of_ci() -> None:
    """README shows two commands for a clone, one line each; `.ci/run` runs the very one for the tests."""
    first, second, third = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)
    assert first == "pip install pytest-smtp4d"
    assert (second, third) == ("python3 tests/run.py examples", "python3 tests/run.py")
    checks = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(rf"SMTP4D_REQUIRE_PEERS=1 \S+ {re.escape(third)} ", checks)


def test_the_links_in_readme_work_wherever_it_is_shown() -> None:
    """On PyPI there is nothing beside README: links are whole addresses, and ours name files."""
    targets = re.findall(r"\]\(([^)\s]+)\)", README)
    assert [target for target in targets if not target.startswith("https://")] == []
    for start, end, shown in (
        ("https://pytest-smtp4d.readthedocs.io/en/latest/", ".html", ("docs/", ".md")),
        ("https://github.com/pytest-smtp4d/pytest-smtp4d/blob/main/", "", ("", "")),
        ("https://raw.githubusercontent.com/pytest-smtp4d/pytest-smtp4d/main/", "", ("", "")),
    ):
        ours = [target for target in targets if target.startswith(start)]
        files = [shown[0] + target[len(start) :].removesuffix(end) + shown[1] for target in ours]
        assert files
        assert [file for file in files if not (PROJECT / file).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    """Every relative link in README, CONTRIBUTING and the docs names a file that is there."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_the_docs_copy_no_python(page: Path) -> None:
    """Code of more than a few lines in the docs is included from a file that runs, not copied."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    allowed = 1 if page.name == "README.md" else 0
    assert len([block for block in blocks if len(block.splitlines()) > 6]) <= allowed


def test_every_example_asserts() -> None:
    """Each test of the examples states something that can fail."""
    for path in sorted(EXAMPLES.rglob("test_*.py")):
        tests = [
            node
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        ]
        assert tests, f"{path.name} has no test"
        for test in tests:
            words = ast.unparse(test)
            assert "assert " in words or ".one(" in words or re.search("[rR]aises?\\(", words), (
                f"{path.name}: {test.name}"
            )


def run(
    *arguments: str, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run tests/run.py."""
    return subprocess.run(
        [python, str(PROJECT / "tests" / "run.py"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_run_script_parses_on_old_pythons() -> None:
    """What needs 3.10 to run must not need it to say so: nothing in it is newer than Python 2.7 and 3.2."""
    tree = ast.parse((PROJECT / "tests" / "run.py").read_text(encoding="ascii"), feature_version=(3, 7))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Nonlocal, ast.Starred)
    assert [node for node in ast.walk(tree) if isinstance(node, newer)] == []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    arguments = [argument for function in functions for argument in function.args.args]
    assert all(function.returns is None and not function.args.kwonlyargs for function in functions)
    assert all(argument.annotation is None for argument in arguments)


def test_the_run_script_says_which_python_it_needs(tmp_path: Path) -> None:
    """On an old Python, with no newer one on the PATH, it names the version it found and the way out."""
    script = (PROJECT / "tests" / "run.py").read_text(encoding="utf-8")
    (tmp_path / "tests").mkdir()
    old = tmp_path / "tests" / "run.py"
    old.write_text(script.replace("OLDEST = (3, 10)", "OLDEST = (3, 99)"), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, str(old)], env={"PATH": ""}, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 2
    here = ".".join(map(str, sys.version_info[:2]))
    assert f"pytest-smtp4d needs Python 3.99 or newer; this is Python {here}" in result.stderr
    assert "apt-get install python3 python3-venv" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_run_script_says_what_to_do_without_venv(tmp_path: Path) -> None:
    """Where ensurepip and pip are missing, as in a bare Debian, it names the package to install."""
    for name in ("ensurepip", "pip"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('left out')\n", encoding="utf-8")
    (tmp_path / "tests").mkdir()
    script = tmp_path / "tests" / "run.py"
    script.write_bytes((PROJECT / "tests" / "run.py").read_bytes())
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    outside_tox = {name: value for name, value in os.environ.items() if name != "TOX_ENV_DIR"}
    result = subprocess.run(
        [sys.executable, str(script)],
        env={**outside_tox, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2
    assert "apt-get install python3-venv" in result.stderr
    assert "Traceback" not in result.stderr
