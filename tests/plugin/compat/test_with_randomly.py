from __future__ import annotations

import pytest

from tests.plugin.compat.conftest import Together
from tests.report.conftest import Reported, report_of


def test_the_order_changes_nothing(together: Together) -> None:
    """In any order each test has its own server, verdict and mail."""
    pytest.importorskip("pytest_randomly")
    for seed in ("1", "2"):
        together(f"--randomly-seed={seed}", kept=("randomly",))


def test_a_seed_that_is_set_again_repeats_no_message_id(
    reported: Reported, pytester: pytest.Pytester
) -> None:
    """Message-IDs and boundaries are not drawn from the generator that it resets before each test."""
    pytest.importorskip("pytest_randomly")
    result = reported(
        """
        SEEN = []

        @pytest.fixture(scope="session")
        def app_smtp(smtp_server_factory):
            return smtp_server_factory(fatal_violations=("duplicate-message",))

        @pytest.mark.parametrize("number", range(3))
        def test_it(app_smtp, make_transporter, number):
            assert make_transporter(app_smtp).send({**MAIL, "htmlBody": "<p>Hi.</p>"})
            message = app_smtp.messages[-1]
            SEEN.append((message["Message-ID"], message["Content-Type"]))
            assert len(set(SEEN)) == len({identifier for identifier, _ in SEEN}) == len(SEEN)
        """,
        "--randomly-seed=1",
        kept=("randomly",),
    )
    result.assert_outcomes(passed=3)
    assert len(report_of(pytester)["tests"]) == 3
