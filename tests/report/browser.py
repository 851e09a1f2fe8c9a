"""Chromium, driven by Selenium: what of the page's promises only a browser can show."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from pytest_smtp4d.report.document import ReportDocument
from pytest_smtp4d.report.page import render

T = TypeVar("T")
PATIENCE = 30
"""Seconds that a condition is waited for, on a machine that does much else."""

_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,900",
)


def programs() -> tuple[str, str] | None:
    """Return the paths of Chromium and its driver, or None where one is missing."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (chromium, driver) if chromium and driver else None


@contextmanager
def running(chromium: str, driver: str, profile: Path) -> Iterator[Chrome]:
    """Run Chromium with a new profile, and keep a log of what it loads."""
    options = ChromeOptions()
    options.binary_location = chromium
    for option in (*_OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


class Page:
    """A page of ours, opened from a file.

    Args:
        chrome: the browser.
        folder: where the file goes.
    """

    def __init__(self, chrome: Chrome, folder: Path) -> None:
        self.chrome = chrome
        self.path = folder / "mail.html"

    def show(
        self, report: ReportDocument, fragment: str = "", *, width: int = 1280, dark: bool = False
    ) -> Page:
        """Write the page of a report and open it; wait until it is usable."""
        self.path.write_text(render(report), encoding="utf-8")
        self.resize(width, dark=dark)
        self.open(fragment)
        return self

    def resize(self, width: int, *, height: int = 844, scale: int = 1, dark: bool = False) -> None:
        """Give the window a size in pixels, and the system a colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 700}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, fragment: str = "") -> None:
        """Load the file anew."""
        self.chrome.get("about:blank")
        for name in ("browser", "performance"):
            self.log(name)
        self.chrome.get(f"{self.path.as_uri()}{fragment}")
        self.until(lambda: self.run("return document.documentElement.dataset.ready === 'true'"))

    def log(self, name: str) -> list[dict[str, str]]:
        """Return what a log of the browser holds, and empty it."""
        entries: list[dict[str, str]] = self.chrome.get_log(name)  # type: ignore[no-untyped-call]
        return entries

    def until(self, condition: Callable[[], T]) -> T:
        """Wait for a condition and return what it gave."""
        return WebDriverWait(self.chrome, PATIENCE, poll_frequency=0.02).until(lambda _: condition())

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page, as a debugger does."""
        return self.chrome.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        """Return the elements that a CSS selector names."""
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """Return the first of them."""
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """Return their texts, also of those that are not in view."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)", selector
        )
        return found

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        for key in keys:
            self.chrome.switch_to.active_element.send_keys(key)

    def button(self, text: str) -> WebElement:
        """Return the first button in view that bears a text."""
        return next(one for one in self.all("button") if one.text.startswith(text) and one.is_displayed())

    def view(self, name: str) -> None:
        """Choose a view by its tab."""
        next(tab for tab in self.all("[role=tab]") if tab.text.startswith(name)).click()

    def search(self, query: str) -> list[str]:
        """Search, and return the subjects that are left."""
        field = self.one("#search")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(query or Keys.BACKSPACE)
        self.until(
            lambda: self.run("return (new URLSearchParams(location.hash.slice(1)).get('q') || '')") == query
        )
        return self.texts("[role=option] .subject")

    @property
    def selected(self) -> str:
        """The subject of the row that is selected."""
        (subject,) = self.texts("[role=option][aria-selected=true] .subject")
        return subject

    @property
    def current_view(self) -> str:
        """The name of the view that is shown."""
        return self.one("[role=tab][aria-selected=true]").get_attribute("id").removeprefix("tab-")  # type: ignore[union-attr]

    @contextmanager
    def frame(self) -> Iterator[None]:
        """Be inside the rendered mail."""
        self.chrome.switch_to.frame(self.one("iframe"))
        try:
            yield
        finally:
            self.chrome.switch_to.default_content()

    def loaded(self) -> list[str]:
        """Return the addresses that were loaded since it was opened, but for the page's own."""
        messages = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        urls = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith((self.path.as_uri(), "data:", "about:", "blob:"))]

    def errors(self) -> list[str]:
        """Return what the console says, but for what the policy refused to a mail."""
        entries = [entry["message"] for entry in self.log("browser")]
        return [text for text in entries if "Content Security Policy" not in text and "sandboxed" not in text]


class Trap:
    """A listening socket that counts who comes: nobody should."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1)
                try:
                    self.heard.append(connection.recv(200))
                except OSError:
                    self.heard.append(b"(connected, and said nothing)")

    def visit(self) -> None:
        """Come once, to see that whoever came before has been heard."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"visit")
            connection.recv(1)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
