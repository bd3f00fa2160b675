from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from tests.simulator.given import call, chat

from penstock.call import Call
from penstock.errors import CallError
from penstock.simulator.behaviour import Outcome, decide, pick_fault
from penstock.simulator.content import digest_of, prompt_tokens, stretched, tokens_in, vector
from penstock.simulator.distributions import Lognormal, Uniform
from penstock.simulator.scenario import PLAIN, Behaviour, Fault, Slow


def outcome(asked: Call, behaviour: Behaviour = PLAIN, *, seed: int = 0, at_s: float = 0.0, tries: int = 0) -> Outcome:
    return decide(asked, behaviour, digest=digest_of(asked.body), rng=random.Random(seed), at_s=at_s, tries=tries)


def test_the_answer_names_its_request_and_repeats_its_end() -> None:
    asked = call(text="x" * 1000 + "the end")
    text = outcome(asked).completion.text
    assert text.startswith(f"sim:{digest_of(asked.body)[:8].hex()} ")
    assert text.endswith("the end")


def test_the_digest_leaves_out_who_is_asked_and_how_it_travels() -> None:
    digests = {digest_of(chat(**body)) for body in ({}, {"model": "other"}, {"stream": True}, {"stream_options": {}})}
    assert len(digests) == 1
    assert digest_of(chat(temperature=1)) not in digests


def test_the_same_seed_gives_the_same_outcome() -> None:
    behaviour = Behaviour(
        ttft_s=Lognormal(median=0.4), tokens_per_s=Uniform(low=10, high=90), output_tokens=Uniform(low=1, high=99)
    )
    assert outcome(call(), behaviour, seed=3) == outcome(call(), behaviour, seed=3)
    assert outcome(call(), behaviour, seed=3) != outcome(call(), behaviour, seed=4)


def test_tokens_are_four_characters_of_prompt_and_answer() -> None:
    usage = outcome(call(text="12345")).completion.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (2, tokens_in(len("sim:0123456789abcdef 12345")))


@pytest.mark.parametrize(
    ("messages", "tokens"),
    [
        ([{"role": "user", "content": "abcd"}, {"role": "system", "content": "efgh"}], 2),
        ([{"role": "user", "content": [{"type": "text", "text": "abcd"}]}], 1),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}], 85),
        ([{"role": "assistant", "content": None}], 1),
    ],
)
def test_every_message_counts(messages: list[Any], tokens: int) -> None:
    assert prompt_tokens(messages) == tokens


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_an_answer_longer_than_allowed_is_cut_and_says_so(name: str) -> None:
    done = outcome(call(text="a long question", **{name: 6})).completion
    assert (len(done.text), done.finish) == (24, "length")


def test_an_answer_has_the_length_that_was_drawn() -> None:
    done = outcome(call(), Behaviour(output_tokens=250)).completion
    assert len(done.text) == 1000
    assert done.text.startswith("sim:")


def test_stretching_cuts_and_continues() -> None:
    assert stretched("abcdefgh", 1) == "abcd"
    assert len(stretched("ab", 5000)) == 20_000


def test_choices_differ_from_each_other() -> None:
    done = outcome(call(n=3)).completion
    assert [choice.index for choice in done.choices] == [0, 1, 2]
    assert len({choice.message["content"] for choice in done.choices}) == 3


def test_a_slow_request_takes_its_factor_longer() -> None:
    behaviour = Behaviour(ttft_s=1, tokens_per_s=10, slow=Slow(share=0.2, factor=5))
    times = [outcome(call(), behaviour, seed=seed).first_token_s for seed in range(500)]
    assert set(times) == {1.0, 5.0}
    assert 60 < times.count(5.0) < 140


def test_a_prompt_longer_than_the_context_is_refused() -> None:
    with pytest.raises(CallError) as raised:
        outcome(call(text="x" * 400), Behaviour(context_tokens=99))
    assert (raised.value.kind, raised.value.status) == ("context_too_long", 400)


def test_a_text_completion_answers_each_prompt() -> None:
    asked = Call(id="", model="m", body={"prompt": ["one", "two"], "n": 2}, kind="completion")
    texts = [choice.message["content"][-3:] for choice in outcome(asked).completion.choices]
    assert texts == ["one", "one", "two", "two"]


def test_embeddings_have_the_asked_size_and_depend_on_the_text_alone() -> None:
    asked = Call(id="", model="m", body={"input": ["a", "b", "a"], "dimensions": 5}, kind="embedding")
    first, second, third = outcome(asked).completion.vectors
    assert (len(first), first, first != second) == (5, third, True)
    assert sum(x * x for x in vector("a", 64)) == pytest.approx(1.0)


def test_a_demanded_tool_is_called_with_arguments_that_fit() -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    tools = [{"type": "function", "function": {"name": name, "parameters": parameters}} for name in ("a", "b")]
    choice = {"type": "function", "function": {"name": "b"}}
    done = outcome(call(tools=tools, tool_choice=choice)).completion
    function = done.message["tool_calls"][0]["function"]
    assert (done.finish, function["name"]) == ("tool_calls", "b")
    assert msgspec.json.decode(function["arguments"]).keys() == {"city", "days"}


@pytest.mark.parametrize("wanted", ["json_object", "json_schema"])
def test_json_is_answered_where_it_is_asked_for(wanted: str) -> None:
    schema = {"name": "s", "schema": {"type": "object", "properties": {"answer": {"type": "string"}}}}
    done = outcome(call(response_format={"type": wanted, "json_schema": schema})).completion
    assert msgspec.json.decode(done.text)["answer"].startswith("sim:")


def picked(*faults: Fault, roll: float = 0.0, **what: Any) -> str | None:
    settings = {"streamed": False, "prompt": "hello", "at_s": 0.0, "tries": 0, **what}
    found = pick_fault(faults, roll=roll, **settings)
    return None if found is None else found.fault


def test_faults_lie_side_by_side() -> None:
    faults = (Fault(fault="reset", probability=0.25), Fault(fault="hang", probability=0.25))
    assert [picked(*faults, roll=roll) for roll in (0.0, 0.24, 0.25, 0.49, 0.5, 0.99)] == [
        "reset", "reset", "hang", "hang", None, None
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "what", "met"),
    [
        (Fault(fault="reset", from_s=5, until_s=10), {"at_s": 4.9}, False),
        (Fault(fault="reset", from_s=5, until_s=10), {"at_s": 5.0}, True),
        (Fault(fault="reset", from_s=5, until_s=10), {"at_s": 10.0}, False),
        (Fault(fault="reset", first_tries=2), {"tries": 1}, True),
        (Fault(fault="reset", first_tries=2), {"tries": 2}, False),
        (Fault(fault="reset", prompt_contains="ell"), {}, True),
        (Fault(fault="reset", prompt_contains="poison"), {}, False),
        (Fault(fault="cut_stream"), {}, False),
        (Fault(fault="cut_stream"), {"streamed": True}, True),
        (Fault(fault="invalid_json"), {"streamed": True}, False),
    ],
)
def test_a_fault_meets_only_whom_it_concerns(fault: Fault, what: dict[str, Any], met: bool) -> None:
    assert picked(fault, **what) == (fault.fault if met else None)


def test_a_fault_that_does_not_concern_leaves_the_others_their_share() -> None:
    faults = (Fault(fault="cut_stream", probability=0.9), Fault(fault="reset", probability=0.1))
    assert picked(*faults, roll=0.05) == "reset"


def test_thoughts_come_before_the_answer_and_are_counted() -> None:
    said = outcome(call(), Behaviour(reasoning_tokens=5)).completion
    plain = outcome(call()).completion
    assert len(said.message["reasoning_content"]) == 20
    assert said.text == plain.text
    assert said.usage is not None
    assert plain.usage is not None
    assert (said.usage.reasoning_tokens, said.usage.output_tokens) == (5, plain.usage.output_tokens + 5)


def test_several_tools_are_called_at_once_in_turn() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in "fg"]
    said = outcome(call(tools=tools, tool_choice="required"), Behaviour(tool_calls=3)).completion
    calls = said.message["tool_calls"]
    assert [one["function"]["name"] for one in calls] == ["f", "g", "f"]
    assert len({one["id"] for one in calls}) == 3
