from __future__ import annotations

import datetime

import genai_prices
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.call import Usage
from penstock.prices import Own, PriceBook
from penstock.prices.library import Library

AT = datetime.datetime(2026, 11, 1, 12, 0, tzinfo=datetime.UTC)
M = 1_000_000


@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        # $3 input, $3.75 kept for five minutes, $6 for an hour, $15 output.
        ("anthropic/claude-sonnet-4-5", Usage(1000, 100, 0, 0, 900, 600), (100 * 3 + 300 * 3.75 + 600 * 6 + 1500) / M),
        # $0.30 text, $1 sound, $0.03 and $0.10 read from the cache, $2.50 output.
        ("gemini/gemini-2.5-flash", Usage(1000, 10, audio_input_tokens=800), (200 * 0.3 + 800 * 1.0 + 25) / M),
        (
            "gemini/gemini-2.5-flash",
            Usage(1000, 10, 500, audio_input_tokens=800, audio_cached_tokens=400),
            (100 * 0.3 + 100 * 0.03 + 400 * 1.0 + 400 * 0.1 + 25) / M,
        ),
        # $2.50 text, $32 sound; $10 text, $64 sound.
        (
            "openai/gpt-audio",
            Usage(1000, 500, audio_input_tokens=900, audio_output_tokens=400),
            (100 * 2.5 + 900 * 32 + 100 * 10 + 400 * 64) / M,
        ),
        # Nobody lists an hour there: twice the input, as Anthropic says.
        ("openrouter/anthropic/claude-opus-4.5", Usage(1000, 0, 0, 0, 1000, 1000), 1000 * 10 / M),
    ],
)
def test_a_cost_agrees_with_one_by_hand(model: str, usage: Usage, dollars: float) -> None:
    provider, _, name = model.partition("/")
    found = Library().tariff(provider, name, at=AT)
    assert found is not None
    assert found[0].cost(usage) == pytest.approx(dollars, rel=1e-9)


@given(st.integers(0, 300_000), st.data())
def test_parts_cost_what_the_library_itself_works_out(given: int, data: st.DataObject) -> None:
    cached = data.draw(st.integers(0, given))
    heard_again = data.draw(st.integers(0, cached))
    heard = data.draw(st.integers(heard_again, given - (cached - heard_again)))
    usage = Usage(given, 50, cached, audio_input_tokens=heard, audio_cached_tokens=heard_again)
    found = Library().tariff("gemini", "gemini-2.5-flash", at=AT)
    assert found is not None
    expected = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=given,
            output_tokens=50,
            cache_read_tokens=cached,
            input_audio_tokens=heard,
            cache_audio_read_tokens=heard_again,
        ),
        model_ref="gemini-2.5-flash",
        provider_id="google",
        genai_request_timestamp=AT,
    )
    assert found[0].cost(usage) == pytest.approx(float(expected.total_price), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash", "openai/gpt-audio"])
@given(st.integers(0, 400_000), st.integers(0, 100_000), st.data())
def test_no_part_costs_more_than_the_most(model: str, given: int, written: int, data: st.DataObject) -> None:
    provider, _, name = model.partition("/")
    found = Library().tariff(provider, name, at=AT)
    assert found is not None
    cached = data.draw(st.integers(0, given))
    kept = data.draw(st.integers(0, given - cached))
    spoken = data.draw(st.integers(0, written))
    usage = Usage(
        given,
        written,
        cached,
        data.draw(st.integers(0, written - spoken)),
        kept,
        data.draw(st.integers(0, kept)),
        data.draw(st.integers(0, given - kept)),
        spoken,
        data.draw(st.integers(0, cached)),
    )
    assert found[0].cost(usage) <= found[0].most(given, written) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("own", "usage", "dollars"),
    [
        (Own(input=1.0, output=2.0), Usage(M, M, 0, 0, M, M), 3.0),
        (Own(input=1.0, output=2.0, cache_write=4.0), Usage(M, 0, 0, 0, M, M), 4.0),
        (Own(input=1.0, output=2.0, cache_write_1h=5.0), Usage(M, 0, 0, 0, M, M // 2), 0.5 + 2.5),
        (Own(input=1.0, output=2.0, audio_input=9.0), Usage(M, 0, audio_input_tokens=M), 9.0),
        (Own(input=1.0, output=2.0, audio_input=9.0, cached=0.1), Usage(M, 0, M, audio_input_tokens=M), 9.0),
        (Own(input=1.0, output=2.0, cached=0.1), Usage(M, 0, M, audio_input_tokens=M), 0.1),
        (Own(input=1.0, output=2.0, audio_cached=3.0), Usage(M, 0, M, audio_input_tokens=M), 3.0),
        (Own(input=1.0, output=2.0, audio_output=8.0), Usage(0, M, audio_output_tokens=M // 2), 1.0 + 4.0),
    ],
)
def test_a_part_without_a_price_costs_as_its_whole(own: Own, usage: Usage, dollars: float) -> None:
    pricing = PriceBook({"mine": {"m": own}}).pricing("mine", "m", listed=None)
    assert pricing.cost(usage) == pytest.approx(dollars)


def test_ones_own_price_of_input_is_that_of_what_the_list_prices_alike() -> None:
    pricing = PriceBook({"openai": {"gpt-4": Own(input=100.0)}}).pricing("openai", "gpt-4", listed="openai")
    assert pricing.cost(Usage(M, 0, M)) == pytest.approx(100.0)


def test_usage_adds_and_reads_in_every_part() -> None:
    usage = Usage(*range(1, len(Usage.__struct_fields__) + 1))
    assert msgspec.structs.astuple(usage + usage) == tuple(2 * count for count in msgspec.structs.astuple(usage))
    assert msgspec.json.decode(msgspec.json.encode(usage), type=Usage) == usage
    old = b'{"input_tokens":3,"output_tokens":2,"cached_tokens":1,"reasoning_tokens":0,"cache_write_tokens":0}'
    assert msgspec.json.encode(msgspec.json.decode(old, type=Usage)) == old
