"""pytest's door into the package: hooks and fixtures, and nothing else.

A run that sends no mail pays nothing for this plugin being installed: everything of ours is imported inside
the functions that need it, and whether any server ran is read off `sys.modules`.

The one thing to know: a test is judged and explained by a `Watch` (see `server.watch`), what every server of
the process did from the test's setup to its teardown, whoever started it.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from pytest_smtp4d.faults.fault import Fault
    from pytest_smtp4d.server.certificates import CertificateAuthority
    from pytest_smtp4d.server.server import SMTPServer
    from pytest_smtp4d.server.watch import Watch
    from pytest_smtp4d.transporter.transporter import SMTPTransporter

SERVER_FIXTURES = frozenset(
    {"make_smtp_server", "make_transporter", "smtp_server", "smtp_server_factory", "transporter"}
)
"""A test that requests one of these uses a server: it gets the time-out."""

MARKERS = {
    "smtp_server": "(**settings): settings of this test's smtp_server; markers merge, the closest wins.",
    "smtp_fault": "(stage, match=None, **actions): a fault on smtp_server, as its on() declares it.",
    "smtp_sweep": "(stages=None, kinds=None, occurrence=1): run plainly, then with a fault at each stage.",
}

INI_SETTINGS: dict[str, Literal["args", "bool", "linelist", "string"]] = {
    "host": "string",
    "port": "string",
    "allow_remote": "bool",
    "tls": "string",
    "require_tls": "bool",
    "certificate": "string",
    "client_certificate": "string",
    "tls_versions": "args",
    "users": "linelist",
    "tokens": "linelist",
    "auth": "args",
    "require_auth": "bool",
    "auth_without_tls": "bool",
    "size_limit": "string",
    "recipient_limit": "string",
    "extensions": "args",
    "esmtp": "bool",
    "greylist": "string",
    "strict": "bool",
    "ignore_violations": "args",
}
"""Every setting is an ini of this type too, `smtp4d_` before its name; accounts are lines `user: secret`."""

REPORT_SETTINGS: dict[str, tuple[str, Literal["linelist", "string"]]] = {
    "report": ("the path of --smtp4d-report, from this file's folder", "string"),
    "report_tests": ("whose mails the page shows: all (default) or failed", "string"),
    "report_limit": ("octets of the page (default: 25000000)", "string"),
    "report_attachments": (
        "attachments above 1 MiB: small (default) leaves them out, all keeps them",
        "string",
    ),
    "report_redact": ("regular expressions, one a line: what they match is not written", "linelist"),
}
"""What the page can be told, each an ini `smtp4d_` and its name."""

_WATCH = "pytest_smtp4d.server.watch"
_TRANSCRIPT = "SMTP transcript"


@dataclass
class _Course:
    """What is known of a test while it runs."""

    watch: Watch | None
    passed: bool = False
    undo: ExitStack = field(default_factory=ExitStack)
    swept: Fault | None = None

    @property
    def servers(self) -> Watch | None:
        """What the servers did during this test, or None where there were none."""
        if self.watch is None and (watching := sys.modules.get(_WATCH)):
            self.watch = watching.current  # its first, which began with the import: during this test
        return self.watch if self.watch is not None and self.watch.servers else None


_course: pytest.StashKey[_Course] = pytest.StashKey()


class MakeSMTPServer(Protocol):
    """What `make_smtp_server` and `smtp_server_factory` are: settings in, a running server out."""

    def __call__(self, **settings: Any) -> SMTPServer:
        """Start a server."""
        ...


class MakeTransporter(Protocol):
    """What `make_transporter` is: a server (default: `smtp_server`) and options in, a transporter out."""

    def __call__(self, server: SMTPServer | None = None, **options: Any) -> SMTPTransporter:
        """Make a transporter; nothing is opened."""
        ...


# Options and markers


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the group `smtp4d`."""
    group = parser.getgroup("smtp4d", "SMTP server and transporter")
    group.addoption(
        "--smtp4d-transcript",
        choices=("failed", "all", "off"),
        default="failed",
        help="show the SMTP transcript of failed tests (default), of all tests, or never",
    )
    group.addoption(
        "--smtp4d-report",
        metavar="PATH.html",
        default=None,
        help="write one page of all mail of the run, by test (ini: smtp4d_report)",
    )
    group.addoption("--smtp4d-export", metavar="DIR", help="write all mail of the run into a Maildir")
    for name, (meaning, report_kind) in REPORT_SETTINGS.items():
        parser.addini(f"smtp4d_{name}", meaning, type=report_kind, default=None)
    for name, kind in INI_SETTINGS.items():
        meaning = f"default of the setting `{name}` of every server"
        parser.addini(f"smtp4d_{name}", meaning, type=kind, default=None)
    parser.addini(
        "smtp4d_timeout",
        "seconds a test that uses a server may take, through pytest-timeout; 0: no limit (default: 60)",
        default="60",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; refuse an ini value that cannot be."""
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", name + meaning)
    _server_timeout(config)
    settings = _ini_settings(config)
    if settings:
        from pytest_smtp4d.errors import SettingsError
        from pytest_smtp4d.server.settings import ServerSettings

        try:
            ServerSettings.from_mapping(settings)
        except SettingsError as error:
            raise pytest.UsageError(f"ini: smtp4d_{error}") from None
    _register_reports(config)


def _register_reports(config: pytest.Config) -> None:
    """Register the hooks of the reports where one is asked for, ours or one that we give something."""
    options = ("smtp4d_report", "smtp4d_export", "xmlpath", "htmlpath", "allure_report_dir")
    if config.getoption("collectonly", default=False) or not (
        config.getini("smtp4d_report") or any(config.getoption(option, default=None) for option in options)
    ):
        return
    from pytest_smtp4d.report.hooks import Reports

    def watch_of(item: pytest.Item) -> Watch | None:
        course = item.stash.get(_course, None)
        return course.servers if course else None

    config.pluginmanager.register(Reports(config, watch_of), "smtp4d_reports")


def _ini_settings(config: pytest.Config) -> dict[str, Any]:
    """Return the settings that the ini file gives, in the types that settings have."""
    settings: dict[str, Any] = {}
    for name, kind in INI_SETTINGS.items():
        value = config.getini(f"smtp4d_{name}")
        if value is None:
            continue
        if kind == "args":
            value = tuple(value)
        elif kind == "linelist":
            value = "*" if value == ["*"] else dict(_account(name, line) for line in value)
        elif name in ("port", "size_limit", "recipient_limit", "greylist"):
            value = _number(value)
        settings[name] = value
    return settings


def _account(name: str, line: str) -> tuple[str, str]:
    user, colon, secret = line.partition(":")
    if not colon:
        raise pytest.UsageError(f"ini: smtp4d_{name} has a line without a colon: write `user: secret`")
    return user.strip(), secret.strip()


def _number(text: str) -> object:
    """Return the number that a text is, or the text: the setting's own check then says what it should be."""
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def _server_timeout(config: pytest.Config) -> float:
    value = config.getini("smtp4d_timeout")
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise pytest.UsageError(f"smtp4d_timeout is {value!r}: give a number of seconds, or 0 for no limit")
    return seconds


# Collection


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Lay out a sweep; what is wrong with its marker is told by the report on the collection."""
    marks = [mark for mark in metafunc.definition.iter_markers() if mark.name == "smtp_sweep"]
    if not marks or "smtp_server" not in metafunc.fixturenames:
        return
    from pytest_smtp4d.errors import SettingsError
    from pytest_smtp4d.server.marker import sweep_of

    with suppress(SettingsError):
        if sweep := sweep_of(marks):
            metafunc.fixturenames.append("_smtp_markers")
            metafunc.parametrize("_smtp_markers", sweep.points, ids=sweep.ids, indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Make a marker that could not act a collection error, wherever it stands."""
    report = yield
    for item in report.result:
        if isinstance(item, pytest.Item) and (wrong := _wrong(item)):
            report.outcome, report.longrepr, report.result = "failed", f"{item.nodeid}: {wrong}", []
            break
    return report


def _marks(item: pytest.Item) -> list[pytest.Mark]:
    """Return our marks of an item, the closest first: a parameter's before its function's."""
    marks = [mark for mark in item.iter_markers() if mark.name in MARKERS]
    of_parameters = getattr(getattr(item, "callspec", None), "marks", ())
    return sorted(marks, key=lambda mark: mark not in of_parameters)


def _wrong(item: pytest.Item) -> str:
    """Return why the markers of an item could not act, or ""."""
    marks = _marks(item)
    if not marks:
        return ""
    from pytest_smtp4d.errors import SettingsError
    from pytest_smtp4d.server.marker import check, sweep_of

    try:
        check(marks)
        sweep = sweep_of(marks)
    except SettingsError as error:
        return str(error)
    if sweep and "smtp_server" not in getattr(item, "fixturenames", ()):
        return "smtp_sweep: the test does not use the fixture smtp_server: request it"
    if sweep and "_smtp_markers" not in getattr(getattr(item, "callspec", None), "params", ()):
        return "smtp_sweep: it stands on a function, a class or a module, not on a parameter or in a TestCase"
    return ""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let the markers act before any other function-scoped fixture, on the tests that use the server."""
    names: list[str] = getattr(item, "fixturenames", [])
    if "_smtp_markers" in names or {"smtp_server", "make_transporter"}.isdisjoint(names):
        return
    if _marks(item):
        definitions = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined] # noqa: SLF001
        wider = (name for name in names if name in definitions and definitions[name][-1].scope != "function")
        names.insert(sum(1 for _ in wider), "_smtp_markers")  # the names are sorted by scope


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test that uses a server a time-out, unless the user set one anywhere."""
    seconds = _server_timeout(config)
    if not seconds or not config.pluginmanager.hasplugin("timeout"):
        return
    if config.getoption("timeout") is not None or config.getini("timeout") or "PYTEST_TIMEOUT" in os.environ:
        return
    for item in items:
        if SERVER_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            continue
        mark = item.get_closest_marker("timeout")
        if mark is None:
            item.add_marker(pytest.mark.timeout(seconds))
        elif not mark.args and "timeout" not in mark.kwargs:  # it sets the method only
            item.add_marker(pytest.mark.timeout(seconds, **mark.kwargs), append=False)


# One test


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin to watch. Where no server ever ran there is nothing to import for it."""
    watching = sys.modules.get(_WATCH)
    item.stash[_course] = _Course(watching.begin() if watching else None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Skip a sweep's item that passed without its stage being reached."""
    __tracebackhide__ = True
    result = yield
    course = item.stash.get(_course, None)
    if course and course.swept and not course.swept.hits:
        words = f"the client never reached {course.swept.stage}"
        raise pytest.skip.Exception(words, _use_item_location=True)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that passed, after its fixtures are torn down, when the strict verdict is against it."""
    __tracebackhide__ = True
    course = item.stash.get(_course, None)
    if course is None:  # it was never set up
        return (yield)
    with course.undo:
        result = yield
        if course.passed and course.servers and (problems := course.servers.problems()):
            pytest.fail("\n".join(problems), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the transcript to a failure, and the verdict where it cannot fail the test any more."""
    if call.excinfo is not None and not item.config.getoption("fulltrace", default=False):
        _end_at_the_users_line(call.excinfo.value)
    report = yield
    course = item.stash.get(_course, None)
    if course is None:
        return report
    if call.when == "call":
        course.passed = report.passed
    report.sections.extend(_sections(item.config, report, course))
    if call.when == "teardown":
        del item.stash[_course]  # pytest keeps items to the end of the run: not so their messages
    return report


def _end_at_the_users_line(error: BaseException) -> None:
    """Leave our frames out of an error of ours: pytest shows the arguments of frames, and some are secret."""
    errors = sys.modules.get("pytest_smtp4d.errors")
    if errors is None or not isinstance(error, errors.SMTP4DError):
        return
    entry, last = error.__traceback__, None
    while entry is not None:
        if not entry.tb_frame.f_globals.get("__name__", "").startswith("pytest_smtp4d."):
            last = entry
        entry = entry.tb_next
    if last is not None:
        last.tb_next = None


def _sections(config: pytest.Config, report: pytest.TestReport, course: _Course) -> Iterator[tuple[str, str]]:
    watch = course.servers
    if watch is None:
        return
    if not report.passed and report.when != "teardown" and (problems := watch.problems()):
        yield "SMTP verdict", "\n".join(problems)
    wanted = config.getoption("smtp4d_transcript")
    is_last_of_passed = report.when == "teardown" and course.passed
    if (report.failed and wanted != "off") or (is_last_of_passed and wanted == "all"):
        yield _TRANSCRIPT, watch.transcript()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the transcripts of tests that passed, when asked for all."""
    if config.getoption("smtp4d_transcript") != "all":
        return
    shown = [
        (report.head_line or report.nodeid, text)
        for report in terminalreporter.stats.get("", [])
        if report.when == "teardown"
        for title, text in report.sections
        if title == _TRANSCRIPT
    ]
    if shown:
        terminalreporter.section("SMTP transcripts")
    for test, text in shown:
        terminalreporter.section(test, "_")
        terminalreporter.line(text)


# pytest-timeout


@pytest.hookimpl(optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Show the transcript before pytest-timeout's thread ends the process (its signal fails the test)."""
    import threading

    in_main = threading.current_thread() is threading.main_thread()
    if settings.method == "signal" and in_main:
        return None
    import pytest_timeout

    def expire() -> None:
        try:
            if settings.disable_debugger_detection or not pytest_timeout.is_debugging():
                _show_transcript_now(item, f"Timeout (>{settings.timeout} s) from pytest-timeout")
        finally:
            pytest_timeout.timeout_timer(item, settings)

    timer = threading.Timer(settings.timeout, expire)
    timer.name = f"{__name__} {item.nodeid}"

    def cancel() -> None:
        timer.cancel()
        timer.join()

    item.cancel_timeout = cancel  # type: ignore[attr-defined] # where pytest-timeout looks for it
    timer.start()
    return True


def _show_transcript_now(item: pytest.Item, words: str) -> None:
    """Write the transcript so far past pytest's capturing, or send it to xdist's controller."""
    course = item.stash.get(_course, None)
    if course is None or not course.servers or item.config.getoption("smtp4d_transcript") == "off":
        return
    text = course.servers.transcript()
    if hasattr(item.config, "workerinput"):  # nobody sees what a worker of xdist writes
        report = pytest.TestReport(
            item.nodeid, item.location, {}, "failed", words, "call", [(_TRANSCRIPT, text)]
        )
        item.ihook.pytest_runtest_logreport(report=report)
        return
    capture = item.config.pluginmanager.getplugin("capturemanager")
    if capture:
        capture.suspend_global_capture(item)
    stream = sys.__stderr__ or sys.stderr
    stream.write(f"\n{f' {_TRANSCRIPT} ':+^80}\n{text}\n")
    stream.flush()


# Servers


@pytest.fixture(scope="session")
def smtp_server_settings() -> Mapping[str, Any]:
    """The suite's own defaults for every server: override this fixture to return a dict of settings."""
    return {}


@pytest.fixture(scope="session")
def smtp_ca() -> CertificateAuthority:
    """The authority that signs the servers' certificates (made by trustme when first needed)."""
    from pytest_smtp4d.server.certificates import authority

    return authority()


def _server_maker(config: pytest.Config, defaults: Mapping[str, Any], stack: ExitStack) -> MakeSMTPServer:
    """Return a factory of running servers, all of which `stack` stops."""

    def make(**settings: Any) -> SMTPServer:
        from pytest_smtp4d.server.server import SMTPServer

        server = SMTPServer(**{**_ini_settings(config), **defaults, **settings})
        stack.enter_context(server)
        return server

    return make


@pytest.fixture(scope="session")
def smtp_server_factory(
    pytestconfig: pytest.Config, smtp_server_settings: Mapping[str, Any]
) -> Iterator[MakeSMTPServer]:
    """A factory of servers that live until the session ends: for a server fixture of any scope."""
    with ExitStack() as stack:
        yield _server_maker(pytestconfig, smtp_server_settings, stack)


@pytest.fixture
def make_smtp_server(
    pytestconfig: pytest.Config, smtp_server_settings: Mapping[str, Any]
) -> Iterator[MakeSMTPServer]:
    """A factory of servers that are stopped when the test ends."""
    with ExitStack() as stack:
        yield _server_maker(pytestconfig, smtp_server_settings, stack)


@pytest.fixture
def smtp_server(request: pytest.FixtureRequest, make_smtp_server: MakeSMTPServer) -> SMTPServer:
    """A real SMTP server on loopback, on a port the system chose, that misbehaves on command."""
    from pytest_smtp4d.server.marker import settings_of

    return make_smtp_server(**settings_of(_marks(request.node)))


@pytest.fixture
def _smtp_markers(request: pytest.FixtureRequest, smtp_server: SMTPServer) -> None:
    """Make the markers act on the fixture named smtp_server, whoever defined it and whatever its scope.

    What is changed is put back after the verdict, which is the last to need it.
    """
    from pytest_smtp4d.server import watch
    from pytest_smtp4d.server.marker import declare_faults, settings_of, sweep_of

    marks = _marks(request.node)
    course = request.node.stash[_course]
    before = smtp_server.settings
    settings = settings_of(marks)
    if before != before.replace(**settings):
        course.undo.callback(smtp_server.configure, **{name: before.given[name] for name in settings})
        smtp_server.configure(**settings)
    path, line, _ = request.node.location
    for fault in declare_faults(marks, smtp_server.rules, f"{path}:{(line or 0) + 1}"):
        watch.current.declared(smtp_server, fault)
        course.undo.callback(smtp_server.rules.remove, fault)
    point = getattr(request, "param", None)
    if point and (sweep := sweep_of(marks)):
        course.swept = sweep.disturb(smtp_server.rules, point)
        smtp_server.active_fault = point
        course.undo.callback(smtp_server.rules.remove, course.swept)
        course.undo.callback(setattr, smtp_server, "active_fault", None)


# Clients


@pytest.fixture
def make_transporter(request: pytest.FixtureRequest) -> MakeTransporter:
    """A factory of transporters that trust the server and are closed when the test ends."""

    def make(server: SMTPServer | None = None, **options: Any) -> SMTPTransporter:
        from pytest_smtp4d.transporter.transporter import SMTPTransporter

        if server is None:
            server = request.getfixturevalue("smtp_server")
        defaults = {"connection_time_out": 2, "send_time_out": 5, **server.client_options()}
        transporter = SMTPTransporter(**{**defaults, **options})
        request.node.addfinalizer(
            transporter.close
        )  # the last added is the first done: before the server stops
        return transporter

    return make


@pytest.fixture
def transporter(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> SMTPTransporter:
    """A complete SMTP client, made for `smtp_server`."""
    return make_transporter(smtp_server)


@pytest.fixture
def smtp_trust(
    smtp_ca: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Make default TLS contexts trust `smtp_ca` beside the system's roots, here and in child processes."""
    import ssl
    from pathlib import Path

    bundle = tmp_path_factory.mktemp("smtp_trust") / "roots-and-smtp-ca.pem"
    roots = ssl.get_default_verify_paths().cafile
    bundle.write_bytes(
        (Path(roots).read_bytes() if roots else b"") + b"\n" + Path(smtp_ca.ca_file).read_bytes()
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", smtp_ca.ca_file)
    return bundle
