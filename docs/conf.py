"""How Sphinx builds these pages: Markdown by MyST, the API reference from docstrings, the theme furo."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.util import logging

import pytest_smtp4d

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "pytest-smtp4d"
author = "The pytest-smtp4d authors"
copyright = f"2026, {author}"
release = version = installed_version("pytest-smtp4d")

sys.path.insert(0, str(Path(__file__).parent))  # for `snippet`
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "snippet",
]
exclude_patterns = ["_build", "examples"]
nitpicky = True

# Pages
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"  # what is copied of a dialogue is what one types

# Docstrings: a name in backticks is a link where it is one of ours.
default_role = "py:obj"
autodoc_default_options = {"members": True, "inherited-members": "Exception, Sequence, dict, str, CA"}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_display_short_literal_types = True
python_maximum_signature_line_length = 90
napoleon_custom_sections = [("Keys", "params_style")]
napoleon_use_rtype = False

# Links to Python's own documentation need its inventory, which only the published build fetches.
if "READTHEDOCS" in os.environ:
    intersphinx_mapping = {"python": ("https://docs.python.org/3", None)}
# Most backticks in a docstring are code, and the types in a signature are mypy's business.
nitpick_ignore_regex = [("py:(obj|class|exc)", ".*")]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_title = f"{project} {release}"


_MEMBERS = frozenset({"attribute", "data", "property"})
_as_written: dict[str, list[str]] = {}


def _keep(_: Sphinx, what: str, name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Keep the docstring of a member as it is written."""
    if what in _MEMBERS:
        _as_written[name] = list(lines)


def _restore(_: Sphinx, what: str, name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Put it back: napoleon takes what stands before its first colon for a type."""
    if what in _MEMBERS:
        lines[:] = _as_written.pop(name)


def _find_missing(_: Sphinx, environment: BuildEnvironment) -> None:
    """Warn of public names that the API reference, and so the inventory, lacks."""
    known = environment.get_domain("py").data["objects"]
    if missing := [name for name in pytest_smtp4d.__all__ if f"pytest_smtp4d.{name}" not in known]:
        logging.getLogger(__name__).warning("docs/reference/api lacks %s", ", ".join(missing))


def setup(app: Sphinx) -> None:
    """Check that the reference is whole; leave members to autodoc alone (napoleon's own priority is 500)."""
    app.connect("env-check-consistency", _find_missing)
    app.connect("autodoc-process-docstring", _keep, priority=499)
    app.connect("autodoc-process-docstring", _restore, priority=501)
