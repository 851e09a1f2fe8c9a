from __future__ import annotations

from tests.plugin.conftest import Run

SIX_LINES = """
@pytest.fixture(scope="session")
def app_smtp(smtp_server_factory):            # one server for an application configured once
    return smtp_server_factory(tls="none")

@pytest.fixture
def smtp_server(app_smtp):                    # each test gets it clean
    app_smtp.reset()
    return app_smtp
"""


def test_the_six_lines_of_a_session_wide_server(run: Run) -> None:
    """One server lives through all tests; each finds it clean, on the same port, with its own faults."""
    result = run(
        SIX_LINES
        + """
ports = set()

@pytest.mark.parametrize("turn", [1, 2, 3])
def test_turn(smtp_server, transporter, turn):
    ports.add(smtp_server.port)
    assert len(smtp_server.messages) == 0
    assert transporter.send(MAIL)
    assert transporter.send(MAIL)
    assert len(smtp_server.messages) == 2
    smtp_server.on("RSET", times=1).reply(250).optional()

def test_one_port():
    assert len(ports) == 1
"""
    )
    result.assert_outcomes(passed=4)


def test_the_marker_acts_on_it_for_one_test(run: Run) -> None:
    """A marker's settings and faults hold for its test, and are gone afterwards."""
    result = run(
        SIX_LINES
        + """
@pytest.mark.smtp_server(recipient_limit=0)
@pytest.mark.smtp_fault("MAIL", reply=(550, "5.7.1 Not you"), times=1)
def test_marked(smtp_server, transporter):
    assert smtp_server.settings.recipient_limit == 0
    assert transporter.send(MAIL).command == "MAIL"
    assert transporter.send(MAIL).status == 452

def test_unmarked(smtp_server, transporter):
    assert smtp_server.settings.recipient_limit is None
    assert transporter.send(MAIL)
"""
    )
    result.assert_outcomes(passed=2)


def test_the_marker_acts_on_a_session_wide_smtp_server_itself(run: Run) -> None:
    """The fixture smtp_server may itself be session-wide: markers still act per test, before its users."""
    result = run(
        """
        @pytest.fixture(scope="session")
        def smtp_server(smtp_server_factory):
            return smtp_server_factory()

        @pytest.mark.smtp_server(users={"ada": "secret"})
        @pytest.mark.smtp_fault("RCPT", reply=(550, "5.1.1 No"), times=1)
        def test_marked(smtp_server, transporter):
            assert transporter.user == "ada"
            assert transporter.send(MAIL).status == 550
            assert transporter.send(MAIL)

        def test_unmarked(smtp_server, transporter):
            assert transporter.user is None
            assert transporter.send(MAIL)

        @pytest.mark.smtp_server(strict=False)
        @pytest.mark.smtp_fault("RCPT", reply=(550, "5.1.1 No"))
        def test_not_strict_until_the_verdict(smtp_server):
            pass

        def test_the_fault_of_another_test_is_gone(smtp_server, transporter):
            assert transporter.send(MAIL)
            assert smtp_server.settings.strict
        """
    )
    result.assert_outcomes(passed=4)


def test_the_marker_acts_after_wider_fixtures_and_before_others(run: Run) -> None:
    """Autouse fixtures of the session come first as ever; a function's fixtures meet the marker's faults."""
    result = run(
        SIX_LINES
        + """
order = []

@pytest.fixture(scope="session", autouse=True)
def first():
    order.append("session")

@pytest.fixture
def sent(transporter, smtp_server):
    order.append("function")
    return transporter.send(MAIL)

@pytest.fixture(autouse=True)
def mine():
    order.append("autouse")

@pytest.mark.smtp_fault("MAIL", reply=(550, "5.7.1 No"))
def test_marked(sent):
    assert sent.status == 550
    assert order == ["session", "autouse", "function"]
"""
    )
    result.assert_outcomes(passed=1)


def test_a_failure_shows_what_it_did_during_that_test_alone(run: Run) -> None:
    """The transcript of a session-wide server holds the sessions that spoke during the failing test."""
    result = run(
        SIX_LINES
        + """
def test_first(smtp_server, make_transporter):
    assert make_transporter().send({**MAIL, "subject": "first subject"})

def test_second(smtp_server, make_transporter):
    assert make_transporter().send({**MAIL, "subject": "second subject"})
    assert False
"""
    )
    result.assert_outcomes(passed=1, failed=1)
    output = result.stdout.str()
    assert "C: Subject: second subject" in output
    assert "first subject" not in output.partition("SMTP transcript")[2]


def test_an_unhit_fault_fails_the_test_that_declared_it_only(run: Run) -> None:
    """A session-wide server is judged test by test."""
    result = run(
        SIX_LINES
        + """
def test_declares(smtp_server):
    smtp_server.on("RCPT").reply(550, "5.1.1 No")

def test_innocent(smtp_server, transporter):
    assert transporter.send(MAIL)
"""
    )
    result.assert_outcomes(passed=2, errors=1)


def test_what_is_still_on_its_way_is_judged(run: Run) -> None:
    """A violation of the test's last moment, on which the client did not wait for an answer, is seen."""
    result = run(
        SIX_LINES
        + """
import socket
kept = []

def test_it(smtp_server):
    connection = socket.create_connection(smtp_server.address)
    kept.append(connection)
    connection.makefile("rb").readline()
    connection.sendall(b"RCPT TO:<bob@example.org>\\r\\n" * 50)

def test_closes():
    kept.pop().close()
"""
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["client violated SMTP: out-of-order*"])


def test_under_xdist_each_worker_has_one(run: Run) -> None:
    """Workers are processes: each starts its own server on its own port."""
    result = run(
        SIX_LINES
        + """
@pytest.mark.parametrize("turn", range(6))
def test_turn(smtp_server, transporter, turn):
    assert transporter.send(MAIL)
    assert len(smtp_server.messages) == 1
""",
        "-n",
        "2",
    )
    result.assert_outcomes(passed=6)
