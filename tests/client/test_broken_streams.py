"""Streams that break in their reader's hands, over sockets: whole after all, or an error that says what had come."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.client.given import KEY, ledger, running_simulator

import penstock
from penstock.call import Seam

FAULTS = ("cut_stream", "reset_mid_body", "truncated_body", "stream_error", "hang_mid_body")
SCENARIO = """
[models."*/other"]
output_tokens = 10
tokens_per_s = 1500

[models."vllm/once"]
output_tokens = 60
tokens_per_s = 1500
faults = [{ fault = "cut_stream", first_tries = 1 }]

[models."ollama/again"]
prefill = "restart"
output_tokens = 60

[models."groq/strict"]
prefill = "refuse"
output_tokens = 60

[models."mistral/*"]
prefill = "echo"
output_tokens = 60

[models."*/good"]
output_tokens = 60
tokens_per_s = 1500
""" + "".join(
    f"""
[models."*/{fault}"]
output_tokens = 60
tokens_per_s = 1500
faults = [{{ fault = "{fault}", after = 0.6 }}]
"""
    for fault in FAULTS
)
PATHS = {
    "openai": "openai/v1",
    "vllm": "vllm/v1",
    "mistral": "mistral/v1",
    "groq": "groq/openai/v1",
    "ollama": "ollama/v1",
}
PROMPT = "How does a penstock bring water to the wheel?"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("sim") / "broken.toml"
    Path(path).write_text(SCENARIO)
    with running_simulator("--scenario", str(path)) as url:
        yield url


@pytest.fixture
def config(url: str) -> dict[str, Any]:
    return {"providers": {name: {"base_url": f"{url}/{path}", "api_key": KEY} for name, path in PATHS.items()}}


def streamed(config: dict[str, Any], *targets: str, **options: Any) -> tuple[list[str], penstock.Answer, str]:
    """The pieces and the answer of a stream, and what the answer in one piece would have been."""

    async def main() -> tuple[list[str], penstock.Answer, str]:
        async with penstock.AsyncClient(
            *targets, config=config, deadline=20, timeouts={"between_tokens": "300ms"}
        ) as client:
            whole = await client.generate(PROMPT, model="openai/good", **options)
            stream = client.stream(PROMPT, **options)
            pieces = [chunk.text async for chunk in stream]
            return pieces, stream.answer, whole.text

    return asyncio.run(main())


def seams(answer: penstock.Answer) -> list[tuple[str, str, str]]:
    return [(seam.rung, seam.from_target, seam.to_target) for attempt in answer.attempts if (seam := attempt.seam)]


@pytest.mark.parametrize(
    ("fault", "second", "rung"),
    [
        *((fault, "vllm/good", "prefill") for fault in FAULTS),
        *((fault, "openai/good", "anew") for fault in FAULTS),
        ("cut_stream", "mistral/good", "prefill"),
        ("cut_stream", "ollama/again", "prefill"),
        ("cut_stream", "groq/strict", "anew"),
    ],
)
def test_a_broken_answer_becomes_the_whole_one(config: dict[str, Any], fault: str, second: str, rung: str) -> None:
    pieces, answer, whole = streamed(config, f"openai/{fault}", second)
    assert "".join(pieces) == answer.text == whole
    assert (answer.status, answer.target, seams(answer)) == ("success", second, [(rung, f"openai/{fault}", second)])


def test_the_seam_says_how_much_had_come(config: dict[str, Any]) -> None:
    pieces, answer, whole = streamed(config, "openai/cut_stream", "vllm/good")
    first, second = answer.attempts
    assert second.seam == Seam(at_chars=144, rung="prefill", from_target="openai/cut_stream", to_target="vllm/good")
    assert (first.outcome, second.outcome, len(whole)) == ("failed", "answered", 240)
    assert len(pieces) > 60


def test_a_limit_of_tokens_holds_across_the_seam(config: dict[str, Any]) -> None:
    _, answer, whole = streamed(config, "openai/cut_stream", "vllm/good", max_tokens=50)
    assert (answer.text, answer.status, answer.finish_reason) == (whole, "truncated", "length")


def test_the_only_target_is_asked_again_itself(config: dict[str, Any]) -> None:
    _, answer, whole = streamed(config, "vllm/once")
    assert (answer.text, seams(answer)) == (whole, [("prefill", "vllm/once", "vllm/once")])


def test_a_server_of_ones_own_continues_when_its_configuration_says_how(config: dict[str, Any]) -> None:
    own = config["providers"]["vllm"]
    config["providers"]["mine"] = {**own, "prefill": "continue_final_message"}
    _, answer, whole = streamed(config, "openai/cut_stream", "mine/good")
    assert (answer.text, seams(answer)) == (whole, [("prefill", "openai/cut_stream", "mine/good")])
    own["prefill"] = "off"
    _, answer, whole = streamed(config, "openai/cut_stream", "vllm/good")
    assert (answer.text, seams(answer)) == (whole, [("anew", "openai/cut_stream", "vllm/good")])


def test_another_answer_ends_with_what_had_come(config: dict[str, Any], url: str) -> None:
    async def main() -> tuple[list[str], penstock.Unanswered]:
        pieces: list[str] = []
        async with penstock.AsyncClient("openai/cut_stream", "openai/other", config=config, deadline=20) as client:
            with pytest.raises(penstock.Unanswered) as caught:
                async for chunk in client.stream(PROMPT):
                    pieces.append(chunk.text)
            return pieces, caught.value

    pieces, error = asyncio.run(main())
    assert error.last is not None
    assert "".join(pieces) == error.last.partial
    assert len(error.last.partial) == 144
    assert len(error.attempts) == 2
    assert any(row["model"] == "other" for row in ledger(url))


def test_nothing_is_asked_again_when_told_so(config: dict[str, Any]) -> None:
    async def main() -> penstock.Unanswered:
        async with penstock.AsyncClient(
            "openai/cut_stream", "vllm/good", config=config, deadline=20, on_break="error"
        ) as client:
            with pytest.raises(penstock.Unanswered) as caught:
                await client.stream(PROMPT).finish()
            return caught.value

    error = asyncio.run(main())
    assert error.last is not None
    assert (len(error.last.partial), len(error.attempts)) == (144, 1)
