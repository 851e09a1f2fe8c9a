"""What the whole suite shares: the profile of hypothesis for machines of any speed."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No deadline: a loaded machine is not a failure; and no example database in the checkout.
settings.register_profile(
    "suite",
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")
