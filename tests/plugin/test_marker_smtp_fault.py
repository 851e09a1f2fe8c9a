from __future__ import annotations

import pytest

from pytest_smtp4d import SMTPServer, SMTPTransporter
from tests.plugin.conftest import MAIL, Run


@pytest.mark.smtp_fault("RCPT", "bob@*", reply=(550, "5.1.1 No such user"), times=1)
def test_it_declares_a_fault(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """The same as on(): stage, match, schedule and actions."""
    status = transporter.send(MAIL)
    assert (status.status, status.status_text) == (550, "5.1.1 No such user")
    assert transporter.send(MAIL)


@pytest.mark.smtp_fault("RCPT", reply=(550, "5.1.1 The outer one"))
class TestOrder:
    """Markers on a class and on its methods."""

    @pytest.mark.smtp_fault("RCPT", reply=(451, "4.2.0 The closest one"), times=1)
    def test_the_closest_is_asked_first(self, smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
        """A method's fault comes before its class's."""
        assert [transporter.send(MAIL).status for _ in range(2)] == [451, 550]


def test_several_actions(run: Run) -> None:
    """Actions by name, with their arguments: accept, then disconnect; optional relaxes."""
    result = run(
        """
        @pytest.mark.smtp_fault("CONTENT", accept=True, disconnect={"abort": True})
        @pytest.mark.smtp_fault("VRFY", reply=252, optional=True)
        def test_lost_reply(smtp_server, transporter):
            assert not transporter.send(MAIL)
            assert len(smtp_server.messages) == 1
        """
    )
    result.assert_outcomes(passed=1)


def test_one_never_hit_names_its_test(run: Run) -> None:
    """The verdict says where the fault was declared."""
    result = run(
        """
        @pytest.mark.smtp_fault("RCPT", "nobody@*", reply=(550, "5.1.1 No"))
        def test_it(smtp_server, transporter):
            assert transporter.send(MAIL)
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["fault never hit: on('RCPT', 'nobody@[*]').reply(550, '5.1.1 No') at test_it.py:5"]
    )
