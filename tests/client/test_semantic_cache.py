"""The semantic cache from a user's side: through a client, its settings, and what is said when they are wrong."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from tests.vectors.given import WORDS, write_model

import penstock
from penstock import Client, ConfigError
from penstock.config import parse_config

ASKED, AGAIN, OTHER = "How do I reset my password?", "How can I reset my password?", "How do I reset my router?"


def config(store="memory", prices=None, **semantic):
    table = {"embedder": "sim/fast", "dimensions": 512, "floor": 0.3, **semantic}
    found = {"cache": {"store": store, "semantic": {name: one for name, one in table.items() if one is not None}}}
    return {**found, "providers": {"sim": {"prices": prices}}} if prices else found


def test_the_same_question_in_other_words_is_answered_from_the_cache_and_says_so():
    with Client("sim/fast", config=config()) as client:
        first, again, other = (client.generate(prompt) for prompt in (ASKED, AGAIN, OTHER))
        assert [answer.cached for answer in (first, again, other)] == [False, True, False]
        assert again.text == first.text
        assert again.semantic.question_hash == first.request_hash
        assert 0.3 <= again.semantic.similarity <= 1.0
        assert (first.semantic, other.semantic) == (None, None)
        assert again.to_dict()["semantic"]["embedder"] == "sim/fast"
        assert client.stats().cached == 1


def test_an_equal_question_is_answered_by_the_exact_cache_without_a_vector():
    with Client("sim/fast", config=config()) as client:
        client.generate(ASKED)
        requests = client.stats().requests
        assert client.generate(ASKED).semantic is None
        assert client.stats().requests == requests == 2


def test_streams_are_served_from_it_and_remembered_in_it():
    with Client("sim/fast", config=config()) as client:
        first = client.stream(ASKED).finish()
        again = client.stream(AGAIN).finish()
        assert (again.text, again.cached, first.cached) == (first.text, True, False)
        assert again.semantic.question_hash == first.request_hash
        assert client.generate("What is the best way to reset my password?").cached


def test_a_call_says_exact_semantic_or_neither():
    with Client("sim/fast", config=config()) as client:
        client.generate(ASKED)
        assert not client.generate(AGAIN, cache="exact").cached
    with Client("sim/fast", config=config(every_call=False)) as client:
        client.generate(ASKED, cache="semantic")
        assert not client.generate(AGAIN).cached
        assert client.generate("How should I reset my password?", cache="semantic").cached
    with Client("sim/fast", cache="memory") as client, pytest.raises(ConfigError, match=r"\[cache.semantic\] embedder"):
        client.generate(ASKED, cache="semantic")


def test_a_client_says_exact_or_semantic_for_all_of_its_calls():
    with Client("sim/fast", config=config(), cache="exact") as client:
        client.generate(ASKED, cache="semantic")
        assert not client.generate(AGAIN).cached
        assert client.generate("How should I reset my password?", cache="semantic").cached
    with Client("sim/fast", config=config(every_call=False), cache="semantic") as client:
        client.generate(ASKED)
        assert client.generate(AGAIN).cached
    with pytest.raises(ConfigError, match=r"\[cache.semantic\] embedder"):
        Client("sim/fast", config={}, cache="semantic").generate(ASKED)


def test_read_only_remembers_nothing_and_write_only_looks_nothing_up():
    with Client("sim/fast", config=config()) as client:
        client.generate(ASKED, cache="read")
        assert not client.generate(AGAIN, cache="write").cached
        assert client.generate(ASKED).semantic is not None


def test_a_conversation_is_compared_only_when_its_beginning_is_equal():
    def talk(said, last):
        return [*({"role": role, "content": text} for role, text in said), {"role": "user", "content": last}]

    hello = [("user", "Hello"), ("assistant", "Hi!")]
    with Client("sim/fast", config=config()) as client:
        client.generate(talk(hello, ASKED))
        assert client.generate(talk(hello, AGAIN)).cached
        assert not client.generate(talk([("user", "Hello!"), ("assistant", "Hi!")], AGAIN)).cached
        assert not client.generate(AGAIN, temperature=0.5).cached
        assert not client.generate(AGAIN, system="Be brief.").cached


def test_an_embedder_that_is_down_is_a_miss_and_never_a_failed_call(caplog):
    with Client("sim/fast", config=config(embedder="sim/down", timeout=0.2)) as client:
        assert not client.generate(ASKED).cached
        assert not client.generate(AGAIN).cached
        assert client.generate(AGAIN).cached
    said = [record.getMessage() for record in caplog.records if record.name == "penstock.cache"]
    assert len(said) == 1
    assert said[0].startswith("sim/down can't embed, and calls go on without answers to like questions")


def test_a_vector_is_paid_for_with_the_answer_and_held_against_the_budget():
    prices = {"fast": {"input": 1.0, "output": 0.0}}
    with Client("sim/fast", config=config(prices=prices), budget=1.0) as client:
        first, again = client.generate(ASKED), client.generate(AGAIN)
        assert again.cost == again.semantic.cost_usd > 0
        assert first.cost > first.attempts[0].cost_usd
        assert client.stats().cost_usd == pytest.approx(first.cost + again.cost)


def test_a_thousand_equal_questions_at_once_are_one_request_and_one_vector():
    async def main():
        async with penstock.AsyncClient("sim/slow", config=config()) as client:
            answers = await asyncio.gather(*(client.generate(ASKED) for _ in range(1000)))
            return len({answer.text for answer in answers}), client.stats().requests

    assert asyncio.run(main()) == (1, 2)


def test_questions_are_kept_beside_the_store_and_those_of_another_embedder_apart(tmp_path):
    store = f"sqlite:{tmp_path}/answers.sqlite"
    for expected in (False, True):
        with Client("sim/fast", config=config(store)) as client:
            assert client.generate(AGAIN if expected else ASKED).cached == expected
    with Client("sim/fast", config=config(store, dimensions=256)) as client:
        assert not client.generate("How should I reset my password?").cached
    files = [path.name for path in tmp_path.glob("answers.sqlite.questions-*") if path.suffix != ".lock"]
    assert len(files) == 2


def test_answers_that_were_cleared_are_not_found_by_meaning(tmp_path):
    store = f"sqlite:{tmp_path}/answers.sqlite"
    with Client("sim/fast", config=config(store)) as client:
        client.generate(ASKED)
    for path in tmp_path.glob("answers.sqlite*"):
        if ".questions" not in path.name:
            path.unlink()
    with Client("sim/fast", config=config(store)) as client:
        assert not client.generate(AGAIN).cached


def vectors():
    return [[1.0 if place == at else 0.1 for at in range(len(WORDS))] for place in range(len(WORDS))]


def test_a_local_model_makes_the_vectors(tmp_path):
    folder = write_model(tmp_path / "model", vectors())
    settings = config(embedder=f"onnx:{folder}", dimensions=None, floor=0.7)
    with Client("sim/fast", config=settings) as client:
        first, again = client.generate(ASKED), client.generate(AGAIN)
        assert (first.cached, again.cached) == (False, True)
        assert again.semantic.cost_usd == 0.0
        assert client.stats().requests == 1


WRONG = [
    ({"embedder": None}, "[cache.semantic] embedder: missing"),
    ({"embedder": "text-embedding-3-small"}, '[cache.semantic] embedder: expected a target such as "openai/text'),
    ({"embedder": "onnx:nowhere", "dimensions": None}, "[cache.semantic] embedder: nowhere/model.onnx isn't there"),
    ({"floor": 0}, "[cache.semantic] floor: expected a number above 0 and at most 1, got 0"),
    ({"floor": 1.5}, "[cache.semantic] floor: expected a number from 0 to 1, got 1.5"),
    ({"floor": "high"}, "[cache.semantic] floor: expected a number"),
    ({"max_entries": 0}, "[cache.semantic] max_entries: expected a whole number above 0"),
    ({"verify": "none"}, '[cache.semantic] verify: unknown value "none"'),
    ({"flor": 0.5}, 'unknown key "flor"'),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_setting_that_cant_be_meant_is_named_when_it_is_read(given, said):
    with pytest.raises(ConfigError) as raised:
        parse_config(config(**given))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("lacking", "given", "said"),
    [
        (("numpy",), {}, "[cache] semantic: answers to questions that mean the same need numpy"),
        (("usearch",), {"max_entries": 50_001}, "[cache.semantic] max_entries: more than 50,000 need usearch"),
        (("onnxruntime", "tokenizers"), {"embedder": "onnx:model"}, "needs onnxruntime and tokenizers: pip install"),
    ],
)
def test_a_missing_extra_is_named_when_the_setting_is_read(lacking, given, said, monkeypatch, tmp_path):
    write_model(tmp_path / "model", vectors())
    monkeypatch.chdir(tmp_path)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "penstock.vectors.packages.find_spec", lambda name, *rest: None if name in lacking else find(name, *rest)
    )
    with pytest.raises(ConfigError) as raised:
        parse_config(config(**given))
    assert said in str(raised.value)


def test_an_embedder_without_a_key_or_of_nobody_is_named_by_the_client(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for embedder in ("openai/text-embedding-3-small", "nobody/embed"):
        with pytest.raises(ConfigError, match=rf"\[cache.semantic\] embedder: {embedder}: "):
            Client("sim/fast", config=config(embedder=embedder))


def test_nothing_of_it_is_loaded_where_it_is_off():
    code = (
        "import sys, penstock\n"
        "with penstock.Client('sim/fast', cache='memory') as client: client.generate('Hi')\n"
        "print([name for name in sys.modules if name.startswith(('numpy', 'usearch', 'onnxruntime', "
        "'penstock.policies.semantic'))])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert found.stdout.strip() == "[]"
