"""What other tools kept: `penstock import-cache`, and that it is served to who asks the same."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import diskcache
import pytest
from openai.types.chat import ChatCompletion

from penstock import Client
from penstock.cli.main import run
from penstock.policies.cache.foreign import fastllm_hash, xxh64


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("PENSTOCK_CONFIG", raising=False)
    (tmp_path / "penstock.toml").write_text('[cache]\nstore = "sqlite"\n')
    return tmp_path


SAID = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "3,474 km"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


class Evil:
    def __reduce__(self) -> Any:
        return (os.mkdir, ("evil",))


def asked(place: Path, prompt: str, **options: Any) -> Any:
    del place
    with Client("openai/gpt-4o-mini", config="penstock.toml", base_url="http://127.0.0.1:1/v1", deadline=1) as client:
        return client.generate(prompt, **options)


def test_a_folder_of_pickles_by_other_names_is_told_and_not_empty(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "theirs").mkdir()
    (place / "theirs" / "answer-1.pkl").write_bytes(pickle.dumps(SAID))
    assert run(["import-cache", "theirs"]) == 2
    said = capsys.readouterr().err
    assert "named as requests-engine names its own" in said
    assert "answer-1.pkl" in said


def test_requests_engines_pickles_are_served_and_run_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "How big is the möön?"}]
    body = json.dumps({"model": "gpt-4o-mini", "messages": messages, "temperature": 0.3})
    folder = place / "theirs" / "a task"
    folder.mkdir(parents=True)
    (folder / f"{hashlib.sha256(body.encode()).hexdigest()}.pkl").write_bytes(pickle.dumps(SAID))
    for number, kept in enumerate((None, Evil(), {"error": "no"}, [1])):
        (folder / f"{number:064x}.pkl").write_bytes(pickle.dumps(kept))
    (folder / f"{9:064x}.pkl").write_bytes(b"\x80\x04torn")
    assert run(["import-cache", str(place / "theirs")]) == 0
    assert capsys.readouterr().out.startswith("answers imported: 1; 5 were failures")
    assert not (place / "evil").exists()
    answer = asked(place, "How big is the möön?", system="Be short.", temperature=0.3)
    assert (answer.text, answer.cached, answer.target) == ("3,474 km", True, "openai/gpt-4o-mini")


def test_fastllm_kits_folder_is_served(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = {"top_p": 1.0, "n": 1, "presence_penalty": 0.0, "frequency_penalty": 0.0, "temperature": 0.7}
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], **theirs}
    cache = diskcache.Cache(str(place / "theirs"))
    long = {**SAID, "choices": [{**SAID["choices"][0], "message": {"role": "assistant", "content": "y" * 100_000}}]}  # type: ignore[index]
    cache.set(fastllm_hash({"type": "chat_completion", **body}), ChatCompletion.model_validate(long))
    cache.set("plain", "text")
    cache.close()
    assert run(["import-cache", str(place / "theirs")]) == 0
    assert capsys.readouterr().out.startswith("answers imported: 1; 1 were")
    answer = asked(place, "hi", temperature=0.7)
    assert (len(answer.text), answer.cached) == (100_000, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1),
    ],
)
def test_xxh64_is_the_published_hash(text: bytes, expected: int) -> None:
    assert xxh64(text) == expected
