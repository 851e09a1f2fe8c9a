"""How Sphinx builds these pages: Markdown by MyST, the theme furo."""

from __future__ import annotations

from importlib.metadata import version as installed_version

project = "pytest-smtp4d"
author = "The pytest-smtp4d authors"
copyright = f"2026, {author}"
release = version = installed_version("pytest-smtp4d")

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "examples"]
nitpicky = True

html_theme = "furo"
html_title = f"{project} {release}"
