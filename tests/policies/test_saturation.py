"""How full a limit is reads like a sentence, with its units."""

import pytest

from penstock.policies.limit.saturation import LimitUse, Saturation


def saturation(**fields):
    plain = {"in_flight": 2, "waiting": 0, "frozen_s": 0.0, "requests_per_s": None, "used": None}
    return Saturation(**{**plain, "max_in_flight": None, "usable_keys": 1, "limits": {}, **fields})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "no limit known, 2 in flight"),
        (
            {"limits": {"requests": LimitUse(per_minute=500.0, used=0.4321)}},
            "43 % of 500 requests a minute used, 2 in flight",
        ),
        (
            {
                "limits": {"input_tokens": LimitUse(per_minute=200_000.0, used=1.0)},
                "max_in_flight": 8,
                "waiting": 3,
                "frozen_s": 1.25,
            },
            "100 % of 200,000 input tokens a minute used, 2 in flight of 8, 3 waiting, closed for 1.2 s",
        ),
    ],
)
def test_saturation_says_what_is_used_of_what(fields, text):
    assert str(saturation(**fields)) == text
