"""Promises of the Python interface that were once broken."""

from __future__ import annotations

import subprocess

import pytest
from tests.crash.given import Sim, command, environment, simulator

from penstock import Client, ConfigError

_LOSES_AN_EVENT = {"models": {"*": {"faults": [{"fault": "malformed_event", "after": 0.5}]}}}


def a_client(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-not-a-key")
    return Client("openai/x", base_url=sim.base_url)


def test_an_answer_that_lacks_an_event_of_its_stream_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulator(_LOSES_AN_EVENT) as sim, a_client(sim, monkeypatch) as client:
        with client.stream("a question of some length") as stream:
            text = "".join(chunk.text for chunk in stream)
        assert not text.endswith("a question of some length")
        assert stream.answer.malformed_events == 1
        assert stream.answer.to_dict()["malformed_events"] == 1


def test_ask_warns_of_a_part_that_may_be_missing() -> None:
    with simulator(_LOSES_AN_EVENT) as sim:
        words = command(sim, "ask", "a question of some length", "-m", "openai/x")
        done = subprocess.run(
            words, env=environment(), capture_output=True, text=True, timeout=60, check=True, input=""
        )
    assert "may lack a part" in done.stderr


def test_tags_that_are_no_names_and_values_are_refused_plainly() -> None:
    with Client("sim/fast") as client, pytest.raises(ConfigError, match="tags: expected names and values"):
        client.generate("hello", tags=["a"])  # type: ignore[arg-type]
