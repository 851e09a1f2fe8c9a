"""The live page in Chromium: what arrives appears, faults can be set, and hostile mail stays harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.report.browser import Page, programs, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

    from tests.http.conftest import Api


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser."""
    found = programs()
    if found is None:
        pytest.skip("Chromium is not installed: apt-get install chromium chromium-driver")
    with running(*found, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def live(chrome: Chrome, api: Api, tmp_path: Path) -> Page:
    """The live page, open and ready."""
    page = Page(chrome, tmp_path)
    chrome.get("about:blank")
    for name in ("browser", "performance"):
        page.log(name)
    chrome.get(api.url + "/")
    page.until(lambda: page.run("return document.documentElement.dataset.ready === 'true'"))
    return page


def press(page: Page, name: str) -> None:
    """Press a button of the bar."""
    words = "[...document.querySelectorAll('#live button')].find(one => one.textContent === arguments[0])"
    page.run(f"{words}.click()", name)


def test_a_mail_appears_without_reload(live: Page, api: Api) -> None:
    """What is selected stays selected when the next one comes."""
    live.run("window.same = true")
    api.send("First mail")
    live.until(lambda: "First mail" in "".join(live.texts("#list [role=option]")))
    live.run("document.querySelector('#list [role=option]').click()")
    api.send("Second mail")
    live.until(lambda: "Second mail" in "".join(live.texts("#list [role=option]")))
    chosen = live.texts("#list [role=option][aria-selected=true]")
    assert len(chosen) == 1
    assert "First mail" in chosen[0]
    assert live.run("return window.same") is True
    assert [entry for entry in live.log("browser") if entry["level"] == "SEVERE"] == []


def test_a_fault_is_set_and_the_server_reset(live: Page, api: Api) -> None:
    """By the bar of the page: the same as over the API."""
    live.run(
        "[...document.querySelectorAll('#live button')].find(b => b.textContent === 'Add fault').click()"
    )
    live.until(lambda: [fault["stage"] for fault in api.get("/faults")] == ["NOOP", "RCPT"])
    press(live, "Reset")
    live.until(lambda: [fault["stage"] for fault in api.get("/faults")] == ["NOOP"])


def test_a_fault_that_cannot_be_is_said(live: Page) -> None:
    """The API's own words stand beside the buttons."""
    live.run("document.querySelector('#live [aria-label^=Reply]').value = '999 x'")
    live.run(
        "[...document.querySelectorAll('#live button')].find(b => b.textContent === 'Add fault').click()"
    )
    live.until(lambda: "999" in live.texts("#live-words")[0])


def test_a_hostile_subject_stays_text(live: Page, api: Api) -> None:
    """As in the report: nothing of a mail runs, and nothing is asked of anybody but this server."""
    api.send("<img src=x onerror=window.hit=1>", "</script><script>window.hit=1</script>")
    live.until(lambda: "onerror" in "".join(live.texts("#list [role=option]")))
    assert live.run("return window.hit") is None
