from __future__ import annotations

import datetime
import socket

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.call import Usage
from penstock.prices import Own, PriceBook
from penstock.prices.library import Library

AT = datetime.datetime(2026, 11, 1, 12, 0, tzinfo=datetime.UTC)
LISTED = [
    ("openai", "gpt-4o-mini", "openai"),
    ("openai", "o3", "openai"),
    ("anthropic", "claude-sonnet-4-5", "anthropic"),
    ("gemini", "gemini-2.5-pro", "google"),
    ("xai", "grok-4", "x-ai"),
    ("deepseek", "deepseek-chat", "deepseek"),
    ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0", "aws"),
]


@given(
    st.sampled_from(LISTED),
    st.sampled_from(["", "batch"]),
    st.integers(0, 400_000),
    st.floats(0, 1),
    st.integers(0, 100_000),
    st.floats(0, 1),
)
def test_a_cost_is_what_the_library_itself_works_out(
    listed: tuple[str, str, str], tier: str, given: int, cached: float, written: int, thought: float
) -> None:
    provider, model, theirs = listed
    found = Library().tariff(provider, model, tier=tier, at=AT)
    if found is None:
        assert tier == "batch"
        return
    usage = Usage(given, written, int(given * cached), int(written * thought))
    expected = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=given, output_tokens=written, cache_read_tokens=usage.cached_tokens),
        model_ref=model,
        provider_id=theirs,
        genai_request_timestamp=AT,
        price_context={"processing": "batch"} if tier else None,
    )
    assert found[0].cost(usage) == pytest.approx(float(expected.total_price), rel=1e-9, abs=1e-15)


@given(st.integers(0, 400_000), st.integers(0, 100_000), st.data())
def test_nothing_costs_more_than_the_most_that_it_can(given: int, written: int, data: st.DataObject) -> None:
    found = Library().tariff("anthropic", "claude-sonnet-4-5", at=AT)
    assert found is not None
    cached = data.draw(st.integers(0, given))
    kept = data.draw(st.integers(0, given - cached))
    usage = Usage(given, written, cached, data.draw(st.integers(0, written)), kept)
    assert found[0].cost(usage) <= found[0].most(given, written) * (1 + 1e-12)


def test_an_unknown_price_is_none_and_never_zero() -> None:
    book = PriceBook()
    assert book.pricing("openai", "no-such-model", listed="openai").cost(Usage(10, 10)) is None
    assert book.pricing("mine", "gpt-4o-mini", listed=None).cost(Usage(10, 10)) is None
    assert book.pricing("openai", "gpt-4o-mini", listed="openai").cost(Usage(10, 10), tier="no-such-tier") is None


def test_prices_are_read_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert Library().tariff("openai", "gpt-4o-mini") is not None


def test_ones_own_prices_stand_over_the_librarys_for_what_they_say() -> None:
    book = PriceBook({"openai": {"gpt-4o-mini": Own(cached=0.0)}, "mine": {"*": Own(input=1.0, output=2.0)}})
    assert book.pricing("openai", "gpt-4o-mini", listed="openai").cost(Usage(1_000_000, 0, 1_000_000)) == 0.0
    assert book.pricing("openai", "gpt-4o-mini", listed="openai").cost(Usage(0, 1_000_000)) == pytest.approx(0.6)
    own = book.pricing("mine", "anything", listed=None)
    assert own.cost(Usage(1_000_000, 1_000_000, 500_000, 500_000)) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("own", "tier", "expected"),
    [
        (Own(input=1.0, output=2.0, reasoning=8.0), "", 1.0 + 0.5 * 2.0 + 0.5 * 8.0),
        (Own(input=1.0, output=2.0, cached=0.1), "", 0.5 * 1.0 + 0.5 * 0.1 + 2.0),
        (Own(input=1.0, output=2.0, batch=0.5), "batch", 1.5),
        (Own(input=1.0, output=2.0), "batch", None),
        (Own(input=1.0, output=2.0, discount=0.2), "", 2.4),
        (Own(input=1.0, output=2.0, request=0.25), "", 3.25),
        (Own(input=1.0), "", None),
    ],
)
def test_each_part_of_a_price_counts(own: Own, tier: str, expected: float | None) -> None:
    pricing = PriceBook({"mine": {"m": own}}).pricing("mine", "m", listed=None)
    cost = pricing.cost(Usage(1_000_000, 1_000_000, 500_000 if own.cached else 0, 500_000), tier=tier)
    assert cost == (None if expected is None else pytest.approx(expected))


def test_a_deployment_is_priced_by_the_model_that_answered() -> None:
    pricing = PriceBook().pricing("azure", "my-deployment", listed="azure")
    assert pricing.cost(Usage(1_000_000, 0), model="gpt-4o-mini-2024-07-18") == pytest.approx(0.15)
