"""pytest's door into the package: hooks and fixtures, and nothing else.

A run that sends no mail pays nothing for this plugin being installed: everything of ours is imported inside
the functions that need it, and whether any server ran is read off `sys.modules`.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_smtp4d import collection, testrun
from pytest_smtp4d.server import ini

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from pytest_smtp4d.server.certificates import CertificateAuthority
    from pytest_smtp4d.server.server import SMTPServer
    from pytest_smtp4d.server.watch import Watch
    from pytest_smtp4d.transporter.transporter import SMTPTransporter

MARKERS = {
    "smtp_server": "(**settings): settings of this test's smtp_server; markers merge, the closest wins.",
    "smtp_fault": "(stage, match=None, **actions): a fault on smtp_server, as its on() declares it.",
    "smtp_sweep": "(stages=None, kinds=None, occurrence=1): run plainly, then with a fault at each stage.",
    "smtp_injection": "(): run with each payload that tries to break out of the place of a user's input.",
    "smtp_intercept": "(ports=None, hosts=None): all mail of this process goes to smtp_server.",
    "smtp_block": "(blocks): False lets this test send mail where the run blocks it (smtp4d_block).",
}

_OUTGOING = "smtp4d-outgoing-mail"
_SERVER = "pytest_smtp4d.server.server"
_PATCH = "pytest_smtp4d.intercept.patch"
_UNREACHED = "smtp4d_unreached"
_run: pytest.StashKey[testrun.TestRun] = pytest.StashKey()
_doomed: pytest.StashKey[str] = pytest.StashKey()
_running: list[pytest.Item] = []
"""The test that runs; where it runs a pytest session of its own inside, that one's test follows."""


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
        choices=("failed", "full", "all", "off"),
        default="failed",
        help="show the SMTP transcript of failed tests (default), the same uncut, of all tests, or never",
    )
    group.addoption(
        "--smtp4d-report",
        metavar="PATH.html",
        default=None,
        help="write one page of all mail of the run, by test (ini: smtp4d_report)",
    )
    group.addoption("--smtp4d-export", metavar="DIR", help="write all mail of the run into a Maildir")
    group.addoption(
        "--smtp4d-intercept",
        action="store_true",
        help="send all mail of every test, whatever host it names, to a server of the run, and judge it",
    )
    group.addoption(
        "--smtp4d-block",
        action="store_true",
        help="refuse every connection to a mail server outside this machine, and fail the test that tried",
    )
    for name, meaning in ini.MEANINGS.items():
        parser.addini(ini.PREFIX + name, meaning, default=None)
    for name in ini.SETTINGS:
        parser.addini(ini.PREFIX + name, f"default of the setting `{name}` of every server", default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; refuse an ini value that cannot be."""
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", name + meaning)
    try:
        ini.seconds(config)
        ini.checked_settings(config)
        _configure_outgoing_mail(config)
        _configure_reports(config)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def _configure_reports(config: pytest.Config) -> None:
    """Register the hooks of the reports where one is asked for, ours or one that we give something."""
    options = ("smtp4d_report", "smtp4d_export", "xmlpath", "htmlpath", "allure_report_dir")
    asked = ini.value(config, "report") or any(config.getoption(name, default=None) for name in options)
    if not asked or config.getoption("collectonly", default=False):
        return
    from pytest_smtp4d.report.hooks import Reports

    def watch_of(item: pytest.Item) -> Watch | None:
        run = item.stash.get(_run, None)
        return run.watch if run is not None else None

    config.pluginmanager.register(Reports(config, watch_of), "smtp4d-reports")


def _configure_outgoing_mail(config: pytest.Config) -> None:
    """Redirect or block the mail of the run, where an option or the ini says so."""
    intercepts = config.getoption("smtp4d_intercept") or ini.flag(config, "intercept")
    block = config.getoption("smtp4d_block") or ini.block(config)
    allow = ini.words(config, "block_allow")
    if not intercepts and block is False and not allow:
        return
    from pytest_smtp4d.intercept.hooks import register

    def make_server(suite: Mapping[str, Any]) -> SMTPServer:
        from pytest_smtp4d.server.server import SMTPServer

        return SMTPServer(**{**ini.settings(config), **suite})

    register(config, intercepts=bool(intercepts), block=block, allow=allow, make_server=make_server)


def _intercepts_all(config: pytest.Config) -> bool:
    """Whether all mail of the run is redirected to its own server."""
    plugin: Any = config.pluginmanager.get_plugin(_OUTGOING)
    return plugin is not None and plugin.intercepts


# Collection


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Lay out sweeps and injections; what is wrong with a marker is told by the report on the collection."""
    marks = list(metafunc.definition.iter_markers())
    names = {mark.name for mark in marks}
    if names.isdisjoint({"smtp_sweep", "smtp_injection"}):
        return
    from pytest_smtp4d.errors import SettingsError
    from pytest_smtp4d.faults.injection import injection_of
    from pytest_smtp4d.server.marker import sweep_of

    is_served = "smtp_server" in metafunc.fixturenames or _intercepts_all(metafunc.config)
    with suppress(SettingsError):
        if is_served and (sweep := sweep_of(marks)):
            metafunc.fixturenames.append("_smtp_markers")
            metafunc.parametrize("_smtp_markers", sweep.points, ids=sweep.ids, indirect=True)
        if injection := injection_of(marks, metafunc.fixturenames):
            metafunc.parametrize("payload", injection.payloads, ids=injection.ids)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Make a marker that could not act a collection error, wherever it stands."""
    report = yield
    for item in report.result:
        if not isinstance(item, pytest.Item):
            continue
        if wrong := collection.wrong(item, intercepts_all=_intercepts_all(item.config)):
            report.outcome, report.longrepr, report.result = "failed", f"{item.nodeid}: {wrong}", []
            break
    return report


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let the markers act before any other function-scoped fixture, on the tests that use the server."""
    if not hasattr(item, "_fixtureinfo"):
        return
    names: list[str] = getattr(item, "fixturenames", [])
    is_redirected = "smtp_intercept" in names or item.get_closest_marker("smtp_intercept") is not None
    if is_redirected and "smtp_intercept" not in names:
        collection.request_early(item, "smtp_intercept")
    if "_smtp_markers" in names or not collection.marks_of(item):
        return
    is_served = not {"smtp_server", "make_transporter"}.isdisjoint(names)
    if is_served or is_redirected or _intercepts_all(item.config):
        collection.request_early(item, "_smtp_markers")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Find markers that act on no test; give each test that uses a server a time-out, unless one is set."""
    if not _intercepts_all(config):
        for item, words in collection.without_server(items):
            item.stash[_doomed] = words
    seconds = ini.seconds(config)
    if not seconds or not config.pluginmanager.hasplugin("timeout"):
        return
    if config.getoption("timeout") is not None or config.getini("timeout") or "PYTEST_TIMEOUT" in os.environ:
        return
    for item in items:
        mark = item.get_closest_marker("timeout")
        is_set = mark is not None and (mark.args or "timeout" in mark.kwargs)
        if not is_set and collection.reaches_a_server(item):
            method = {} if mark is None else mark.kwargs  # it sets the method only
            item.add_marker(pytest.mark.timeout(seconds, **method), append=False)


# One test


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Cut every session when Ctrl-C is pressed, so that nothing hangs that unwinds."""
    if not collection.reaches_a_server(item) and _SERVER not in sys.modules:
        return (yield)
    from pytest_smtp4d.timeout import cut_on_interrupt

    with cut_on_interrupt():
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin to watch."""
    path, line, _ = item.location
    marks, own = collection.marks_of(item), collection.own_marks_of(item)
    item.stash[_run] = testrun.TestRun(item.name, f"{path}:{(line or 0) + 1}", marks, own)
    _running.append(item)
    if _doomed in item.stash:
        pytest.fail(item.stash[_doomed], pytrace=False)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge what is certain when a body has passed; skip a sweep's item whose stage was not reached."""
    __tracebackhide__ = True
    run = item.stash.get(_run, None)
    if run is None:
        return (yield)
    result = yield
    if run.has_failed or getattr(item, "_excinfo", None):  # a subtest's, or a TestCase's own
        return result
    if run.swept and not run.swept.is_reached:
        words = f"the client never reached {run.swept.stage}"
        raise pytest.skip.Exception(words, _use_item_location=True)
    run.judge_body()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Judge what could still come, after the fixtures of a test that passed are torn down."""
    __tracebackhide__ = True
    run = item.stash.get(_run, None)
    if run is None:  # it was never set up
        return (yield)
    try:
        with run.undo:
            result = yield
            if run.passed:
                run.judge_rest()
    finally:
        run.end()
        _running.remove(item)
        if patch := sys.modules.get(_PATCH):
            patch.sweep()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the transcript to a failure, and the verdict where it cannot fail the test any more."""
    if call.excinfo is not None and not item.config.getoption("fulltrace", default=False):
        _end_at_the_users_line(call.excinfo.value)
    report = yield
    run = item.stash.get(_run, None)
    if run is None:
        return report
    if call.excinfo is not None and _is_our_verdict(call.excinfo):
        report.longrepr = _verdict_words(item, call.excinfo)
    if call.when == "call":
        run.has_failed = run.has_failed or report.failed
        run.passed = report.passed and not run.has_failed
        if report.skipped and run.swept and not run.swept.is_reached:
            setattr(report, _UNREACHED, True)
    wanted = item.config.getoption("smtp4d_transcript")
    if call.excinfo is not None and _is_settings_error(call.excinfo.value):
        wanted = "off"  # what is wrong stands in the test, and nothing was sent for it
    report.sections.extend(run.sections(outcome=report.outcome, when=report.when, wanted=wanted))
    if call.when == "teardown":
        del item.stash[_run]  # pytest keeps items to the end of the run: not so their messages
    return report


def _end_at_the_users_line(error: BaseException) -> None:
    """Leave our frames out of an error of ours: pytest shows the arguments of frames, and some are secret."""
    errors = sys.modules.get("pytest_smtp4d.errors")
    if errors is None or not isinstance(error, errors.SMTP4DError):
        return
    error.__suppress_context__ = error.__cause__ is None  # what it came from was raised by frames of ours
    entry, last = error.__traceback__, None
    while entry is not None:
        if not entry.tb_frame.f_globals.get("__name__", "").startswith("pytest_smtp4d."):
            last = entry
        entry = entry.tb_next
    if last is not None:
        last.tb_next = None


def _is_settings_error(error: BaseException) -> bool:
    errors = sys.modules.get("pytest_smtp4d.errors")
    return errors is not None and isinstance(error, errors.SettingsError)


def _is_our_verdict(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Return whether a verdict was raised by this plugin, and not by the user's call of `check`."""
    watching = sys.modules.get("pytest_smtp4d.server.watch")
    if watching is None or not isinstance(excinfo.value, watching.Verdict):
        return False
    return excinfo.traceback[-1].name == "raise_verdict" and not any(
        entry.name == "check" for entry in excinfo.traceback
    )


def _verdict_words(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """Return the words of a verdict as a failure at the test's own line, without a traceback of ours."""
    shown = excinfo.getrepr(style="value")
    with suppress(ImportError):  # pytest's name for where something crashed is not public
        from _pytest._code.code import ReprFileLocation

        path, line, _ = item.location
        shown.reprcrash = ReprFileLocation(path, (line or 0) + 1, str(excinfo.value))
    return shown


def pytest_report_teststatus(report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
    """Count the items of a sweep whose stage was not reached under a word of their own."""
    return ("unreached", "u", "UNREACHED") if getattr(report, _UNREACHED, False) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the transcripts of tests that passed, when asked for all."""
    if config.getoption("smtp4d_transcript") != "all":
        return
    shown = [
        (report.head_line or report.nodeid, text)
        for report in terminalreporter.stats.get("", [])
        if report.when == "teardown"
        for title, text in report.sections
        if title == testrun.TRANSCRIPT
    ]
    if shown:
        terminalreporter.section("SMTP transcripts")
    for test, text in shown:
        terminalreporter.section(test, "_")
        terminalreporter.line(text)


@pytest.hookimpl(optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Cut every session and show the transcript when pytest-timeout strikes."""
    if not collection.reaches_a_server(item) and _SERVER not in sys.modules:
        return None
    from pytest_smtp4d.timeout import set_timer

    set_timer(item, settings, lambda words: _show_now(item, words))
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_keyboard_interrupt() -> None:
    """Show the transcript of the test that was interrupted."""
    if _running:
        _show_now(_running[-1], "interrupted")


def _show_now(item: pytest.Item, words: str) -> None:
    """Write the transcript so far past pytest's capturing, or send it to xdist's controller."""
    run = item.stash.get(_run, None)
    if run is None or run.watch is None or item.config.getoption("smtp4d_transcript") == "off":
        return
    text = run.watch.transcript()
    if hasattr(item.config, "workerinput"):  # nobody sees what a worker of xdist writes
        sections = [(testrun.TRANSCRIPT, text)]
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", words, "call", sections)
        item.ihook.pytest_runtest_logreport(report=report)
        return
    capture = item.config.pluginmanager.getplugin("capturemanager")
    if capture:
        capture.suspend_global_capture(item)
    stream = sys.__stderr__ or sys.stderr
    stream.write(f"\n{f' {testrun.TRANSCRIPT} ':+^80}\n{text}\n")
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

        server = SMTPServer(**{**ini.settings(config), **defaults, **settings})
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

    settings = settings_of(collection.marks_of(request.node))
    plugin: Any = request.config.pluginmanager.get_plugin(_OUTGOING)
    if plugin is None or not plugin.intercepts:
        server = make_smtp_server(**settings)
    else:
        server = plugin.server()
        server.configure(**settings)
    if "_smtp_markers" not in request.fixturenames:  # it was asked for while the test ran
        request.node.stash[_run].act(server)
    return server


@pytest.fixture
def smtp_intercept(
    request: pytest.FixtureRequest, smtp_server: SMTPServer, smtp_trust: Path
) -> Iterator[SMTPServer]:
    """`smtp_server`, to which all mail of this process goes now, whatever host it names."""
    from pytest_smtp4d.intercept.hooks import intercepting_for
    from pytest_smtp4d.intercept.target import Allowed

    allowed = Allowed(ini.words(request.config, "block_allow"))
    with intercepting_for(request.node, smtp_server, allowed):
        yield smtp_server


@pytest.fixture
def _smtp_markers(request: pytest.FixtureRequest, smtp_server: object) -> None:
    """Make the markers act on the fixture named smtp_server, whoever defined it and whatever its scope."""
    request.node.stash[_run].act(smtp_server, getattr(request, "param", None))


@pytest.fixture
def smtp_django(smtp_server: SMTPServer, smtp_trust: Path) -> Iterator[SMTPServer]:
    """`smtp_server`, to which Django's mail settings point, with its SMTP backend and the CA trusted."""
    from pytest_smtp4d.intercept.django_settings import pointing_django_at

    with pointing_django_at(smtp_server):
        yield smtp_server


# Clients


@pytest.fixture
def make_transporter(request: pytest.FixtureRequest) -> Iterator[MakeTransporter]:
    """A factory of transporters that trust the server and are closed when the test ends."""
    at_the_end = ExitStack()

    def make(server: SMTPServer | None = None, **options: Any) -> SMTPTransporter:
        from pytest_smtp4d.transporter.options import Given
        from pytest_smtp4d.transporter.transporter import SMTPTransporter

        given = Given(server=None, keywords=options)
        del options  # a traceback shows what stands in a frame, and this holds secrets
        if server is None:
            server = request.getfixturevalue("smtp_server")
        if not hasattr(server, "client_options"):
            from pytest_smtp4d.errors import SettingsError

            raise SettingsError(f"make_transporter takes a server of ours first, not {type(server).__name__}")
        times = {"connection_time_out": 2, "send_time_out": 5}
        given["keywords"] = {**times, **server.client_options(), **given["keywords"]}
        transporter = SMTPTransporter(given)
        at_the_end.callback(transporter.close)
        with suppress(AssertionError):  # the test is being torn down, and takes no finalizer any more
            # The last finalizer that is added is the first to run: before the server stops.
            request.node.addfinalizer(transporter.close)
        return transporter

    with at_the_end:
        yield make


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
