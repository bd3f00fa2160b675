"""A token is fetched once for all who wait, replaced before its end, and given up when it was refused."""

from __future__ import annotations

import asyncio

import pytest

from penstock.credentials.tokens import REFRESH_BEFORE_S, Token, Tokens
from penstock.errors import CallError
from penstock.http import WireReply, WireRequest
from penstock.testing import run

BARE = WireRequest("POST", "https://api.test/v1", {"accept": "application/json"}, b"{}")
REFUSED = WireReply(401, {}, b"")


class Issuer:
    """Issues t1, t2 ... that live for `life_s`; fails while `broken`."""

    def __init__(self, life_s: float = 3600.0) -> None:
        self.issued = 0
        self.now_s = 1000.0
        self.broken = False
        self._life_s = life_s

    async def __call__(self) -> Token:
        await asyncio.sleep(1)
        if self.broken:
            raise CallError("transport", "no answer", sent=False)
        self.issued += 1
        return Token({"authorization": f"Bearer t{self.issued}"}, self.now_s + self._life_s)

    def tokens(self) -> Tokens:
        return Tokens(self, now_s=lambda: self.now_s)


async def signed(tokens: Tokens) -> WireRequest:
    if (waiting := tokens.waits()) is not None:
        await waiting
    return tokens.sign(BARE)


async def token_of(tokens: Tokens) -> str:
    return (await signed(tokens)).headers["authorization"]


def test_all_who_wait_share_one_fetch() -> None:
    issuer = Issuer()

    async def main() -> list[str]:
        tokens = issuer.tokens()
        return await asyncio.gather(*(token_of(tokens) for _ in range(50)))

    assert run(main()) == ["Bearer t1"] * 50
    assert "authorization" not in BARE.headers


def test_who_stops_waiting_ends_the_fetch_for_nobody() -> None:
    async def main() -> str:
        tokens = Issuer().tokens()
        first = asyncio.ensure_future(token_of(tokens))
        second = asyncio.ensure_future(token_of(tokens))
        await asyncio.sleep(0.5)
        first.cancel()
        return await second

    assert run(main()) == "Bearer t1"


def test_a_token_near_its_end_is_replaced_while_the_old_one_goes_on() -> None:
    issuer = Issuer()

    async def main() -> list[str]:
        tokens = issuer.tokens()
        seen = [await token_of(tokens)]
        issuer.now_s += 3600 - REFRESH_BEFORE_S + 1
        assert tokens.waits() is None
        seen.append(tokens.sign(BARE).headers["authorization"])
        await asyncio.sleep(2)
        return [*seen, await token_of(tokens)]

    assert run(main()) == ["Bearer t1", "Bearer t1", "Bearer t2"]


def test_a_token_past_its_end_is_waited_for() -> None:
    issuer = Issuer()

    async def main() -> str:
        tokens = issuer.tokens()
        await token_of(tokens)
        issuer.now_s += 3600
        return await token_of(tokens)

    assert run(main()) == "Bearer t2"


def test_a_failed_renewal_leaves_the_token_and_is_not_tried_at_once(caplog: pytest.LogCaptureFixture) -> None:
    issuer = Issuer()

    async def main() -> str:
        tokens = issuer.tokens()
        await token_of(tokens)
        issuer.now_s += 3600 - REFRESH_BEFORE_S + 1
        issuer.broken = True
        for _ in range(5):
            assert tokens.waits() is None
            await asyncio.sleep(2)
        return await token_of(tokens)

    assert run(main()) == "Bearer t1"
    assert len(caplog.records) == 1


def test_without_a_token_the_failure_is_everyones() -> None:
    issuer = Issuer()
    issuer.broken = True

    async def main() -> None:
        tokens = issuer.tokens()
        for _ in range(2):
            with pytest.raises(CallError, match="no answer"):
                await token_of(tokens)

    run(main())


def test_a_refused_token_is_fetched_anew_once_for_all_who_used_it() -> None:
    issuer = Issuer()

    async def main() -> None:
        tokens = issuer.tokens()
        old = await signed(tokens)
        issuer.now_s += 120
        assert tokens.renewed(old, REFUSED)
        assert await token_of(tokens) == "Bearer t2"
        assert tokens.renewed(old, REFUSED)
        assert await token_of(tokens) == "Bearer t2"

    run(main())


@pytest.mark.parametrize("status", [401, 403])
def test_a_fresh_token_that_is_refused_is_no_matter_of_age(status: int) -> None:
    async def main() -> bool:
        tokens = Issuer().tokens()
        return tokens.renewed(await signed(tokens), WireReply(status, {}, b""))

    assert run(main()) is False


def test_a_token_is_never_shown() -> None:
    assert "secret" not in repr(Token({"authorization": "Bearer secret"}, 0.0))
