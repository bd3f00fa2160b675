"""The command, over every wire: OUT is in OpenAI's form, and no raw body of another wire gets into it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.given import KEY, penstock
from tests.crash.given import Sim, simulator

TARGETS = [
    ("anthropic/claude-sonnet-4-5", "/anthropic", {"ANTHROPIC_API_KEY": KEY}),
    ("gemini/gemini-2.5-flash", "/gemini", {"GEMINI_API_KEY": KEY}),
    ("bedrock/amazon.nova-pro-v1:0", "/bedrock", {"BEDROCK_API_KEY": KEY, "AWS_REGION": "us-east-1"}),
    ("bedrock/anthropic.claude-opus-4-1", "/bedrock", {"BEDROCK_API_KEY": KEY, "AWS_REGION": "us-east-1"}),
    ("azure/gpt-4o", "/azure", {"AZURE_API_KEY": KEY}),
    ("vertex/meta/llama-3.3-70b-instruct-maas", "/vertex", {"VERTEX_API_KEY": KEY, "GOOGLE_CLOUD_PROJECT": "p"}),
]
each_target = pytest.mark.parametrize(("target", "path", "environ"), TARGETS, ids=[one[0] for one in TARGETS])


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with simulator() as running:
        yield running


@each_target
def test_a_run_writes_openais_form(tmp_path: Path, sim: Sim, target: str, path: str, environ: dict[str, str]) -> None:
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"prompt": f"question {n}"}) + "\n" for n in range(5)))
    run = ("run", "in.jsonl", "-o", "out.jsonl", "-m", target, "--base-url", sim.url + path, "--json")
    ended = penstock(*run, cwd=tmp_path, **environ)
    assert ended.code == 0, ended.err
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        body = line["response"]["body"]
        assert body["object"] == "chat.completion"
        assert body["choices"][0]["message"]["content"].endswith(f"question {number}")
        assert body["choices"][0]["finish_reason"] == "stop"
        assert body["usage"]["completion_tokens"] > 0
        assert target.endswith(body["model"])
        assert body["model"]
    again = json.loads(penstock(*run, cwd=tmp_path, **environ).out)
    assert (again["attempts"], again["resumed"]) == (0, 5)


@each_target
def test_a_question_is_answered_on_the_terminal(
    tmp_path: Path, sim: Sim, target: str, path: str, environ: dict[str, str]
) -> None:
    ended = penstock("ask", "-m", target, "--base-url", sim.url + path, "How big?", cwd=tmp_path, **environ)
    assert ended.code == 0, ended.err
    assert ended.out.strip().endswith("How big?")


@pytest.mark.parametrize(
    ("provider", "path"), [("anthropic", "/anthropic"), ("gemini", "/gemini"), ("azure", "/azure")]
)
def test_the_doctor_lists_the_models_of_each_wire(tmp_path: Path, sim: Sim, provider: str, path: str) -> None:
    (tmp_path / "penstock.toml").write_text(f'[providers.{provider}]\nbase_url = "{sim.url}{path}"\n')
    ended = penstock("doctor", cwd=tmp_path, **{f"{provider.upper()}_API_KEY": KEY})
    assert ended.code == 0, ended.out
    assert f"ok   {provider}  " in ended.out
    assert " 0 models" not in ended.out
