"""The page in Chromium: it is harmless, it works by mouse and keys, it is accessible, and it is quick."""

from __future__ import annotations

import http.server
import os
import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.keys import Keys

from pytest_smtp4d.records.violation import Violation
from pytest_smtp4d.report.document import ReportDocument
from pytest_smtp4d.report.links import links_of
from pytest_smtp4d.report.page import render
from tests.report.browser import Page, Trap, programs, running
from tests.report.hostile import hostile_mails
from tests.report.records import content, failure, message, record, report
from tests.report.shop import HTML, INVOICE, LOGO, TERMS, shop

PROJECT = Path(__file__).parents[2]
AXE = PROJECT / ".peers/node_modules/axe-core/axe.min.js"


def missing(what: str) -> None:
    """Skip the test that needs something foreign, or fail it where everything foreign is required."""
    if os.environ.get("SMTP4D_REQUIRE_PEERS") == "1":
        pytest.fail(f"{what} (SMTP4D_REQUIRE_PEERS is set)", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser for all tests of a process."""
    found = programs()
    if found is None:
        missing("Chromium is not installed: apt-get install chromium chromium-driver")
        return
    with running(*found, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(chrome: Chrome, tmp_path: Path) -> Page:
    """A page in it."""
    return Page(chrome, tmp_path)


@pytest.fixture
def trap() -> Iterator[Trap]:
    """A server that nobody may visit."""
    trap = Trap()
    yield trap
    trap.close()


@pytest.fixture
def pictures() -> Path | None:
    """Where screenshots are kept: the folder that `$SMTP4D_SCREENSHOTS` names."""
    name = os.environ.get("SMTP4D_SCREENSHOTS")
    folder = Path(name) if name else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


VIEWS = ["html", "text", "source", "headers", "envelope", "attachments", "links", "transcript", "failure"]


# -- Harmless ------------------------------------------------------------------------------------------------


def assert_harmless(page: Page, trap: Trap) -> None:
    """Nothing ran, nothing was loaded, and nobody came to the trap."""
    assert page.run("return [window.pwned, document.title, location.protocol]") == [
        None,
        "SMTP report: shop",
        "file:",
    ]
    assert page.loaded() == []
    trap.visit()
    assert trap.heard == [b"visit"]
    trap.heard.clear()


def hostile_report(port: int) -> ReportDocument:
    """Return a report in which every hostile mail was sent by a test of its own."""
    return report({f"test_{name}": [record(message(octets))] for name, octets in hostile_mails(port).items()})


def test_no_part_of_a_hostile_mail_runs_or_loads(page: Page, trap: Trap) -> None:
    """Each mail is shown in every view, on both canvases; nothing runs and the network is silent."""
    names = list(hostile_mails(trap.port))
    page.show(hostile_report(trap.port))
    for _ in names:
        for number in range(1, len(VIEWS) + 1):
            page.press(str(number))
        page.press("1")
        if page.all("iframe"):
            page.button("dark").click()
            with page.frame():
                page.run("return document.readyState")
                assert page.all("iframe, frame, object, embed, script, link, base, meta[http-equiv]") == []
        page.press("j")
        assert_harmless(page, trap)


def test_links_inside_a_rendered_mail_do_nothing(page: Page, trap: Trap) -> None:
    """A click on each of them leads nowhere: a one-time token stays unused."""
    url = f"http://127.0.0.1:{trap.port}"
    html = f"<a href='{url}/a'>one</a> <a href='{url}/b' target=_blank>two</a> <a href='javascript:x()'>3</a>"
    form = f"<form action='{url}/c'><button formaction='{url}/d'>four</button><input type=submit></form>"
    svg = f"<svg width=90 height=30><a href='{url}/e'><text y=20>five</text></a></svg>"
    page.show(report({"test_a": [record(message(content("links", "x", html + form + svg)))]}))
    with page.frame():
        for found in page.all("a, button, input, svg text"):
            ActionChains(page.chrome).move_to_element(found).click().perform()
        assert page.one("a").get_attribute("title") == f"{url}/a"
    assert len(page.chrome.window_handles) == 1
    assert_harmless(page, trap)


def test_a_control_is_shown_escaped(page: Page) -> None:
    """A bidirectional override in a subject or a file's name turns nothing: it stands as its number."""
    page.show(hostile_report(1), "#test=test_bidi&view=attachments")
    assert page.one("#detail h2").text == "invoice \\u202efdp.exe"
    assert page.one(".attachments strong").text == "\\u202efdp.exe"
    assert page.button("Download").text == "Download fdp.exe"
    emoji = "👩\u200d🚀 ❤\ufe0f\u3000こんにちは"
    page.show(report({"test_a": [record(message(content(emoji)))]}))
    assert page.run("return document.querySelector('#detail h2').textContent") == emoji


def test_downloads_have_plain_names_and_the_octets(page: Page, tmp_path: Path) -> None:
    """A path in a name is no path of ours; attachments and `.eml` are octet for octet what was received."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    behaviour = {"behavior": "allow", "downloadPath": str(folder)}
    page.chrome.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    page.show(shop(), "#test=tests/test_shop.py::test_invoice&view=attachments")
    page.button("Download logo.png").click()
    page.button("Download terms.pdf").click()
    page.view("Source")
    page.button("Download .eml").click()
    wanted = {"logo.png": LOGO, "terms.pdf": TERMS, "Invoice 42 – thank you.eml": INVOICE}
    page.until(lambda: {path.name for path in folder.iterdir()} == set(wanted))
    for name, octets in wanted.items():
        assert (folder / name).read_bytes() == octets


# -- It works ------------------------------------------------------------------------------------------------


def test_rows_stand_under_their_tests_failed_first(page: Page) -> None:
    """A listbox of options in groups; each option says subject, addresses, size and chips."""
    page.show(shop())
    assert page.texts("[role=listbox] [role=group] .subject") == [
        "Welcome",
        "Invoice 42 – thank you",
        "Invoice 42 – reminder",
        "RCPT nobody@example.org refused: 550 5.1.1 No such user",
        "session without mail: TLS alert: unknown ca",
        "Newsletter",
    ]
    groups = [one.get_attribute("aria-label") for one in page.all("[role=group].group")]
    assert groups[:2] == [
        "failed: tests/test_shop.py::test_welcome",
        "passed: tests/test_shop.py::test_invoice",
    ]
    invoice = page.all("[role=option]")[1]
    assert invoice.find_element("css selector", ".route").text.startswith(
        "Ada <ada@example.com> → bob@example.org"
    )
    assert page.run(
        "return [...arguments[0].querySelectorAll('.chip')].map(one => one.textContent)", invoice
    ) == [
        "BCC",
        "📎 2",
        "TLS 1.3",
        "login",
    ]
    assert page.texts("#counts li") == [
        "5 tests",
        "1 failed",
        "4 mails",
        "1 refused",
        "1 violation",
        "0 unhit faults",
    ]
    assert "random seed 42" in page.one("#run").text
    assert page.errors() == []


def test_a_click_chooses_a_row_and_keys_do(page: Page) -> None:
    """J and k, arrows in the list, n and p for failed tests; the choice is in the address and comes back."""
    page.show(shop())
    page.all("[role=option]")[2].click()
    assert page.selected == "Invoice 42 – reminder"
    page.press("k")
    assert page.selected == "Invoice 42 – thank you"
    page.press("j", "j")
    assert page.selected.startswith("RCPT nobody")
    page.press("p")
    assert page.selected == "Welcome"
    page.press("p", "k")
    assert page.selected == "Welcome"
    page.one("#list").send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert page.selected == "Invoice 42 – reminder"
    chosen = page.one("#list").get_attribute("aria-activedescendant")
    assert page.one("[aria-selected=true][role=option]").get_attribute("id") == chosen
    page.one("#list").send_keys(Keys.END)
    assert page.selected == "Newsletter"
    page.press("k", "8")
    page.chrome.refresh()
    page.until(lambda: page.run("return document.documentElement.dataset.ready"))
    assert page.selected.startswith("session without mail: TLS alert")
    assert page.current_view == "transcript"


def test_n_goes_from_one_failed_test_to_the_next(page: Page) -> None:
    """N and p go through the failed tests, whatever was sent in between."""
    tests = {f"test_{n}": [record(message(content(f"{n}a")), message(content(f"{n}b")))] for n in range(4)}
    page.show(report(tests, {"test_1": failure(), "test_3": failure()}))
    assert page.selected == "1a"
    page.press("j", "n")
    assert page.selected == "3a"
    page.press("n")
    assert page.selected == "3a"
    page.press("p")
    assert page.selected == "1a"


def test_digits_and_arrows_choose_views(page: Page) -> None:
    """1 to 9 are the nine views; the tabs are tabs, and the focus stays on them."""
    page.show(shop(), "#test=tests/test_shop.py::test_invoice")
    names = [tab.get_attribute("id") for tab in page.all("[role=tab]")]
    assert names == [f"tab-{view}" for view in VIEWS]
    for number, view in enumerate(VIEWS, 1):
        page.press(str(number))
        assert page.current_view == view
        assert page.one("[role=tabpanel]").get_attribute("aria-labelledby") == f"tab-{view}"
    page.one("[role=tab][aria-selected=true]").send_keys(Keys.ARROW_RIGHT)
    assert page.current_view == "html"
    page.press(Keys.ARROW_LEFT)
    assert page.current_view == "failure"


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ("is:failed", ["Welcome"]),
        ("is:refused", ["RCPT nobody@example.org refused: 550 5.1.1 No such user"]),
        ("has:attachment", ["Invoice 42 – thank you"]),
        ("has:attachments terms.pdf", ["Invoice 42 – thank you"]),
        ("4712", ["Invoice 42 – reminder"]),
        ("to:eve", ["Invoice 42 – thank you"]),
        ("subject:invoice -reminder", ["Invoice 42 – thank you"]),
        ('"your code" test:invoice -has:attachment', ["Invoice 42 – reminder"]),
        ("id=7&t=abc reminder", ["Invoice 42 – reminder"]),
        ("REMINDER", ["Invoice 42 – reminder"]),
        ("test_other", ["Newsletter"]),
        ("x-nothing:here", []),
    ],
)
def test_search(page: Page, query: str, subjects: list[str]) -> None:
    """Words, phrases, fields and negation find rows; the query is in the address."""
    page.show(shop())
    page.press("/")
    assert page.search(query) == subjects
    assert page.one("#found").text == f"{len(subjects)} of 6"
    page.chrome.refresh()
    page.until(lambda: page.run("return document.documentElement.dataset.ready"))
    assert page.texts("[role=option] .subject") == subjects


def test_typing_a_query_is_no_key_of_the_page(page: Page) -> None:
    """Letters that are keys elsewhere are text in the search; Escape leaves it."""
    page.show(shop())
    page.press("/")
    assert page.search("jknpc1?") == []
    page.search("")
    page.press(Keys.ESCAPE, "j")
    assert page.selected == "Invoice 42 – thank you"


def test_enter_goes_from_the_search_to_what_it_found(page: Page) -> None:
    """The first row found is chosen, and the list has the keys."""
    page.show(shop())
    page.press("/")
    page.search("invoice")
    page.press(Keys.ENTER)
    assert page.selected == "Invoice 42 – thank you"
    page.press(Keys.ARROW_DOWN)
    assert page.selected == "Invoice 42 – reminder"


def test_compare_two_mails(page: Page) -> None:
    """After c, another mail stands beside it: header, text and HTML, without what differs in every run."""
    page.show(shop(), "#test=tests/test_shop.py::test_invoice")
    page.press("c", "j")
    panel = page.one("#comparison")
    assert [one.text for one in panel.find_elements("css selector", "small")] == [
        "first difference: line 3, character 23",
        "first difference: line 3, character 17",
        "first difference: line 7, character 7",
    ]
    assert page.texts("#comparison mark")[:2] == ["thank you", "reminder"]
    assert "Date:" not in panel.text
    assert "=====" not in panel.text
    page.one("#compare-all").click()
    assert page.one("#compare-all").is_selected()
    assert "=====" in page.one("#comparison").text
    page.press(Keys.ESCAPE)
    assert page.all("#comparison") == []


def test_a_near_miss_is_marked_by_character(page: Page) -> None:
    """In a body of 15 kB the first difference is in view, its place is said, the rest is folded."""
    page.show(shop())
    assert page.current_view == "failure"
    assert page.one("h4").text == "text_body first difference: line 1402, character 8"
    assert page.texts(".difference mark") == ["Bob", "Ada"]
    assert page.texts(".difference td.folded") == ["1,398 lines alike"]
    assert page.one("#first-difference").is_displayed()
    assert "AssertionError: no message with" in page.one("pre.failure").text


def test_a_long_line_is_folded_around_its_difference(page: Page) -> None:
    """One line of 15 kB shows what is near the difference."""
    long = "x" * 15_000
    near = {"name": "html_body", "expected": f"{long}a{long}", "received": f"{long}b{long}", "agrees": False}
    tests = {"test_a": [record(message(content()))]}
    page.show(report(tests, {"test_a": failure("no", [near])}))
    assert page.one("h4 small").text == "first difference: line 1, character 15001"
    assert page.texts("tr.different mark") == ["a", "b"]
    assert page.texts("tr.different .folded")[0] == "… 14,920 characters alike …"


def test_the_rendered_mail(page: Page) -> None:
    """Widths, canvases, pictures inside the mail, and text beside it."""
    page.show(shop(), "#test=tests/test_shop.py::test_invoice&view=html")

    def picture() -> int:
        with page.frame():
            return int(page.run("return document.images[0]?.naturalWidth ?? -1"))

    page.until(lambda: picture() == 64)
    for width in ("320", "375", "600"):
        page.button(width).click()
        assert page.one(".stage").size["width"] == int(width)
        assert page.button(width).get_attribute("aria-pressed") == "true"
    page.button("full").click()
    assert page.one(".stage").size["width"] > 700
    with page.frame():
        assert page.run("return matchMedia('(prefers-color-scheme: dark)').matches") is False
        assert page.run("return getComputedStyle(document.querySelector('a')).color") == "rgb(0, 128, 0)"
    page.button("dark").click()
    with page.frame():
        assert page.run("return getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.button("images").click()
    assert picture() == 0
    page.button("text beside").click()
    assert page.one("pre.beside").text == "Dear Bob,\n\nyour code is 4711."


def test_remote_pictures_are_counted(page: Page) -> None:
    """The page says how many it did not load."""
    page.show(report({"test_a": [record(message(content("x", "x", "<img src='http://x.example/a'>" * 3)))]}))
    assert page.one(".view-html .note").text == "3 pictures not loaded: this page loads nothing."


def test_links_are_listed_as_python_reads_them(page: Page) -> None:
    """Text, target and count; duplicates, clear text and schemes that are not opened are marked."""
    html = (
        HTML.format(title="x")
        + "<a href='javascript:x'>a <b>b</b></a><a href=' https://y.example '><img alt=logo></a><a>no</a>"
    )
    page.show(report({"test_a": [record(message(content("x", "x", html)))]}), "#view=links")
    rows = [
        {"text": text, "target": target, "count": int(count)}
        for text, target, count in page.run(
            "return [...document.querySelectorAll('.links tbody tr')].map(row => [row.cells[0].textContent,"
            " row.cells[1].firstChild.textContent, row.cells[2].textContent])"
        )
    ]
    assert rows == links_of(html, None)
    marks = page.run(
        "return [...document.querySelectorAll('.links tbody tr')].map(row =>"
        " [...row.querySelectorAll('.chip')].map(one => one.textContent).join())"
    )
    assert marks == ["duplicate", "http:", "not opened", ""]
    assert page.texts(".codes code") == ["4711"]


def test_the_envelope_stands_beside_the_header(page: Page) -> None:
    """Blind recipients are marked; TLS, its server name, user, mechanism and problems are said."""
    page.show(shop(), "#test=tests/test_shop.py::test_invoice&view=envelope")
    text = page.one("[role=tabpanel]").text
    assert "RCPT TO eve@example.net blind" in text
    assert "To bob@example.org" in text
    assert "TLSv1.3, TLS_AES_256_GCM_SHA384, for localhost" in text
    assert "ada by PLAIN" in text
    assert "SIZE=120" in text
    page.press("k")
    assert "no-quit RFC 5321 4.1.1.10" in page.one(".summary .problems").text.replace("\n", " ")


def test_a_problem_stands_at_its_mail_once(page: Page) -> None:
    """What is wrong with a mail is said of no other mail; what is wrong with its session is said of both."""
    lf = Violation("bare-lf", "Hello", "RFC 5321 2.3.8", False)
    no_quit = Violation("no-quit", "(connection closed)", "RFC 5321 4.1.1.10", False)
    mails = (message(content("flawed"), problems=(lf,)), message(content("fine"), problems=()))
    page.show(report({"test_a": [record(*mails, violations=(lf, no_quit))]}))
    assert page.texts(".summary .problems .chip") == ["bare-lf", "no-quit"]
    page.press("j")
    assert page.texts(".summary .problems .chip") == ["no-quit"]


def test_the_transcript_marks_faults_and_folds_ehlo(page: Page) -> None:
    """Directions are told apart, EHLO's keywords fold, and the fault's line names its declaration."""
    page.show(shop(), "#test=tests/test_shop.py::test_unknown_user&view=transcript")
    fold = page.one("button.fold")
    assert fold.text == "PIPELINING, 8BITMIME"
    assert fold.get_attribute("aria-expanded") == "false"
    fold.click()
    assert page.one("button.fold").get_attribute("aria-expanded") == "true"
    assert any("250 8BITMIME" in row.text for row in page.all(".transcript tr"))
    assert "at test_shop.py:31" in page.one("tr.faulty .why").text
    assert {row.get_attribute("class") for row in page.all(".transcript tr")} == {
        "client",
        "server",
        "server faulty",
    }


def test_help_lists_keys_and_search(page: Page) -> None:
    """? opens it, Escape closes it."""
    page.show(shop())
    page.press("?")
    dialog = page.one("#help")
    assert dialog.is_displayed()
    assert "previous mail" in dialog.text
    page.press(Keys.ESCAPE)
    assert not dialog.is_displayed()


def test_one_column_on_a_narrow_screen(page: Page) -> None:
    """Below 700 pixels the list comes first; a mail replaces it, and a button leads back."""
    page.show(shop(), width=390)
    assert page.one("#list").is_displayed()
    assert not page.one("#detail").is_displayed()
    page.all("[role=option]")[1].click()
    assert not page.one("#list").is_displayed()
    assert page.one("#detail h2").text == "Invoice 42 – thank you"
    assert page.run("return document.documentElement.scrollWidth") <= 390
    page.button("← List").click()
    assert page.one("#list").is_displayed()


def test_a_run_without_mail_says_so(page: Page) -> None:
    """An empty list and an empty page have words."""
    page.show(report({}))
    assert page.one("#detail").text == "No mail was sent in this run."
    assert page.errors() == []


def test_a_report_can_be_replaced(page: Page) -> None:
    """As the live page does: another report is shown, and what was selected stays selected."""
    page.show(shop(), "#test=tests/test_shop.py::test_other")
    page.run(
        "const report = arguments[0]; report.tests = report.tests.slice(-1); smtp4dReport.show(report);",
        shop(),
    )
    assert page.texts("[role=option] .subject") == ["Newsletter"]
    assert page.selected == "Newsletter"


# -- For everybody -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_serious_fault(page: Page, width: int, dark: bool) -> None:
    """No rule with serious or critical impact is broken, in any view, the comparison and the help."""
    if not AXE.exists():
        missing("axe-core is not installed: npm install --prefix .peers axe-core")
    fragment = "#test=tests/test_shop.py::test_invoice" if width < 700 else ""
    page.show(shop(), fragment, width=width, dark=dark)
    page.run(AXE.read_text(encoding="utf-8"))
    faults: list[str] = []

    def look(where: str) -> None:
        found = page.chrome.execute_async_script(
            "const done = arguments[0];"
            "axe.run(document, {iframes: false}).then(found => done(found.violations"
            ".map(one => [one.id, one.impact, one.nodes.map(node => node.html.slice(0, 200)).slice(0, 3)])))"
        )
        faults.extend(f"{where}: {one}" for one in found if one[1] in ("serious", "critical"))

    for number, view in enumerate(VIEWS, 1):
        page.press(str(number))
        look(view)
    page.press("8", "n")
    look("failed")
    page.open("#test=tests/test_shop.py::test_invoice")
    page.run(AXE.read_text(encoding="utf-8"))
    page.press("c", "j")
    look("comparison")
    page.press("?")
    look("help")
    if width < 700:
        page.open()
        page.run(AXE.read_text(encoding="utf-8"))
        look("list")
    assert faults == []


@pytest.mark.parametrize("width", [1280, 390])
def test_screenshots(page: Page, width: int, pictures: Path | None) -> None:
    """Every view at both widths, light and dark; kept where `$SMTP4D_SCREENSHOTS` says."""
    for dark in (False, True):
        page.show(shop(), width=width, dark=dark)
        for view in ("list", *VIEWS):
            test = "test_welcome" if view == "failure" else "test_invoice"
            page.open("" if view == "list" else f"#test=tests/test_shop.py::{test}&view={view}")
            shot = page.chrome.get_screenshot_as_png()
            assert shot.startswith(b"\x89PNG")
            if pictures is not None:
                (pictures / f"{view}-{width}-{'dark' if dark else 'light'}.png").write_bytes(shot)


# -- Quick, and without script -------------------------------------------------------------------------------


def newsletters(count: int) -> ReportDocument:
    """Return the report of a run that sent so many newsletters of 13 kB, ten a test."""
    chosen = random.Random(1)
    words = [
        "".join(chosen.choices("abcdefghijklmnopqrstuvwxyz", k=chosen.randint(3, 10))) for _ in range(3000)
    ]

    def text(length: int) -> str:
        return " ".join(chosen.choices(words, k=length))

    products = [(text(3), text(25)) for _ in range(60)]
    style = "".join(f".c{i} {{ padding: {i}px; font: {10 + i % 9}px/1.{i % 9} Arial }}\n" for i in range(80))

    def newsletter(number: int) -> bytes:
        offers = chosen.choices(products, k=16)
        rows = "".join(
            f"<tr><td class='c{i}' style='padding:12px'><h2>{name}</h2><p>{words}</p>"
            f"<a href='https://shop.example/c/{chosen.getrandbits(64):x}?u={number}'>Read</a></td></tr>\n"
            for i, (name, words) in enumerate(offers)
        )
        body = f"<body><p>Hello {text(2)}</p><table>{rows}</table></body>"
        html = f"<html><head><style>{style}</style></head>{body}</html>"
        plain = (
            f"Hello {text(2)},\n\n" + "\n\n".join(words for _, words in offers) + f"\n\nnumber-{number}-\n"
        )
        return content(f"Newsletter {number}: {text(4)}", plain, html, to=f"user{number}@example.org")

    tests = {
        f"tests/test_news.py::test_newsletter[{test}]": [
            record(
                *(
                    message(newsletter(10 * test + n), (f"user{10 * test + n}@example.org",))
                    for n in range(10)
                )
            )
        ]
        for test in range(count // 10)
    }
    return report(tests, {test: failure() for test in list(tests)[3::20]})


def test_two_thousand_newsletters(
    page: Page, pictures: Path | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """2,000 mails of 13 kB are a page below 10 MB; of the list only what can be seen is in the document."""
    whole = newsletters(2000)
    mails = [entry for test in whole["tests"] for attempt in test["attempts"] for entry in attempt["entries"]]
    octets = sum(entry["octets"] for entry in mails) // len(mails)
    began = time.perf_counter()
    page.show(whole)
    size = page.path.stat().st_size
    shown = time.perf_counter() - began
    page.open()
    usable = page.run("return performance.now()")
    first = page.chrome.execute_async_script(
        "const done = arguments[0], found = document.getElementById('found');"
        "const field = document.getElementById('search'), began = performance.now();"
        "new MutationObserver(() => done([performance.now() - began, found.textContent]))"
        ".observe(found, {childList: true, characterData: true, subtree: true});"
        "field.value = 'number-1777-'; field.dispatchEvent(new Event('input'));"
    )
    with capsys.disabled():
        print(  # noqa: T201 - the figures that are asked for
            f"\n2,000 mails of {octets} octets: page {size / 1e6:.1f} MB; shown in {shown:.1f} s, "
            f"usable after {usable / 1000:.2f} s, first search in the bodies {first[0] / 1000:.2f} s"
        )
    assert 12_500 < octets < 14_500
    assert size < 10_000_000
    assert first[1] == "1 of 2000"
    assert page.texts("[role=option] .subject")[0].startswith("Newsletter 1777")
    page.search("")
    assert len(page.all("[role=option]")) < 200
    page.one("#list").send_keys(Keys.END)
    assert page.selected.startswith("Newsletter 1999")
    option = page.one("[role=option][aria-selected=true]")
    assert option.get_attribute("aria-posinset") == option.get_attribute("aria-setsize") == "2000"
    assert option.is_displayed()
    if pictures is not None:
        page.chrome.save_screenshot(str(pictures / "many-1280.png"))


JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
"""The policy that Jenkins gives to files by default."""


class Served(http.server.SimpleHTTPRequestHandler):
    """A server of files that does what Jenkins does."""

    def end_headers(self) -> None:
        """Add the policy."""
        self.send_header("Content-Security-Policy", JENKINS)
        super().end_headers()

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002 # its name in the base
        """Say nothing."""


def test_the_page_can_be_read_under_jenkins_policy(page: Page, tmp_path: Path) -> None:
    """Without script and style it is a list that holds what the page promises."""
    (tmp_path / "mail.html").write_text(render(shop()), encoding="utf-8")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Served, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        page.chrome.get(f"http://127.0.0.1:{server.server_address[1]}/mail.html")
        text = page.one("body").text
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    for words in (
        "tests/test_shop.py::test_welcome: failed",
        "AssertionError: no message with text_body=",
        "Invoice 42 – thank you",
        "ada@example.com to bob@example.org, eve@example.net",
        "https://shop.example/pay?id=7&t=abc",
        "attachments: logo.png, ../../terms.pdf",
        "your code is 4711.",
        "RCPT nobody@example.org refused: 550 5.1.1 No such user",
    ):
        assert words in text
    assert not page.one("#app").is_displayed()
