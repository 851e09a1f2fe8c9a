"""The live page in Chromium: what arrives appears, faults can be set, and hostile mail stays harmless."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.peers.conftest import PROJECT, missing
from tests.report.browser import Page, Trap, programs, running
from tests.report.hostile import hostile_mails

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
        missing("Chromium", "apt-get install chromium chromium-driver")
        return
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


CORPUS = sorted((PROJECT / "tests" / "corpus").glob("*.eml"))
AT_ONCE = 5
"""Mails that the server of these tests keeps."""


def deliver(api: Api, content: bytes) -> None:
    """Send octets as they are; a mail may be empty, and hold lines that are too long."""
    with socket.create_connection(api.serving.server.address, 20) as client:
        replies = client.makefile("rb")
        head = b"EHLO localhost\r\nMAIL FROM:<ada@example.com>\r\nRCPT TO:<bob@example.org>\r\n"
        client.sendall(head + b"BDAT %d LAST\r\n%bQUIT\r\n" % (len(content), content))
        assert b"221 " in replies.read()
        replies.close()


def open_every_view(live: Page) -> None:
    """Look at each mail of the list in each view, as a person does."""
    live.run("document.querySelector('#list [role=option]').click()")
    for _ in live.all("#list [role=option]"):
        for number in range(1, len(live.all("[role=tab]")) + 1):
            live.press(str(number))
        live.press("1")
        if live.all("iframe"):
            with live.frame():
                assert live.all("iframe, frame, object, embed, script, link, base, meta[http-equiv]") == []
        live.press("j")


def until_listed(live: Page, count: int) -> None:
    """Wait until the list shows so many mails."""
    live.until(
        lambda: len(live.all("#list [role=option]")) == count and "no client" not in live.texts("#list")[0]
    )


@pytest.mark.slow
def test_hostile_mails_stay_harmless(live: Page, api: Api) -> None:
    """Those of the corpus and those made to attack: nothing runs, and nobody but this server is asked."""
    trap = Trap()
    mails = [*hostile_mails(trap.port).values(), *(path.read_bytes() for path in CORPUS)]
    shown = 0
    while shown < len(mails):
        batch = mails[shown : shown + AT_ONCE]
        for content in batch:
            deliver(api, content)
        until_listed(live, len(batch))
        open_every_view(live)
        assert live.run("return window.pwned") is None
        shown += len(batch)
        api("POST", "/api/v1/reset")
        live.until(lambda: "no client connected" in "".join(live.texts("#list [role=option]")))
    # After the last reset: octets that SMTP does not allow are meant here.
    api.serving.server.configure(ignore_violations="*")
    assert shown == len(mails) > AT_ONCE
    assert [url for url in live.loaded() if not url.startswith(api.url)] == []
    trap.visit()
    assert trap.heard == [b"visit"]
    assert len(live.chrome.window_handles) == 1
    trap.close()
