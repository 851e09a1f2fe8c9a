"""The fixture and the marker `smtp_intercept`, and the run that redirects everything."""

from __future__ import annotations

import textwrap

import pytest

from tests.plugin.conftest import Run

APP = """
import smtplib, socket, ssl

def send(subject="Hi", context=None):
    context = context or ssl.create_default_context()
    with smtplib.SMTP_SSL("smtp.gmail.com", 465, timeout=5, context=context) as client:
        client.login("ada", "secret")
        client.sendmail("ada@example.com", ["bob@example.org"], f"Subject: {subject}\\r\\n\\r\\nHi.\\r\\n")
"""


def test_a_hard_coded_host_is_redirected(run: Run) -> None:
    """The fixture is smtp_server; the certificate is for the name, trusted; any login will do."""
    run(
        APP
        + """
def test_it(smtp_intercept, smtp_server):
    assert smtp_intercept is smtp_server
    send()
    session = smtp_server.messages.one(subject="Hi").session
    assert session.target == ("smtp.gmail.com", 465)
    assert session.tls.server_name == "smtp.gmail.com"
    assert session.user == "ada"
"""
    ).assert_outcomes(passed=1)


def test_the_marker_alone_switches_it_on(run: Run) -> None:
    """On a function, a class or a module, also in a TestCase; other markers act on the server."""
    run(
        APP
        + """
import unittest

@pytest.mark.smtp_intercept
def test_function(smtp_server):
    send()
    assert len(smtp_server.messages) == 1

@pytest.mark.smtp_intercept
class TestClass:
    @pytest.mark.smtp_fault("AUTH", reply=(535, "5.7.8 No"))
    def test_method(self):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            send()

@pytest.mark.smtp_intercept
class TestUnittest(unittest.TestCase):
    def test_method(self):
        send()

def test_after():
    assert "connect" not in vars(socket.socket)
"""
    ).assert_outcomes(passed=4)


def test_ports_and_hosts_replace_the_defaults(run: Run) -> None:
    """The closest marker wins, argument by argument; what it leaves out goes its way, here into a block."""
    run(
        APP
        + """
from pytest_smtp4d import SMTPBlockedError

def reaches(host, port):
    try:
        with socket.create_connection((host, port), 5) as sock:
            return sock.recv(3) == b"220"
    except SMTPBlockedError:
        return False

@pytest.mark.smtp_block(False)
@pytest.mark.smtp_intercept(ports=(25, 8025))
class TestPorts:
    @pytest.mark.smtp_intercept(hosts=["smtp.*"])
    def test_it(self):
        assert reaches("smtp.example.com", 25)
        assert reaches("smtp.example.com", 8025)

@pytest.mark.smtp_intercept(hosts="smtp.*")
def test_hosts():
    assert reaches("smtp.example.com", 25)

@pytest.mark.xfail(strict=True, reason="blocked")
@pytest.mark.smtp_intercept(hosts="smtp.*")
def test_other_host():
    assert not reaches("mail.example.com", 25)
""",
        "--smtp4d-block",
    ).assert_outcomes(passed=2, xfailed=1)


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("smtp_intercept(port=25)", "smtp_intercept has no argument 'port' (did you mean 'ports'?)"),
        ("smtp_intercept(25)", "smtp_intercept: ports and hosts are given by name, not 25"),
        (
            "smtp_intercept(ports=(0,))",
            "smtp_intercept: ports holds 0, which is no port: give numbers from 1",
        ),
        (
            "smtp_intercept(hosts=[])",
            "smtp_intercept: hosts is a list of patterns such as ['smtp.*'], not []",
        ),
        ("smtp_intercept(hosts=['x:25'])", "smtp_intercept: hosts 'x:25' can match no host: write 'x' here"),
        ("smtp_block", "smtp_block takes True or False, not ()"),
        ("smtp_block('no')", "smtp_block takes True or False, not ('no')"),
        ("smtp_block(blocks=False)", "smtp_block takes True or False, not (blocks=False)"),
    ],
)
def test_a_marker_that_cannot_act_is_a_collection_error(run: Run, marker: str, words: str) -> None:
    """Also on a test that requests nothing; the error names the value and the way out."""
    result = run(f"@pytest.mark.{marker}\ndef test_it(): pass")
    result.assert_outcomes(errors=1)
    assert words in result.stdout.str()


def test_another_server_takes_some_hosts(run: Run) -> None:
    """It presents a certificate for the name asked for, too, and what it received is its own."""
    run(
        APP
        + """
def test_it(smtp_intercept, make_smtp_server):
    other = make_smtp_server()
    other.intercept("smtp.gmail.*")
    send()
    assert len(other.messages) == 1
    assert not smtp_intercept.messages

def test_off(smtp_server):
    with pytest.raises(RuntimeError, match="interception is off"):
        smtp_server.intercept("smtp.*")
"""
    ).assert_outcomes(passed=2)


def test_a_login_is_required_where_the_settings_say_so(run: Run) -> None:
    """Users that are given are the only ones, and must log in; the server's own settings stay."""
    run(
        APP
        + """
@pytest.mark.smtp_server(users={"ada": "other"}, strict=False)
def test_wrong_password(smtp_intercept):
    with pytest.raises(smtplib.SMTPAuthenticationError):
        send()

@pytest.mark.smtp_server(users={"ada": "secret"})
def test_right_password(smtp_intercept):
    send()

@pytest.mark.smtp_server(require_auth=True)
def test_required(smtp_intercept):
    with smtplib.SMTP("smtp.example.com", 25, timeout=5) as client:
        client.starttls(context=ssl.create_default_context())
        client.ehlo()
        assert client.mail("ada@example.com")[0] == 530
        client.login("any", "body")
        assert client.mail("ada@example.com")[0] == 250

def test_not_required(smtp_intercept):
    assert smtp_intercept.settings.users == {}
    with smtplib.SMTP("smtp.example.com", 25, timeout=5) as client:
        client.ehlo()
        assert client.mail("ada@example.com")[0] == 250
"""
    ).assert_outcomes(passed=4)


def test_everything_is_restored(run: Run) -> None:
    """By identity, after success and failure, with monkeypatch on top; socket.socket gains no attribute."""
    run(
        """
        import socket, ssl

        PLACES = [(socket, "getaddrinfo"), (socket.socket, "connect"), (socket.socket, "connect_ex"),
                  (ssl.SSLContext, "wrap_socket"), (ssl.SSLContext, "wrap_bio")]

        def state():
            return [vars(owner).get(name) for owner, name in PLACES]

        BEFORE = state()

        def test_fine(smtp_intercept):
            assert all(now is not then for now, then in zip(state(), BEFORE))

        def test_fails(smtp_intercept):
            raise RuntimeError

        def test_on_top(smtp_intercept, monkeypatch):
            for owner, name in PLACES:
                monkeypatch.setattr(owner, name, lambda *_: None)

        @pytest.fixture
        def late(monkeypatch):
            yield
            monkeypatch.undo()

        def test_on_top_and_undone_early(late, smtp_intercept, monkeypatch):
            monkeypatch.setattr(socket.socket, "connect", lambda *_: None)

        def test_after():
            assert all(now is then for now, then in zip(state(), BEFORE))
            assert "connect" not in vars(socket.socket)
        """
    ).assert_outcomes(passed=4, failed=1)


def test_ctrl_c_restores_as_well(pytester: pytest.Pytester) -> None:
    """Interrupted inside a test, the process has its own functions again when pytest has ended."""
    pytester.makepyfile(
        test_it="""
        def test_it(smtp_intercept):
            raise KeyboardInterrupt
        """
    )
    script = """
import socket, ssl, pytest
before = socket.getaddrinfo, vars(socket.socket).get("connect"), ssl.SSLContext.wrap_socket
status = pytest.main(["-q", "-p", "no:cacheprovider", *{options!r}])
print("STATUS", int(status))
assert before == (socket.getaddrinfo, vars(socket.socket).get("connect"), ssl.SSLContext.wrap_socket)
print("RESTORED")
"""
    for options in ([], ["--smtp4d-intercept", "--smtp4d-block"]):
        pytester.makepyfile(script=script.format(options=options))
        result = pytester.runpython(pytester.path / "script.py")
        assert result.outlines[-2:] == ["STATUS 2", "RESTORED"]


def test_a_wrong_host_is_refused_by_a_client_that_verifies(run: Run) -> None:
    """The settings of the server still act: its certificate is for another name than any that is asked."""
    run(
        APP
        + """
@pytest.mark.smtp_server(certificate="wrong_host")
def test_it(smtp_intercept):
    with pytest.raises(ssl.SSLCertVerificationError):
        send()
    assert smtp_intercept.messages.none()
"""
    ).assert_outcomes(passed=1)


def test_the_transcript_names_what_was_asked_for(run: Run) -> None:
    """At its head, host and port as the client asked for them."""
    result = run(APP + "\ndef test_it(smtp_intercept):\n    send()\n    assert False\n")
    result.stdout.re_match_lines([r"smtp://127\.0\.0\.1:\d+ with 127\.0\.0\.1:\d+ for smtp\.gmail\.com:465"])


@pytest.mark.parametrize("context", ["EARLY", "ssl.create_default_context(cafile=OTHER)"])
def test_a_context_that_does_not_trust_is_explained(run: Run, context: str) -> None:
    """One that was made at import, or that has a CA of its own, fails, and the transcript says why."""
    result = run(
        APP
        + f"""
import trustme
EARLY = ssl.create_default_context()

@pytest.fixture(autouse=True)
def other(tmp_path):
    global OTHER
    OTHER = str(tmp_path / "other.pem")
    trustme.CA().cert_pem.write_to_path(OTHER)

def test_it(smtp_intercept):
    send(context={context})
"""
    )
    result.assert_outcomes(failed=1)
    assert (
        "Under interception its TLS context was made earlier, or has a CA of its own" in result.stdout.str()
    )


@pytest.mark.parametrize("options", [[], ["--smtp4d-intercept"]])
def test_what_is_not_covered_is_said_in_a_failure(run: Run, options: list[str]) -> None:
    """Where it can be recognised: uvloop connects in C, and a child process goes its own way."""
    result = run(
        """
        import multiprocessing, sys, types

        @pytest.fixture
        def uvloop(monkeypatch):
            monkeypatch.setitem(sys.modules, "uvloop", types.ModuleType("uvloop"))
            monkeypatch.setattr(multiprocessing, "active_children", lambda: ["a child"])

        def test_fails(smtp_intercept, uvloop):
            assert smtp_intercept.messages.one()

        def test_passes(smtp_intercept, uvloop):
            pass
        """,
        *options,
    )
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    assert text.count("uvloop is loaded: it resolves and connects in C, and its connections are not") == 1
    assert text.count("child processes run: what they send is not intercepted.") == 1


def test_a_sweep_goes_through_interception(run: Run) -> None:
    """Certificates and STARTTLS are disturbed for the host that is asked for, as they are for the server."""
    outcomes = run(
        """
        import smtplib, ssl

        @pytest.mark.smtp_sweep(stages=["STARTTLS", "TLS", "MAIL"])
        def test_it(smtp_intercept):
            try:
                with smtplib.SMTP("smtp.example.com", 587, timeout=1) as client:
                    client.starttls(context=ssl.create_default_context())
                    client.login("ada", "secret")
                    client.sendmail("ada@example.com", ["bob@example.org"], "Subject: Hi\\r\\n\\r\\nHi.")
            except (OSError, smtplib.SMTPException):
                assert smtp_intercept.active_fault
        """,
    ).parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] > 10


# The whole run


def ini(pytester: pytest.Pytester, **lines: str) -> None:
    """Write an ini file."""
    pytester.makeini("[pytest]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items()))


@pytest.mark.parametrize("by", ["ini", "option"])
def test_a_run_is_redirected_without_an_edit(run: Run, pytester: pytest.Pytester, by: str) -> None:
    """Contexts made at import trust the CA; each test has its own mail; nothing is left at the end."""
    if by == "ini":
        ini(pytester, smtp4d_intercept="true")
    result = run(
        APP
        + """
EARLY = ssl.create_default_context()

@pytest.mark.parametrize("number", [1, 2, 3])
def test_it(smtp_server, number):
    send(f"Number {number}", EARLY)
    smtp_server.messages.one(subject=f"Number {number}")

def test_unasked():
    send()
""",
        *(["--smtp4d-intercept"] if by == "option" else []),
    )
    result.assert_outcomes(passed=4)


def test_the_strict_verdict_judges_tests_that_know_nothing(run: Run) -> None:
    """What the application does on the wire fails a test that is green without; its transcript is shown."""
    result = run(
        """
        import smtplib

        def test_login_in_clear():
            with smtplib.SMTP("smtp.example.com", 587, timeout=5) as client:
                client.ehlo()
                assert client.docmd("AUTH", "PLAIN AGFkYQBzZWNyZXQ=")[0] in (235, 538)
        """,
        "--smtp4d-intercept",
    )
    assert result.ret == 1
    assert "cleartext-credentials" in result.stdout.str()
    assert "for smtp.example.com:587" in result.stdout.str()


def test_marks_act_without_the_fixture(run: Run) -> None:
    """Settings, faults and sweeps, on tests that request nothing; and only on these."""
    result = run(
        APP
        + """
@pytest.mark.smtp_fault("MAIL", reply=(451, "4.3.0 Later"))
def test_fault():
    with pytest.raises(smtplib.SMTPSenderRefused):
        send()

@pytest.mark.smtp_server(certificate="expired")
def test_setting():
    with pytest.raises(ssl.SSLCertVerificationError):
        send()

def test_clean():
    send()

@pytest.mark.smtp_sweep(stages=["MAIL"], kinds=["refuse-for-now"])
def test_sweep():
    try:
        send()
    except smtplib.SMTPException:
        pass
""",
        "--smtp4d-intercept",
    )
    result.assert_outcomes(passed=5)


def test_a_users_own_server_wins(run: Run) -> None:
    """A fixture smtp_server of the suite's own gets the mail of the tests that request it."""
    run(
        APP
        + """
@pytest.fixture(scope="session")
def app_smtp(smtp_server_factory):
    return smtp_server_factory()

@pytest.fixture
def smtp_server(app_smtp):
    app_smtp.reset()
    return app_smtp

def test_it(smtp_server, app_smtp):
    send()
    assert len(app_smtp.messages) == 1

def test_without(app_smtp):
    send()
    assert len(app_smtp.messages) == 1
""",
        "--smtp4d-intercept",
        "-p",
        "no:randomly",
    ).assert_outcomes(passed=2)


def test_the_suites_settings_are_the_servers(run: Run) -> None:
    """`smtp_server_settings` and the ini settle the server of the run, whether a test requests it or not."""
    run(
        APP
        + """
@pytest.fixture(scope="session")
def smtp_server_settings():
    return {"users": {"ada": "secret"}}

def test_it():
    send()

def test_settings(smtp_server):
    assert smtp_server.settings.users == {"ada": "secret"}
""",
        "--smtp4d-intercept",
    ).assert_outcomes(passed=2)


def test_a_kept_connection_goes_on_in_a_new_record(run: Run) -> None:
    """A pool that lives longer than a test: each test has what came during it."""
    run(
        """
        import smtplib

        @pytest.fixture(scope="module")
        def pool():
            with smtplib.SMTP("smtp.example.com", 25, timeout=5) as client:
                yield client

        @pytest.mark.parametrize("number", [1, 2, 3])
        def test_it(pool, smtp_server, number):
            pool.sendmail("ada@example.com", ["bob@example.org"], f"Subject: {number}\\r\\n\\r\\nHi.\\r\\n")
            message = smtp_server.messages.one()
            assert message.subject == str(number)
            assert message.session.target == ("smtp.example.com", 25)
        """,
        "--smtp4d-intercept",
    ).assert_outcomes(passed=3)


def test_a_server_that_a_test_stopped_runs_again(run: Run) -> None:
    """The next test begins with the server as it was."""
    run(
        APP
        + """
def test_stops(smtp_server):
    smtp_server.stop()
    with pytest.raises(ConnectionRefusedError):
        send()

def test_after():
    send()
""",
        "--smtp4d-intercept",
    ).assert_outcomes(passed=2)


def test_mail_during_collection_is_refused(run: Run) -> None:
    """The exit status is not 0, and the line that sent it is named, though the application swallowed it."""
    result = run(
        APP
        + """
try:
    send()
except OSError:
    pass

def test_it():
    pass
""",
        "--smtp4d-intercept",
    )
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*= mail between tests =*",
            "mail to smtp.gmail.com:465 is refused before the first test (smtp4d_intercept), "
            "tried at test_it.py:*: send it from a test or a fixture, *",
        ]
    )


def test_mail_between_tests_belongs_to_the_test_before(run: Run) -> None:
    """What a module's fixture sends when it is torn down is judged with the last test of the module."""
    result = run(
        APP
        + """
@pytest.fixture(scope="module")
def late():
    yield
    with smtplib.SMTP("smtp.example.com", 587, timeout=5) as client:
        client.ehlo()
        client.docmd("AUTH", "PLAIN AGFkYQBzZWNyZXQ=")

def test_it(late):
    pass
""",
        "--smtp4d-intercept",
    )
    result.assert_outcomes(passed=1, errors=1)


def test_workers_of_xdist_have_a_server_each(run: Run) -> None:
    """The same tests pass, and what one worker sent no other sees."""
    result = run(
        APP
        + """
@pytest.mark.parametrize("number", range(8))
def test_it(smtp_server, number):
    send(f"Number {number}")
    smtp_server.messages.one(subject=f"Number {number}")
""",
        "--smtp4d-intercept",
        "-n",
        "2",
        subprocess=True,
    )
    result.assert_outcomes(passed=8)


def test_it_sets_no_time_out(run: Run) -> None:
    """A test that knows nothing of mail is not timed, though it could send some."""
    run(
        APP
        + """
def test_it(request):
    send()
    assert request.node.get_closest_marker("timeout") is None

@pytest.mark.smtp_server(size_limit=10_000)
def test_marked(request):
    send()
    assert request.node.get_closest_marker("timeout") is None
""",
        "--smtp4d-intercept",
    ).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("smtp4d_intercept = maybe", "smtp4d_intercept is true or false, not 'maybe'"),
        ("smtp4d_block = maybe", "smtp4d_block is 'maybe': write true, false or warn"),
        (
            "smtp4d_block_allow = mail:x",
            "smtp4d_block_allow: 'mail:x' has no port behind its colon: write host:25",
        ),
        (
            "smtp4d_block_allow = http://mail",
            "smtp4d_block_allow: 'http://mail' cannot be read: write words such",
        ),
    ],
)
def test_a_wrong_ini_is_a_usage_error(run: Run, pytester: pytest.Pytester, line: str, words: str) -> None:
    """Status 4, before any test, with the name of the ini, the value and what to write."""
    pytester.makeini(f"[pytest]\n{line}\n")
    result = run("def test_it(): pass")
    assert result.ret == 4
    assert words in result.stderr.str()


def test_the_environment_and_the_descriptors_are_as_before(pytester: pytest.Pytester) -> None:
    """After 500 tests that sent mail there is no socket, no thread but the loop's and no variable more."""
    pytester.makeconftest(
        textwrap.dedent(
            """
            import atexit, gc, os
            import psutil

            NAMES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
            BEFORE = [os.environ.get(name) for name in NAMES]

            def descriptors():
                gc.collect()
                return psutil.Process().num_fds() if os.name == "posix" else 0

            def pytest_runtest_teardown(item):
                if item.name in ("test_mail[20]", "test_mail[499]"):
                    print(f"OPEN {descriptors()}")

            @atexit.register
            def show():
                print(f"\\nRESTORED {[os.environ.get(name) for name in NAMES] == BEFORE}")
            """
        )
    )
    pytester.makepyfile(
        test_it=textwrap.dedent(APP)
        + """
import pytest
EARLY = ssl.create_default_context()

@pytest.mark.parametrize("number", range(500))
def test_mail(number):
    send(context=EARLY)
"""
    )
    result = pytester.runpytest_subprocess(
        "-q", "-s", "-p", "no:randomly", "-p", "no:asyncio", "-p", "no:cacheprovider", "--smtp4d-intercept"
    )
    result.assert_outcomes(passed=500)
    opened = [line.rpartition(" ")[2] for line in result.outlines if "OPEN " in line]
    assert len(opened) == 2
    assert opened[0] == opened[1]
    assert "RESTORED True" in result.outlines
