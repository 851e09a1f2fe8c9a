"""pytest's hooks for a run that redirects all its mail (`smtp4d_intercept`) or blocks it (`smtp4d_block`).

The plugin object here is registered by the option or the ini alone. A test that asks for the fixture or the
marker `smtp_intercept` in any other run needs none of these hooks, only `intercepting_for`.
"""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d.errors import SettingsError, SMTPBlockedError
from pytest_smtp4d.intercept import patch, run_settings
from pytest_smtp4d.intercept.block import Attempt, Block, Mode, Refusals, error_for, mode_of
from pytest_smtp4d.intercept.interception import Interception
from pytest_smtp4d.intercept.marks import blocks, redirected
from pytest_smtp4d.intercept.target import Allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from pytest_smtp4d.intercept.target import Target
    from pytest_smtp4d.server.server import SMTPServer

__all__ = ["OutgoingMail", "intercepting_for", "register"]

_SECTION = "SMTP blocked"
_BETWEEN = "mail between tests"
_OUTPUT = "smtp4d_outgoing_mail"
"""The key under which a worker of xdist hands its attempts to the controller."""

DURING_COLLECTION = (
    "is refused before the first test (smtp4d_intercept)",
    "send it from a test or a fixture, where it has a server, and not while modules are imported",
)


@contextmanager
def intercepting_for(item: pytest.Item, server: SMTPServer, allowed: Allowed) -> Iterator[None]:
    """Send all mail of this process to a server meanwhile, as the markers of a test say."""
    ports, hosts = redirected(item.iter_markers())
    plugins = item.config.pluginmanager
    if not plugins.has_plugin(Unseen.NAME):
        plugins.register(Unseen(all_tests=False), Unseen.NAME)
    with patch.intercepting(Interception(lambda: server, ports=ports, hosts=hosts, allowed=allowed)):
        yield


class Unseen:
    """The plugin object that says in a failure what interception does not cover.

    Args:
        all_tests: True: all mail of the run is redirected; False: that of tests with `smtp_intercept`.
    """

    NAME = "smtp4d-unseen"

    def __init__(self, *, all_tests: bool) -> None:
        self._all_tests = all_tests

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add a section, where something is known."""
        report = yield
        concerns = self._all_tests or "smtp_intercept" in getattr(item, "fixturenames", ())
        if report.failed and concerns and (hint := unseen()):
            report.sections.append(("SMTP interception", hint))
        return report


class OutgoingMail:
    """The plugin object of a run that redirects or blocks its mail.

    Args:
        intercepts: whether all mail goes to a server of the run.
        block: "true", "warn" or "false".
        allowed: hosts that mail may really be sent to.
        make_server: makes the server of the run, not started, from the suite's own settings.
    """

    def __init__(
        self,
        *,
        intercepts: bool,
        block: Mode,
        allowed: Allowed,
        make_server: Callable[[Mapping[str, Any]], SMTPServer],
    ) -> None:
        self.intercepts = intercepts
        self.allowed = allowed
        self._refusals = Refusals()
        self._block = None if block == "false" else Block(self._refusals, allowed, warns=block == "warn")
        self._interception = Interception(self._server_of_test, allowed=allowed)
        self._interception.refuse = self._refuse_collection
        self._make_server = make_server
        self._guard = threading.Lock()
        self._server: SMTPServer | None = None
        self._own_server: SMTPServer | None = None
        self.suite_settings: Mapping[str, Any] = {}
        """The suite's own settings for the server of the run."""
        self._between: list[str] = []
        self._section = ""
        self._session: pytest.Session | None = None
        self._undo = ExitStack()

    # -- the run --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to redirect and to block."""
        if self.intercepts:
            from pytest_smtp4d.intercept.trust import trusting
            from pytest_smtp4d.server.certificates import authority

            self._undo.enter_context(trusting(authority()))
            self._undo.callback(self._stop_server)
            self._undo.enter_context(patch.intercepting(self._interception))
        if self._block is not None:
            self._undo.enter_context(patch.blocking(self._block))

    def _refuse_collection(self, target: Target) -> OSError:
        return error_for(self._refusals.add(target, *DURING_COLLECTION))

    def server(self) -> SMTPServer:
        """Return the server of the run, which starts when it is first asked for."""
        with self._guard:
            if self._server is None:
                self._server = self._make_server(self.suite_settings).start()
            return self._server

    def _server_of_test(self) -> SMTPServer:
        return self._own_server or self.server()

    def _stop_server(self) -> None:
        if self._server is not None:
            self._server.stop()

    # -- a test ---------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Begin a test: with a clean server, and with patches on top of those that were put on since."""
        self._note_between()
        self._interception.refuse = None
        self._own_server = None
        if self._server is not None:
            self._server.start().reset()
        if self._block is not None:
            self._block.is_lifted = not blocks(item.iter_markers())
        yield
        patch.arm()
        self._own_server = self._server_of_user(item)

    def _server_of_user(self, item: pytest.Item) -> SMTPServer | None:
        """Return the server that a fixture of the user's own, named smtp_server, gave to the test."""
        if not self.intercepts or "smtp_server" not in getattr(item, "funcargs", ()):
            return None
        from pytest_smtp4d.server.server import SMTPServer

        server = item.funcargs["smtp_server"]  # type: ignore[attr-defined] # what has it is a function's item
        return server if isinstance(server, SMTPServer) and server is not self._server else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fail a test that tried to send mail, even where its application swallowed the error."""
        __tracebackhide__ = True
        return (yield from self._judged(item))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fail the teardown of a test that tried to send mail; nothing is lifted from here on."""
        __tracebackhide__ = True
        try:
            return (yield from self._judged(item))
        finally:
            self._own_server = None
            if self._block is not None:
                self._block.is_lifted = False

    def _judged(self, item: pytest.Item) -> Generator[None, object, object]:
        __tracebackhide__ = True
        try:
            result = yield
        except BaseException as error:
            attempts = self._refusals.take()
            if attempts and not _is_told(error):
                self._section = _words(attempts)
            raise
        attempts = self._refusals.take()
        if not attempts:
            return result
        if self._block is not None and self._block.warns:
            for attempt in attempts:
                item.warn(pytest.PytestWarning(str(attempt)))
            return result
        pytest.fail(_words(attempts), pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show in a failure what was refused."""
        report = yield
        if self._section:
            report.sections.append((_SECTION, self._section))
            self._section = ""
        return report

    # -- what happens outside of tests ----------------------------------------------------------------------

    def _note_between(self) -> None:
        self._between += [str(attempt) for attempt in self._refusals.take()]

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep the session, whose exit status may have to change."""
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let mail outside of tests fail the run; a worker of xdist hands it to the controller."""
        self._note_between()
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_OUTPUT] = self._between
        elif self._between:
            self._fail_run()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker of xdist noted."""
        output = getattr(node, "workeroutput", None) or {}
        self._between += [f"{attempt} ({node.gateway.id})" for attempt in output.get(_OUTPUT, ())]

    def _fail_run(self) -> None:
        warns = self._block is not None and self._block.warns and not self.intercepts
        if self._session is not None and self._session.exitstatus == pytest.ExitCode.OK and not warns:
            self._session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show what was tried outside of tests."""
        self._note_between()
        if self._between:
            terminalreporter.section(_BETWEEN)
            for attempt in dict.fromkeys(self._between):
                terminalreporter.line(attempt)
        self._shown = len(self._between)

    _shown = 0

    def pytest_unconfigure(self) -> None:
        """End it; what came after the summary is said on stderr."""
        self._note_between()
        self._undo.close()
        late = self._between[self._shown :]
        if late:
            self._fail_run()
            (sys.__stderr__ or sys.stderr).write(f"{_BETWEEN}:\n" + "\n".join(late) + "\n")


def _words(attempts: list[Attempt]) -> str:
    return "\n".join(map(str, attempts))


def _is_told(error: BaseException | None) -> bool:
    """Return whether an error, or one that it came from, says of itself that mail was refused."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, SMTPBlockedError):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def register(
    config: pytest.Config,
    *,
    intercepts: bool,
    block: object,
    allow: Iterable[str],
    make_server: Callable[[Mapping[str, Any]], SMTPServer],
) -> None:
    """Begin to redirect and block the mail of a run, as its ini and options ask for.

    Args:
        config: of the run.
        intercepts: as `smtp4d_intercept`.
        block: as `smtp4d_block`.
        allow: the words of `smtp4d_block_allow`.
        make_server: as `OutgoingMail`.

    Raises:
        pytest.UsageError: a value that cannot be; it names the ini.
    """
    try:
        mode, allowed = mode_of(block), Allowed(allow)
    except SettingsError as error:
        raise pytest.UsageError(f"ini: {error}") from None
    plugin = OutgoingMail(intercepts=intercepts, block=mode, allowed=allowed, make_server=make_server)
    config.pluginmanager.register(plugin, run_settings.NAME)
    if intercepts:
        config.pluginmanager.register(run_settings)
        config.pluginmanager.register(Unseen(all_tests=True), Unseen.NAME)
    plugin.start()


def unseen() -> str:
    """Return what of this process interception does not cover, in words; "" where nothing is known."""
    words = []
    if "uvloop" in sys.modules:
        words.append(
            "uvloop is loaded: it resolves and connects in C, and its connections are not intercepted. "
            "Run these tests under asyncio's own loop."
        )
    multiprocessing: Any = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.active_children():
        words.append(
            "child processes run: what they send is not intercepted. Give them the address of smtp_server."
        )
    return "\n".join(words)
