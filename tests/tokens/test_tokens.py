from __future__ import annotations

import base64
import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import InputError
from penstock.tokens import Counter, count_tokens
from penstock.tokens.encodings import by_letters
from penstock.tokens.images import size_of
from penstock.wiring.estimate import most_input

PROSE = "The tide comes in twice a day, and nobody on the island keeps a clock because of it. " * 20
CODE = "def area(width: float, height: float) -> float:\n    return width * height  # square metres\n\n" * 20
JAPANESE = "島では誰も時計を持たない。潮が一日に二度満ちるからである。" * 20
GERMAN = "Zweimal am Tag kommt die Flut, und deshalb trägt auf der Insel niemand eine Uhr. " * 20


def chat(text: str, **body: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}], **body}


@pytest.mark.parametrize(
    ("text", "model", "tokens"),
    [
        ("hello world", "openai/gpt-4o-mini", 2),
        ("hello world", "openai/gpt-4", 2),
        ("tiktoken is great!", "openai/gpt-3.5-turbo", 6),
        ("お誕生日おめでとう", "openai/gpt-4", 9),
        ("お誕生日おめでとう", "openai/gpt-4o", 8),
    ],
)
def test_texts_to_openais_models_are_counted_exactly(text: str, model: str, tokens: int) -> None:
    counted = count_tokens(text, model=model)
    assert (counted.tokens, counted.is_exact) == (tokens, True)


@pytest.mark.parametrize("text", [PROSE, CODE, JAPANESE, GERMAN])
def test_a_count_by_letters_keeps_the_error_that_it_states(text: str) -> None:
    exact = Counter("openai/gpt-4o").text(text)
    assert abs(by_letters(text) - exact) <= 0.35 * exact


def test_messages_count_what_is_around_them() -> None:
    # OpenAI's own published example counts 3 for each message, its role, and 3 for the beginning of the answer.
    assert count_tokens([{"role": "user", "content": "hello world"}], model="openai/gpt-4o").tokens == 3 + 1 + 2 + 3


def test_tools_and_images_count() -> None:
    counter = Counter("openai/gpt-4o")
    tool = {"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": {}}}
    assert counter.request("chat", chat("hi", tools=[tool])) > counter.request("chat", chat("hi")) + 10
    part = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    seen = {"messages": [{"role": "user", "content": [part]}]}
    assert counter.request("chat", seen) == 3 + 3 + 1 + 765
    part["image_url"] = {"url": "https://example.org/a.png", "detail": "low"}
    assert counter.request("chat", seen) == 3 + 3 + 1 + 85


def test_the_size_of_an_image_is_read_from_the_request() -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480) + b"\x08\x02\0\0\0"
    assert size_of("data:image/png;base64," + base64.b64encode(png).decode()) == (640, 480)
    assert size_of("data:image/png;base64,AAAA") is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_counting_never_raises(value: object) -> None:
    counter = Counter("anthropic/claude-sonnet-4-5")
    for kind, body in (
        ("chat", {"messages": value, "tools": value, "response_format": value}),
        ("chat", {"messages": [{"role": "user", "content": value, "tool_calls": value, "name": value}]}),
        ("embedding", {"input": value}),
        ("completion", {"prompt": value}),
    ):
        assert counter.quick(kind, body) >= 0  # type: ignore[arg-type]
        assert counter.request(kind, body) >= 0  # type: ignore[arg-type]


def test_a_counter_learns_from_what_the_provider_counts_and_says_how_far_off_it_is() -> None:
    rng = random.Random(1)
    counter = Counter("mine/unknown-model")
    stated = counter.error
    for _ in range(200):
        words = rng.randrange(20, 400)
        body = chat("island " * words)
        counter.learn("chat", body, round((words * 1.7 + 30) * rng.uniform(0.97, 1.03)))
    body = chat("island " * 200)
    assert counter.quick("chat", body) == pytest.approx(200 * 1.7 + 30, rel=0.1)
    assert counter.error < stated


@pytest.mark.parametrize("model", ["openai/gpt-4o", "anthropic/claude-sonnet-4-5"])
def test_what_was_learnt_of_a_count_by_letters_bends_no_other_count(model: str) -> None:
    counter = Counter(model)
    body = {"messages": [{"role": "user", "content": "aaaaaaaa " * 200}]}
    told = counter.request("chat", body)
    for _ in range(30):
        counter.learn("chat", body, told)
    assert counter.request("chat", body) == pytest.approx(told, rel=0.02)
    counter.prepare()
    assert counter.request("chat", body) == pytest.approx(told, rel=0.02)


def test_a_long_text_is_paced_by_its_beginning() -> None:
    counter = Counter("openai/gpt-4o")
    counter.prepare()
    exact = counter.request("chat", chat(PROSE * 50))
    assert counter.quick("chat", chat(PROSE * 50)) == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("what", [7, None, {"model": "x"}, [1, 2]])
def test_what_has_no_tokens_is_refused(what: object) -> None:
    with pytest.raises(InputError):
        count_tokens(what, model="openai/gpt-4o")  # type: ignore[arg-type]


TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": {}}}


@pytest.mark.parametrize(
    ("model", "more", "billed"),
    [
        ("anthropic/claude-sonnet-4-5", {"tools": [TOOL]}, 560),  # a system prompt about tools
        ("anthropic/claude-3-5-haiku-latest", {"tools": [TOOL]}, 370),
        ("groq/meta-llama/llama-4-scout-17b-16e-instruct", {"tools": [TOOL]}, 720),
        ("groq/openai/gpt-oss-120b", {}, 84),  # the date, the channels
        ("cerebras/llama-3.3-70b", {}, 45),
        ("someone/unknown", {}, 70),
    ],
)
def test_what_a_model_adds_of_its_own_is_counted_and_held(model: str, more: dict[str, Any], billed: int) -> None:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "What is the weather in Paris?"}], **more}
    counter = Counter(model)
    assert most_input(counter, "chat", body) >= billed
    if "unknown" not in model:
        assert counter.request("chat", body) == pytest.approx(billed, rel=0.35)


SHORT = {"messages": [{"role": "user", "content": "What is the weather in Paris?"}]}


@pytest.mark.parametrize(
    ("model", "more", "billed"),
    [
        ("anthropic/claude-sonnet-4-5", {}, 15),
        ("anthropic/claude-sonnet-4-5", {"thinking": {"type": "enabled"}}, 43),
        ("anthropic/claude-sonnet-4-5", {"tools": [TOOL]}, 560),
        ("anthropic/claude-3-7-sonnet-20250219", {"tools": [TOOL], "reasoning_effort": "low"}, 397),
        ("bedrock/anthropic.claude-3-sonnet-20240229-v1:0", {"tools": [TOOL]}, 210),
        ("snowflake/claude-sonnet-4-6", {"response_format": {"type": "json_object"}}, 600),
        ("gemini/gemini-2.5-flash", {}, 7),
        ("gemini/gemini-3-flash-preview", {"tools": [TOOL]}, 24),
        ("deepseek/deepseek-chat", {}, 12),
        ("deepseek/deepseek-reasoner", {"tools": [TOOL]}, 280),
        ("deepseek/deepseek-v4-flash", {}, 90),
        ("ollama/qwen3.6", {"tools": [TOOL]}, 270),
        ("zai/glm-5.2", {}, 20),
        ("mistral/mistral-small-latest", {}, 9),
        ("mistral/mistral-large-latest", {"tools": [TOOL]}, 50),
        ("bedrock/us.amazon.nova-micro-v1:0", {}, 7),
        ("bedrock/us.amazon.nova-micro-v1:0", {"tools": [TOOL]}, 375),
        ("cohere/command-r-08-2024", {}, 205),
        ("cohere/command-r7b-12-2024", {"tools": [TOOL]}, 1440),
        ("cohere/command-a-reasoning-08-2025", {}, 1745),
        ("openai/gpt-4o-mini", {}, 14),
        ("writer/palmyra-x4", {}, 38),
        ("writer/palmyra-x4", {"tools": [TOOL]}, 170),
        ("someone/unknown", {}, 60),
        ("someone/unknown", {"tools": [TOOL]}, 400),
    ],
)
def test_a_short_request_keeps_the_error_that_is_stated_for_it(model: str, more: dict[str, Any], billed: int) -> None:
    count = count_tokens({**SHORT, **more}, model=model)
    assert abs(billed / count.tokens - 1) <= count.error
    assert most_input(Counter(model), "chat", {**SHORT, **more}) >= billed


def test_a_long_request_states_no_more_than_its_text() -> None:
    body = {"messages": [{"role": "user", "content": PROSE * 20}]}
    for model, error in [
        ("anthropic/claude-sonnet-4-5", 0.25),
        ("openai/gpt-4o", 0.02),
        ("gemini/gemini-2.5-pro", 0.2),
    ]:
        assert count_tokens(body, model=model).error == pytest.approx(error, abs=0.01)
