"""pytest's door into the package: hooks and fixtures, and nothing else.

A run that sends no mail pays nothing for this plugin being installed: everything of ours is imported inside
the functions that need it, and whether any server ran is read off `sys.modules`.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d import collection, options, testrun
from pytest_smtp4d.server import ini

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from pytest_smtp4d import factories
    from pytest_smtp4d.server.certificates import CertificateAuthority
    from pytest_smtp4d.server.server import SMTPServer
    from pytest_smtp4d.server.watch import Watch
    from pytest_smtp4d.transporter.transporter import SMTPTransporter

_OUTGOING = "smtp4d-outgoing-mail"
_SERVER = "pytest_smtp4d.server.server"
_PATCH = "pytest_smtp4d.intercept.patch"
_UNREACHED = "smtp4d_unreached"
_run: pytest.StashKey[testrun.TestRun] = pytest.StashKey()
_reached: pytest.StashKey[tuple[tuple[str, ...], bool]] = pytest.StashKey()
_ini: pytest.StashKey[Mapping[str, Any]] = pytest.StashKey()
_doomed: pytest.StashKey[str] = pytest.StashKey()
_running: list[pytest.Item] = []
"""The test that runs; where it runs a pytest session of its own inside, that one's test follows."""


def _run_of(item: pytest.Item) -> testrun.TestRun | None:
    """Return what is known of a test that runs."""
    return item.stash.get(_run, None)


def _reaches_a_server(item: pytest.Item) -> bool:
    """Return whether a test's fixtures come to one of ours; looked up once for the same fixtures."""
    names = tuple(getattr(item, "fixturenames", ()))
    known = item.stash.get(_reached, None)
    if known is None or known[0] != names:
        known = item.stash[_reached] = names, collection.reaches_a_server(item)
    return known[1]


# Options and markers


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the group `smtp4d`."""
    options.declare(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; refuse an ini value that cannot be."""
    for name, meaning in options.MARKERS.items():
        config.addinivalue_line("markers", name + meaning)
    try:
        ini.seconds(config)
        config.stash[_ini] = ini.checked_settings(config)
        _configure_outgoing_mail(config)
        _configure_reports(config)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def _configure_reports(config: pytest.Config) -> None:
    """Register the hooks of the reports where one is asked for, ours or one that we give something."""
    reports = ("smtp4d_report", "smtp4d_export", "xmlpath", "htmlpath", "allure_report_dir")
    asked = any(config.getoption(name, default=None) for name in reports)
    if ini.gives(config, "report", "report_tests", "report_limit", "report_attachments", "report_redact"):
        from pytest_smtp4d.report.settings import Settings

        asked = Settings.of(config).page is not None or asked
    if not asked or config.getoption("collectonly", default=False):
        return
    from pytest_smtp4d.report.hooks import Reports

    def watch_of(item: pytest.Item) -> Watch | None:
        run = _run_of(item)
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

        return SMTPServer(**dict(_suite_settings(config, suite)))

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
    if collection.is_ours(item, "smtp_server") and not collection.is_swept(item):
        collection.request_early(item, "smtp_server")  # and that lets them act
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
    limit = pytest.mark.timeout(seconds)
    for item in items:
        mark = item.get_closest_marker("timeout")
        is_set = mark is not None and (mark.args or "timeout" in mark.kwargs)
        if not is_set and _reaches_a_server(item):
            own = limit if mark is None else limit.with_args(**mark.kwargs)  # its own sets the method only
            item.add_marker(own, append=False)


# One test


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Cut every session when Ctrl-C is pressed, so that nothing hangs that unwinds."""
    if not _reaches_a_server(item) and _SERVER not in sys.modules:
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
        from pytest_smtp4d import failure

        failure.end_at_the_users_line(call.excinfo.value)
    report = yield
    run = _run_of(item)
    if run is None:
        return report
    wanted = item.config.getoption("smtp4d_transcript")
    if call.excinfo is not None:
        from pytest_smtp4d import failure

        if timing := sys.modules.get("pytest_smtp4d.timeout"):
            timing.note_failure(call.excinfo.value)
        if failure.is_our_verdict(call.excinfo):
            report.longrepr = failure.verdict_words(item, call.excinfo)
        if failure.is_settings_error(call.excinfo.value):
            wanted = "off"  # what is wrong stands in the test, and nothing was sent for it
    if call.when == "call":
        run.has_failed = run.has_failed or report.failed
        run.passed = report.passed and not run.has_failed
        if report.skipped and run.swept and not run.swept.is_reached:
            setattr(report, _UNREACHED, True)
    if not report.passed or wanted == "all":
        report.sections.extend(run.sections(outcome=report.outcome, when=report.when, wanted=wanted))
    if call.when == "teardown":
        del item.stash[_run]  # pytest keeps items to the end of the run: not so their messages
    return report


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
    if not _reaches_a_server(item) and _SERVER not in sys.modules:
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
    """Show the transcript of a test that runs."""
    from pytest_smtp4d import failure

    failure.show_now(item, _run_of(item), words)


# Servers


@pytest.fixture(scope="session")
def smtp_server_settings() -> Mapping[str, Any]:
    """The suite's own defaults for every server: override this fixture to return a dict of settings.
    >>> @pytest.fixture(scope="session")
    ... def smtp_server_settings() -> SettingsDict:
    ...     return {"tls": "implicit", "users": {"ada": "secret"}}
    """
    return {}


def _suite_settings(config: pytest.Config, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the defaults of a suite's servers: what the ini file says, and the fixture over it."""
    of_ini = config.stash[_ini]
    return {**of_ini, **settings} if of_ini else settings


@pytest.fixture(scope="session")
def smtp_ca() -> CertificateAuthority:
    """The authority that signs the servers' certificates (made by trustme when first needed).
    >>> def test_client(smtp_server, smtp_ca):
    ...     client = MyClient(smtp_server.host, smtp_server.port, ca_file=smtp_ca.ca_file)
    """
    from pytest_smtp4d.server.certificates import authority

    return authority()


@pytest.fixture(scope="session")
def smtp_server_factory(
    pytestconfig: pytest.Config, smtp_server_settings: Mapping[str, Any]
) -> Iterator[factories.MakeSMTPServer]:
    """A factory of servers that live until the session ends: for a server fixture of any scope.
    >>> @pytest.fixture(scope="session")
    ... def app_smtp(smtp_server_factory):
    ...     return smtp_server_factory(tls="none")
    """
    from pytest_smtp4d import factories

    with ExitStack() as stack:
        yield factories.server_maker(_suite_settings(pytestconfig, smtp_server_settings), stack)


# The two that nearly every test pays for ask neither for `request` nor for `pytestconfig`: pytest makes these
# anew for each test, which takes longer than to start and stop a server.


@pytest.fixture
def make_smtp_server(smtp_server_settings: Mapping[str, Any]) -> Iterator[factories.MakeSMTPServer]:
    """A factory of servers that are stopped when the test ends.
    >>> def test_two_servers(make_smtp_server):
    ...     first, second = make_smtp_server(), make_smtp_server(tls="implicit", certificate="expired")
    """
    from pytest_smtp4d import factories

    with ExitStack() as stack:
        yield factories.server_maker(_suite_settings(_running[-1].config, smtp_server_settings), stack)


@pytest.fixture
def smtp_server(make_smtp_server: factories.MakeSMTPServer) -> SMTPServer:
    """A real SMTP server on loopback, on a port the system chose, that misbehaves on command.
    >>> def test_retry(smtp_server):
    ...     smtp_server.on("RCPT", times=1).reply(451, "4.3.0 Try later")
    ...     send_invoice(host=smtp_server.host, port=smtp_server.port)  # the code under test
    ...     assert smtp_server.messages.one(to="bob@example.org").subject == "Invoice"
    """
    from pytest_smtp4d.server.marker import settings_of

    item = _running[-1]
    run = item.stash[_run]
    settings = settings_of(run.marks)
    plugin: Any = item.config.pluginmanager.get_plugin(_OUTGOING)
    if plugin is None or not plugin.intercepts:
        server = make_smtp_server(**settings)
    else:
        server = plugin.server()
        server.configure(**settings)
    if "_smtp_markers" not in getattr(item, "fixturenames", ()):
        run.act(server)
    return server


@pytest.fixture
def smtp_intercept(
    request: pytest.FixtureRequest, smtp_server: SMTPServer, smtp_trust: Path
) -> Iterator[SMTPServer]:
    """`smtp_server`, to which all mail of this process goes now, whatever host it names.
    >>> def test_signup(smtp_intercept):
    ...     sign_up("bob@example.org")  # mails through smtp.gmail.com:465
    ...     assert smtp_intercept.messages.one().session.target == ("smtp.gmail.com", 465)
    """
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
    """`smtp_server`, to which Django's mail settings point, with its SMTP backend and the CA trusted.
    >>> def test_signup(smtp_django, client):
    ...     client.post("/signup", {"email": "bob@example.org"})
    ...     assert smtp_django.messages.one(to="bob@example.org").links("confirm")
    """
    from pytest_smtp4d.intercept.django_settings import pointing_django_at

    with pointing_django_at(smtp_server):
        yield smtp_server


# Clients


@pytest.fixture
def make_transporter(request: pytest.FixtureRequest) -> Iterator[factories.MakeTransporter]:
    """A factory of transporters that trust the server and are closed when the test ends.
    >>> def test_login(smtp_server, make_transporter):
    ...     smtp_server.configure(users={"ada": "secret"})
    ...     assert make_transporter(password="wrong").check_connection().status == 535
    """
    from pytest_smtp4d import factories

    with ExitStack() as stack:
        yield factories.transporter_maker(request, stack)


@pytest.fixture
def transporter(smtp_server: SMTPServer, make_transporter: factories.MakeTransporter) -> SMTPTransporter:
    """A complete SMTP client, made for `smtp_server`.
    >>> def test_refusal(smtp_server, transporter):
    ...     smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user")
    ...     assert transporter.send({"from": "a@example.com", "to": "nobody@example.org"}).is_permanent
    """
    return make_transporter(smtp_server)


@pytest.fixture
def smtp_trust(
    smtp_ca: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Make default TLS contexts trust `smtp_ca` beside the system's roots, here and in child processes.
    >>> def test_client(smtp_server, smtp_trust):
    ...     MyClient("localhost", smtp_server.port).send()  # takes no CA, and verifies the certificate
    """
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
