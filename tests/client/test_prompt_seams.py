"""A stream that breaks goes on at a target that is asked in its own words, and nobody sees where."""

from __future__ import annotations

from pathlib import Path

from tests.client.given import KEY, running_simulator

from penstock import Client

SCENARIO = """
[models."*/good"]
output_tokens = 60
tokens_per_s = 1500

[models."vllm/base"]
output_tokens = 60
tokens_per_s = 1500

[models."openai/cut"]
output_tokens = 60
tokens_per_s = 1500
faults = [{ fault = "cut_stream", after = 0.6 }]
"""
PROMPT = "How does a penstock bring water to the wheel?"


def test_a_completion_only_target_goes_on_with_a_broken_chat(tmp_path: Path) -> None:
    (tmp_path / "cut.toml").write_text(SCENARIO)
    with running_simulator("--scenario", str(tmp_path / "cut.toml")) as url:
        own = {"vllm/base": {"type": "completion", "template": "{{ prompt }}"}}
        route = {"targets": ["openai/cut", "vllm/base"], "deadline": 20, "prompts": own}
        places = {name: {"base_url": f"{url}/{name}/v1", "api_key": KEY} for name in ("openai", "vllm")}
        with Client(config={"providers": places, "routes": {"default": route}}) as client:
            whole = client.generate(PROMPT, model="openai/good").text
            with client.stream(PROMPT) as stream:
                text = "".join(chunk.text for chunk in stream)
    assert text == stream.answer.text == whole
    (seam,) = (attempt.seam for attempt in stream.answer.attempts if attempt.seam)
    assert (seam.rung, seam.from_target, seam.to_target) == ("prefill", "openai/cut", "vllm/base")
