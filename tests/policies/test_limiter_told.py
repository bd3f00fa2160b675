"""A permit that is told a limit says whether its own request can ever pass."""

from __future__ import annotations

from tests.policies.given import a_call, a_limiter, now

from penstock.call import RateLimits
from penstock.testing import run


def test_a_request_above_the_limit_that_its_own_refusal_told_learns_so() -> None:
    async def main() -> None:
        limiter = a_limiter()
        big, small = (limiter.try_admit(a_call(estimate=tokens), now()) for tokens in (5000, 500))
        assert big is not None
        assert small is not None
        why = big.learn(RateLimits(input_tokens_limit=1000))
        assert why == "the request needs about 5256 tokens, the limit lets 1000 through at most"
        assert small.learn(RateLimits(input_tokens_limit=1000)) is None

    run(main)


def test_a_request_above_one_keys_limit_may_pass_with_another() -> None:
    async def main() -> None:
        permit = a_limiter(keys=2).try_admit(a_call(estimate=5000), now())
        assert permit is not None
        assert permit.learn(RateLimits(input_tokens_limit=1000)) is None

    run(main)
