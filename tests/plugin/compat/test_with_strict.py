from __future__ import annotations

import pytest

from tests.plugin.compat.conftest import Together
from tests.report.conftest import Reported

pytestmark = pytest.mark.skipif(pytest.version_tuple < (9,), reason="`strict` is of pytest 9")


@pytest.mark.parametrize("name", ["ini", "toml"])
def test_every_strict_mode_of_pytest(together: Together, pytester: pytest.Pytester, name: str) -> None:
    """Our options, markers and ini values are declared, so `strict = true` changes nothing."""
    if name == "ini":
        pytester.makeini("[pytest]\nstrict = true\nsmtp4d_timeout = 30\n")
    else:
        pytester.makepyprojecttoml("[tool.pytest]\nstrict = true\nsmtp4d_timeout = 30\n")
    together()


def test_the_ids_of_sweeps_and_injections_are_unique(reported: Reported, pytester: pytest.Pytester) -> None:
    """`strict_parametrization_ids` refuses ids that stand twice; ours do not."""
    pytester.makeini("[pytest]\nstrict = true\n")
    result = reported(
        """
        @pytest.mark.smtp_sweep
        @pytest.mark.parametrize("subject", ["one", "two"])
        def test_sweep(smtp_server, transporter, subject):
            transporter.send({**MAIL, "subject": subject})

        @pytest.mark.smtp_injection
        def test_injection(smtp_server, transporter, payload):
            transporter.send({**MAIL, "subject": payload})

        @pytest.mark.xfail(raises=AssertionError)
        @pytest.mark.smtp_server(tls="none")
        def test_expected(smtp_server):
            import smtplib
            with smtplib.SMTP(*smtp_server.address) as client:
                client.docmd("DATA")
        """,
        "--collect-only",
        "-q",
    )
    assert result.ret == 0
    ids = [line for line in result.outlines if line.startswith("test_it.py::")]
    assert len(ids) == len(set(ids)) > 100
