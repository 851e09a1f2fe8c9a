"""A fixture of a run that redirects its mail: it brings the suite's own settings to the server of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "smtp4d-outgoing-mail"
"""The name under which pytest knows the plugin object of the run."""


@pytest.fixture(autouse=True, scope="session")
def _smtp_run_settings(pytestconfig: pytest.Config, smtp_server_settings: Mapping[str, Any]) -> None:
    """Bring the suite's settings, before any test may send mail."""
    plugin: Any = pytestconfig.pluginmanager.get_plugin(NAME)
    plugin.suite_settings = smtp_server_settings
