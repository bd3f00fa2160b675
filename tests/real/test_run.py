"""`penstock run` against llama.cpp's server, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real_server

COMMAND = Path(sys.executable).with_name("penstock")


@pytest.fixture
def job(tmp_path: Path, llama_url: str, llama_key: str) -> Path:
    """A folder with a configuration that knows the server as `mine`."""
    (tmp_path / "penstock.toml").write_text(
        f'[providers.mine]\nwire = "openai"\nbase_url = "{llama_url}"\napi_key = "{llama_key}"\n'
    )
    return tmp_path


def run(folder: Path, *options: str, model: str = "mine/tiny-random") -> subprocess.CompletedProcess[str]:
    command = [COMMAND, "run", "in.jsonl", "-o", "out.jsonl", "-m", model, *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def batch_line(custom_id: str, url: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


def test_every_kind_of_line_is_answered_in_its_own_form(job: Path) -> None:
    chats = [{"prompt": f"Number {number}", "max_tokens": 8} for number in range(20)]
    others = [
        batch_line("text", "/v1/completions", {"prompt": "Once", "max_tokens": 8}),
        batch_line("vector", "/v1/embeddings", {"input": ["one", "two"]}),
        batch_line("chat", "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8}),
    ]
    write(job / "in.jsonl", [*chats, *others])
    done = run(job)
    assert done.returncode == 0, done.stderr
    answers = read(job / "out.jsonl")
    assert [line["custom_id"] for line in answers] == [*(f"line-{n}" for n in range(1, 21)), "text", "vector", "chat"]
    kinds = [line["response"]["body"]["object"] for line in answers]
    assert kinds == ["chat.completion"] * 20 + ["text_completion", "list", "chat.completion"]
    assert {line["penstock"]["status"] for line in answers[:21]} == {"truncated"}


def test_a_second_run_asks_nothing_and_a_longer_file_asks_the_rest(job: Path) -> None:
    lines = [
        batch_line(f"r{n}", "/v1/chat/completions", {"messages": [{"role": "user", "content": f"{n}?"}]})
        for n in range(6)
    ]
    write(job / "in.jsonl", lines[:4])
    assert run(job, "--max-tokens", "8").returncode == 0
    before = read(job / "out.jsonl")
    write(job / "in.jsonl", lines)
    assert run(job, "--max-tokens", "8").returncode == 0
    after = read(job / "out.jsonl")
    assert after[:4] == before
    assert [line["custom_id"] for line in after] == [f"r{n}" for n in range(6)]


def test_a_refused_line_goes_to_the_errors_file_with_the_servers_words(job: Path) -> None:
    write(job / "in.jsonl", [{"prompt": "short", "max_tokens": 4}, {"prompt": "long " * 2000, "max_tokens": 4}])
    assert run(job).returncode == 1
    (refused,) = read(job / "out.jsonl.errors.jsonl")
    assert (refused["custom_id"], refused["error"]["code"]) == ("line-2", "context_too_long")
    assert "exceeds the available context size" in refused["error"]["message"]


def test_a_wrong_key_stops_the_run_at_once(job: Path) -> None:
    config = job / "penstock.toml"
    config.write_text(config.read_text().replace("sk-test-not-a-key", "sk-test-wrong"))
    write(job / "in.jsonl", [{"prompt": f"Number {number}", "max_tokens": 4} for number in range(500)])
    done = run(job)
    assert done.returncode == 3, done.stderr
    assert "sk-test-wrong" not in done.stderr + done.stdout
