"""The profiles of hypothesis: `ci` for every run, `deep` for a search that takes an hour.

`HYPOTHESIS_PROFILE=deep` chooses one, and so does `--hypothesis-profile=deep`, hypothesis's own option for
pytest. `ci` tries the same examples in each run: what is green stays green until somebody changes the code.
`deep` tries other ones each time, and prints how to repeat what fails.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

CI_EXAMPLES = 100
"""How many examples a property is tried with in `ci`, unless it asks for another share."""

DEEP_EXAMPLES = 5_000
"""The same in `deep`."""


def register() -> None:
    """Register both profiles and load the one that the environment names."""
    # No deadline: a loaded machine is not a failure; and no example database in the checkout.
    shared = settings(
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    settings.register_profile("ci", shared, derandomize=True, max_examples=CI_EXAMPLES)
    settings.register_profile("deep", shared, derandomize=False, max_examples=DEEP_EXAMPLES, print_blob=True)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def share(part: float, **others: object) -> settings:
    """Return settings for a property that needs more or fewer examples than most.

    Args:
        part: of the profile's number of examples; 0.5 for one whose examples take long.
        others: further settings of hypothesis.
    """
    profile = settings.default
    assert profile is not None
    return settings(max_examples=max(1, round(profile.max_examples * part)), **others)  # type: ignore[arg-type]
