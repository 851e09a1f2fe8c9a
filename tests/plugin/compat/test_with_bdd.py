from __future__ import annotations

import pytest

from tests.report.conftest import Reported, report_of, told

FEATURE = """
Feature: Sign up
  Scenario: A newcomer
    Given the shop
    When "bob@example.org" signs up
    Then "bob@example.org" is welcomed

  Scenario: Nobody is there
    Given the shop
    When "bob@example.org" signs up
    Then "eve@example.org" is welcomed

  Scenario: A careless client
    Given the shop
    When the client is careless

  Scenario: A fault
    Given the shop
    And VRFY is answered
    When "bob@example.org" signs up
"""

STEPS = """
import smtplib
from pytest_bdd import given, parsers, scenarios, then, when

scenarios("sign_up.feature")

@given("the shop")
def shop(smtp_server):
    assert not smtp_server.messages

@given("VRFY is answered")
def answer(smtp_server):
    smtp_server.on("VRFY").reply(250)

@when(parsers.parse('"{address}" signs up'))
def sign_up(transporter, address):
    assert transporter.send({**MAIL, "to": address})

@when("the client is careless")
def careless(smtp_server):
    with smtplib.SMTP(*smtp_server.address) as client:
        client.docmd("DATA")

@then(parsers.parse('"{address}" is welcomed'))
def welcomed(smtp_server, address):
    smtp_server.messages.one(to=address)
"""


def test_the_steps_of_a_scenario_share_a_server(reported: Reported, pytester: pytest.Pytester) -> None:
    """Each scenario has its own; a step that fails shows the dialogue, and the verdict is the scenario's."""
    pytest.importorskip("pytest_bdd")
    (pytester.path / "sign_up.feature").write_text(FEATURE, encoding="utf-8")
    result = reported(STEPS, kept=("pytest-bdd",))
    result.assert_outcomes(passed=2, failed=2, errors=1)
    output = result.stdout.str()
    assert output.count("- SMTP transcript -") == 3
    assert "client violated SMTP: out-of-order" in output
    assert "fault never hit: on('VRFY')" in output
    mails = {
        test.rpartition("::")[2]: (outcomes, titles) for test, outcomes, titles in told(report_of(pytester))
    }
    assert mails["test_a_newcomer"] == (["passed"], ["Hello"])
    assert mails["test_nobody_is_there"] == (["failed"], ["Hello"])
    assert mails["test_a_fault"] == (["error"], ["Hello"])
