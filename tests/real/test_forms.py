"""Answers in a form, and tools, against llama.cpp's server: its grammar makes random weights write what is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

import penstock

pytestmark = pytest.mark.real_server

MODEL = "mine/tiny-random"


@dataclass
class Mood:
    colour: Literal["red", "green"]
    is_loud: bool
    steps: list[Literal["left", "right"]]


@pytest.fixture
def config(llama_url: str, llama_key: str) -> dict[str, Any]:
    return {"providers": {"mine": {"wire": "openai", "base_url": llama_url, "api_key": llama_key}}}


def test_the_servers_grammar_makes_it_fit(config: dict[str, Any]) -> None:
    with penstock.Client(MODEL, config=config, deadline=30) as client:
        answer = client.generate("How are you?", schema=Mood, max_tokens=300, seed=1)
    assert isinstance(answer.parsed, Mood)


def test_partial_values_stream(config: dict[str, Any]) -> None:
    with penstock.Client(MODEL, config=config, deadline=30) as client:
        with client.stream("How are you?", schema=Mood, max_tokens=300, seed=1) as stream:
            partials = [chunk.partial for chunk in stream]
        assert isinstance(stream.answer.parsed, Mood)
        assert partials[-1] == json.loads(stream.answer.text)
        assert len({json.dumps(partial) for partial in partials}) > 3


def test_an_answer_that_is_cut_off_says_so(config: dict[str, Any]) -> None:
    with (
        penstock.Client(MODEL, config=config, deadline=30) as client,
        pytest.raises(penstock.InvalidAnswer, match="cut off at its token limit") as caught,
    ):
        client.generate("How are you?", schema=Mood, max_tokens=3, reasks=1)
    assert any("again-1" in attempt.id for attempt in caught.value.attempts)


def test_a_run_by_a_schema(llama_url: str, llama_key: str, tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}, "sizes": {"type": "array", "items": {"enum": [1, 2]}}},
        "required": ["colour", "sizes"],
    }
    (tmp_path / "s.json").write_text(json.dumps(schema))
    (tmp_path / "in.txt").write_text("one\ntwo\nthree\n")
    command = [sys.executable, "-m", "penstock", "run", "in.txt", "-o", "out.jsonl", "-m", "custom/tiny-random"]
    more = ["--base-url", llama_url, "--schema", "s.json", "--max-tokens", "300", "--seed", "1"]
    environ = {"CUSTOM_API_KEY": llama_key, "HOME": str(tmp_path)}
    done = subprocess.run(
        [*command, *more], cwd=tmp_path, capture_output=True, text=True, timeout=60, env=environ, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    said = [json.loads(line["response"]["body"]["choices"][0]["message"]["content"]) for line in lines]
    assert len(said) == 3
    assert all(one["colour"] in ("red", "green") for one in said)
