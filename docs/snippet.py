"""The directive `example`: part of an example's file, with everything that it needs to run.

    ```{example} ../examples/test_retry.py
    :show: test_tries_again_after_451
    ```

shows a function of that file, the imports that it uses, and before it the helpers, constants and fixtures
that it depends on, unless the page has shown them already. Without `show` it is the whole file.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WIDTH = 100
_FOR_CHECKERS = re.compile(r"  # (type: ignore|noqa).*")
"""Comments for mypy and ruff, which readers can do without."""


class Example(SphinxDirective):
    """Shows part of a Python file; see the module's docstring."""

    required_arguments = 1
    option_spec = {"show": directives.unchanged}  # noqa: RUF012 - docutils declares it so

    def run(self) -> list[nodes.Node]:
        """Return the code as a block of Python."""
        relative, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        shown: set[str] = self.env.temp_data.setdefault(f"shown of {relative}", set())  # type: ignore[assignment]
        names = self.options.get("show", "").split()
        try:
            code = excerpt(Path(path).read_text(encoding="utf-8"), names, shown)
        except (OSError, LookupError) as problem:
            raise self.error(f"{self.arguments[0]}: {problem}") from problem
        block = nodes.literal_block(code, code, language="python")
        self.set_source_info(block)
        return [block]


def excerpt(source: str, names: Iterable[str], shown: set[str]) -> str:
    """Return the code that defines some names of a file, with what it needs.

    Args:
        source: the file's text.
        names: what to show; none means everything.
        shown: the names that need not be shown again; what is shown is added.

    Raises:
        LookupError: the file does not define one of the names.
    """
    lines = source.splitlines()
    tree = ast.parse(source)
    defined = {name: node for node in tree.body for name in _names_of(node)}
    names = list(names) or list(defined)
    for name in names:
        if name not in defined:
            raise LookupError(f"the file does not define {name!r}; it defines {', '.join(defined)}")
    chosen = _closure(names, defined, shown)
    shown.update(chosen)
    wanted = {id(defined[name]): defined[name] for name in chosen}
    kept = sorted(wanted.values(), key=lambda node: node.lineno)
    used = {name for node in kept for name in _uses(node)}
    imports = "\n".join(_imports(tree, used))
    return "\n".join(filter(None, (imports, _blocks(kept, lines, bool(imports)))))


def _names_of(node: ast.stmt) -> list[str]:
    """Return what a statement of a module defines, imports apart."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign) and not _skipping_import(node):
        return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _uses(node: ast.stmt) -> set[str]:
    """Return the names that a statement may refer to: variables, fixtures, and those of usefixtures."""
    found = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            found.add(part.id)
        elif isinstance(part, ast.arg):
            found.add(part.arg)
        elif isinstance(part, ast.Call) and ast.unparse(part.func).endswith("usefixtures"):
            found.update(str(word.value) for word in part.args if isinstance(word, ast.Constant))
    return found


def _closure(names: list[str], defined: dict[str, ast.stmt], shown: set[str]) -> set[str]:
    """Return the names and what they depend on, without what was shown; those asked for are always in."""
    found = set()
    waiting = [*names]
    if "pytestmark" in defined and "pytestmark" not in shown and any(n.startswith("test") for n in names):
        waiting.append("pytestmark")
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [used for used in _uses(defined[name]) if used in defined and used not in shown]
    return found


def _skipping_import(node: ast.stmt) -> ast.alias | None:
    """Return what `name = pytest.importorskip("module")` imports: a reader has it installed."""
    if (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "pytest.importorskip"
    ):
        module, name = ast.literal_eval(node.value.args[0]), ast.unparse(node.targets[0])
        return ast.alias(module, None if name == module else name)
    return None


def _imports(tree: ast.Module, used: set[str]) -> Iterator[str]:
    """Return the lines that import the names in use: the standard library's, those of others, and ours."""
    groups: list[list[str]] = [[], [], []]
    for statement in tree.body:
        skipping = _skipping_import(statement)
        node = statement if skipping is None else ast.Import([skipping])
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        aliases = [alias for alias in node.names if (alias.asname or alias.name.split(".")[0]) in used]
        module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        top = (module or "").split(".")[0]
        if aliases:
            number = 0 if top in sys.stdlib_module_names else 2 if top == "pytest_smtp4d" else 1
            groups[number] += _import_lines(node, aliases)
    for number, group in enumerate(filter(None, groups)):
        yield from ["", *group] if number else group


def _import_lines(node: ast.Import | ast.ImportFrom, aliases: list[ast.alias]) -> list[str]:
    """Return an import of these alone, in parentheses where it is long."""
    words = [ast.unparse(alias) for alias in aliases]
    if isinstance(node, ast.Import):
        return [f"import {word}" for word in words]
    head = f"from {node.module} import "
    line = head + ", ".join(words)
    return [line] if len(line) <= _WIDTH else [f"{head}(", *(f"    {word}," for word in words), ")"]


def _blocks(kept: list[ast.stmt], lines: list[str], after_imports: bool) -> str:
    """Return statements as the file has them, a blank line between assignments and two between others."""
    text: list[str] = []
    before_is_short = True
    for node in kept:
        is_short = isinstance(node, ast.Assign | ast.AnnAssign)
        if text or after_imports:
            text += [""] if is_short and before_is_short else ["", ""]
        text += [_FOR_CHECKERS.sub("", line) for line in _lines_of(node, lines)]
        before_is_short = is_short
    return "\n".join(text)


def _lines_of(node: ast.stmt, lines: list[str]) -> list[str]:
    """Return a statement with its decorators, the comments above, and an assignment's docstring below."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1
    while first > 0 and lines[first - 1].startswith("#"):
        first -= 1
    last = node.end_lineno or node.lineno
    below = lines[last] if last < len(lines) else ""
    if isinstance(node, ast.Assign | ast.AnnAssign) and below.startswith('"'):
        while not lines[last].endswith('"""'):
            last += 1
        last += 1
    return lines[first:last]


def setup(app: Any) -> dict[str, Any]:
    """Make the directive known to Sphinx."""
    app.add_directive("example", Example)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
