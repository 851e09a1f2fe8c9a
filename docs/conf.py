"""How Sphinx builds these pages: Markdown by MyST, the theme furo."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

project = "pytest-smtp4d"
author = "The pytest-smtp4d authors"
copyright = f"2026, {author}"
release = version = installed_version("pytest-smtp4d")

sys.path.insert(0, str(Path(__file__).parent))  # for `snippet`
extensions = ["myst_parser", "snippet"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "examples"]
nitpicky = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_title = f"{project} {release}"
