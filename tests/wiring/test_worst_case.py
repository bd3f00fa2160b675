"""What a budget holds for a request: the most that it can come to, and no more where a dear part can't be in it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from penstock.call import Call
from penstock.prices import Own, PriceBook
from penstock.wiring.money import TargetBill

RATES = Own(
    input=1.0, output=2.0, cache_write=1.25, cache_write_1h=20.0, audio_input=300.0, audio_output=400.0, max_output=1000
)
ASKED = "What is the weather like on the Moon?"


def most(**body: Any) -> float:
    pricing = PriceBook({"mine": {"m": RATES}}).pricing("mine", "m", listed=None)
    bill = TargetBill("mine/m", pricing, output_by_default=1000)
    body.setdefault("messages", [{"role": "user", "content": ASKED}])
    return bill.most(Call(id="1", model="mine/m", body={"modalities": ["text"], **body}))


def with_part(part: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": ASKED}, part]}]}


def marked(ttl: str | None) -> dict[str, Any]:
    mark = {"type": "ephemeral"} if ttl is None else {"type": "ephemeral", "ttl": ttl}
    return with_part({"type": "text", "text": "x", "cache_control": mark})


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOL = {"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}


@pytest.mark.parametrize("body", [{}, marked(None), marked("5m"), with_part(IMAGE), {"modalities": ["TEXT"]}])
def test_a_plain_request_holds_no_dear_prices(body: dict[str, Any]) -> None:
    assert most(**body, max_tokens=10) < 25_000 * 1.25e-6 + 11 * 2e-6


def test_what_is_kept_for_an_hour_is_held_at_its_price() -> None:
    plain = most(**marked("5m"), max_tokens=1)
    assert most(**marked("1h"), max_tokens=1) > plain * 10
    assert most(tools=[TOOL], max_tokens=1) > 1500 * 20e-6


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://example.org/film"}},
        {"type": "file", "file": {"file_data": "data:audio/mp3;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/film.mp4"}},
    ],
)
def test_sound_is_held_at_its_price(part: dict[str, Any]) -> None:
    assert most(**with_part(part), max_tokens=1) > 20_000 * 300e-6


def test_an_answer_that_was_spoken_is_heard_again() -> None:
    spoken = [{"role": "assistant", "audio": {"id": "a"}}, {"role": "user", "content": "And?"}]
    assert most(messages=spoken, max_tokens=1) > 16 * 300e-6


@pytest.mark.parametrize("modalities", [None, ["text", "audio"], ["AUDIO"], "audio"])
def test_an_answer_may_be_spoken_where_nothing_says_that_it_isnt(modalities: Any) -> None:
    assert most(modalities=modalities, max_tokens=100) > 100 * 400e-6


def test_a_long_sound_is_held_for_its_length() -> None:
    """Half an hour at 32 kbit/s: Gemini counts 32 tokens a second."""
    data = base64.b64encode(bytes(1800 * 4000)).decode()
    held = most(**with_part({"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}}), max_tokens=1)
    assert held > 1800 * 32 * 300e-6


def test_what_doesnt_fit_is_told_by_what_it_has() -> None:
    pricing = PriceBook({"mine": {"m": RATES}}).pricing("mine", "m", listed=None)
    bill = TargetBill("mine/m", pricing, output_by_default=1000)
    told = bill.told(Call(id="1", model="mine/m", kind="embedding", body={"input": "x" * 84}))
    assert told == "a request to mine/m (100 tokens of input at most)"
    told = bill.told(Call(id="1", model="mine/m", body={"messages": []}))
    assert told == "a request to mine/m (1,000 tokens of output at most; max_tokens bounds it)"
