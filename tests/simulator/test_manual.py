"""The manual's example is played, so it stays true."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from tests.simulator.given import Request, body_of, chat, json_of, request, simulator

from penstock.simulator.answering import Simulator
from penstock.simulator.scenario import FAULTS, Behaviour, Fault, Limits, Scenario, builtin_models, parse_scenario

MANUAL = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")


def example() -> Scenario:
    found = re.search(r"^```toml\n(.*?)^```", MANUAL, re.DOTALL | re.MULTILINE)
    assert found is not None
    return parse_scenario(found[1], "docs/simulator.md")


def asking(text: str = "hello", model: str = "gpt-4o-mini", path: str = "/v1", key: str = "sk-test-first") -> Request:
    return request(chat(text, model=model), f"{path}/chat/completions", key=key)


def at(*times: float) -> Simulator:
    """The example with a clock that tells `times` one after the other, the scenario's start first."""
    clock = iter(times)
    return simulator(example(), lambda: next(clock))


@pytest.mark.parametrize(
    ("key", "status"), [("sk-test-first", 200), ("sk-test-second", 200), ("sk-test-poor", 429), ("sk-else", 401)]
)
def test_its_keys_are_the_accepted_ones(key: str, status: int) -> None:
    assert at(0, 1).script(asking(key=key)).status == status


@pytest.mark.parametrize(("key", "status"), [("sk-test-first", 200), ("sk-test-poor", 200), ("sk-else", 401)])
def test_its_models_are_listed_for_the_accepted_ones(key: str, status: int) -> None:
    assert at(0, 1).script(request(None, "/v1/models", method="GET", key=key)).status == status


def test_its_outage_begins_and_ends() -> None:
    served = at(0, 59, 60, 89, 90)
    statuses = [served.script(asking(text)).status for text in "abcd"]
    assert statuses == [200, 503, 503, 200]


def test_its_bucket_holds_a_tenth_of_a_minute() -> None:
    served = at(0, *[1.0] * 51)
    assert [served.script(asking(str(number))).status for number in range(51)] == [200] * 50 + [429]


def test_its_context_is_bounded() -> None:
    assert json_of(at(0, 1).script(asking("x" * 40_000)))["error"]["code"] == "context_length_exceeded"


def test_its_groq_allows_eight_at_once() -> None:
    served = at(0, *[1.0] * 9)
    statuses = [served.script(asking(str(number), "any", "/groq/openai/v1")).status for number in range(9)]
    assert statuses == [200] * 8 + [503]


def test_its_embeddings_have_their_size() -> None:
    asked = request({"model": "text-embedding-3-small", "input": "a"}, "/v1/embeddings", key="sk-test-first")
    assert len(json_of(at(0, 1).script(asked))["data"][0]["embedding"]) == 1536


def test_its_stubborn_model_passes_at_the_third_try() -> None:
    served = at(0, 1, 2, 3, 4)
    bodies = [body_of(served.script(asking(model="stubborn"))) for _ in range(3)]
    assert [is_json(body) for body in bodies] == [False, False, True]


def test_its_stubborn_model_refuses_poison_for_good() -> None:
    served = at(0, 1, 2, 3)
    assert [served.script(asking("poison", "stubborn")).status for _ in range(3)] == [200, 200, 400]


def is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError:
        return False
    return True


def test_everything_that_can_be_said_stands_in_the_manual() -> None:
    fields = {name for struct in (Scenario, Behaviour, Limits, Fault) for name in struct.__struct_fields__}
    known = [*fields - {"fault", "models"}, *FAULTS, *(f"sim/{name}" for name in builtin_models())]
    assert [name for name in known if f"`{name}`" not in MANUAL and f"{name} =" not in MANUAL] == []
