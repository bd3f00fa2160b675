"""A target that is asked in its own words: what is sent, what comes back, and what is kept apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock import BadRequest, Client
from penstock.call import Call
from penstock.config import parse_config
from penstock.errors import CallError, ConfigError
from penstock.prompts import Prompt
from penstock.wiring import build
from penstock.wiring.prompting import reworded

TURNS = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
CHAT: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How big?"}]


def chat(body: dict[str, Any] | None = None, **fields: Any) -> Call:
    return Call(id="1", model="", body={"messages": CHAT, **(body or {})}, **fields)


def word(template: str, call: Call, type_: Any = "completion") -> Call:
    return reworded(call, Prompt(template, type=type_), "sim/base")


def config(*targets: str, **prompts: Any) -> dict[str, Any]:
    return {"routes": {"default": {"targets": list(targets or ["sim/fast"]), "deadline": 20, **prompts}}}


def test_a_chat_becomes_a_text_with_its_parameters() -> None:
    made = word(TURNS, chat({"temperature": 0, "max_completion_tokens": 9, "tool_choice": "auto", "top_k": 3}))
    assert made.kind == "completion"
    prompt = "system: Be brief.\nuser: How big?\nassistant:"
    assert made.body == {"prompt": prompt, "temperature": 0, "max_tokens": 9, "top_k": 3}


def test_a_text_becomes_a_chat() -> None:
    call = Call(id="1", model="", kind="completion", body={"prompt": "Once", "max_tokens": 3})
    made = word("Continue: {{ prompt }}", call, "chat")
    assert (made.kind, made.body) == (
        "chat",
        {"messages": [{"role": "user", "content": "Continue: Once"}], "max_tokens": 3},
    )


def test_a_template_knows_the_messages_the_prompt_the_system_and_the_requests_variables() -> None:
    call = chat(variables={"topic": "moon", "unused": 1, "prompt": "hidden"})
    assert word("{{ system }}|{{ prompt }}|{{ topic }}", call).body["prompt"] == "Be brief.|How big?|moon"


def test_a_call_is_not_changed_and_an_embedding_is_left_alone() -> None:
    call = chat({"tools": []})
    before = dict(call.body)
    word(TURNS, call)
    assert call.body == before
    vectors = Call(id="1", model="", kind="embedding", body={"input": "x"})
    assert word(TURNS, vectors) is vectors


def test_a_continuation_goes_on_behind_the_template() -> None:
    begun = [*CHAT, {"role": "assistant", "content": "As big as"}]
    call = chat({"messages": begun}, prefill=True)
    assert word(TURNS, call).body["prompt"].endswith("user: How big?\nassistant:As big as")
    as_chat = word("{{ prompt }}", call, "chat").body["messages"]
    assert as_chat == [{"role": "user", "content": "How big?"}, begun[-1]]


@pytest.mark.parametrize(
    ("template", "call", "message"),
    [
        ("{{ topic }}", chat(), 'it needs "topic"'),
        ("{{ prompt.x.y }}", chat(), "the prompt's template fails"),
        (TURNS, chat({"tools": [{"type": "function"}]}), "tools can't be said in a text completion"),
        (TURNS, chat({"response_format": {"type": "json_object"}}), "response_format can't be said"),
        (TURNS, chat({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}), "other than text"),
        ("{{ system }}", chat({"messages": [{"role": "user", "content": "x"}]}), "the prompt is empty"),
    ],
)
def test_what_can_not_be_worded_is_refused_before_it_is_sent(template: str, call: Call, message: str) -> None:
    with pytest.raises(CallError, match=message) as raised:
        word(template, call)
    assert (raised.value.kind, raised.value.sent, raised.value.target) == ("bad_request", False, "sim/base")


# --- whole


@pytest.mark.parametrize("inside", ["on", "off"])
def test_a_completion_only_target_stands_in_for_a_chat(inside: str) -> None:
    own = {"sim/fast": {"type": "completion", "template": TURNS}}
    with Client(config=config("sim/down", "sim/fast", prompts=own, stream_inside=inside)) as client:
        answer = client.generate(CHAT)
        assert (answer.target, answer.message["role"]) == ("sim/fast", "assistant")
        assert answer.text.endswith("system: Be brief.\nuser: How big?\nassistant:")
        with client.stream(CHAT) as stream:
            assert "".join(chunk.text for chunk in stream) == answer.text


def test_the_other_targets_are_asked_as_ever() -> None:
    own = {"sim/fast": {"type": "completion", "template": TURNS}}
    with Client(config=config("sim/typical", "sim/fast", prompts=own)) as client:
        assert client.generate("How big?").text.split(" ", 1)[1].startswith("How big?")


def test_a_text_is_completed_by_a_chat_where_the_route_says_how() -> None:
    own = {"sim/fast": {"template": "Continue: {{ prompt }}"}}
    with Client(config=config(prompts=own)) as client:
        assert client.complete("Once upon").endswith("Continue: Once upon")


def test_a_prompts_variables_reach_the_targets_own_template() -> None:
    own = {"sim/fast": {"template": "Q: {{ question }}"}}
    prompt = Prompt("Please tell: {{ question }}", name="tell", version="1.0.0")
    with Client(config=config(prompts=own)) as client:
        answer = client.generate(prompt, variables={"question": "why?"})
        assert answer.text.endswith("Q: why?")
        assert "Please" not in answer.text
        with pytest.raises(BadRequest, match='it needs "question"'):
            client.generate("why?")


def _cached(client: Client, **values: str) -> bool:
    prompt = Prompt("Same words{{ hidden | default('') if false else '' }}", name="p")
    return client.generate(prompt, variables=values).cached


def test_a_cached_answer_is_not_served_for_other_variables() -> None:
    own = {"sim/fast": {"template": "{{ prompt }} {{ hidden }}"}}
    said = config(prompts=own)
    with Client(config={**said, "cache": {"store": "memory"}}, cache="on") as client:
        assert [_cached(client, hidden=value) for value in ("a", "a", "b")] == [False, True, False]


def test_a_file_is_looked_up_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "base.md").write_text("---\ntype: completion\nsettings: {max_tokens: 2}\n---\nQ: {{ prompt }}\nA:")
    path = tmp_path / "penstock.toml"
    path.write_text('[routes.default]\ntargets = ["sim/fast"]\nprompts."sim/fast".file = "base.md"\n')
    with Client(config=path) as client:
        answer = client.generate("How big?")
        assert (answer.status, answer.usage.output_tokens) == ("truncated", 2)
        assert client.generate("How big?", max_tokens=50).text.endswith("Q: How big?\nA:")


def test_the_tree_says_which_target_has_a_prompt_of_its_own() -> None:
    own = {"sim/fast": {"type": "completion", "template": TURNS}}
    tree = build(parse_config(config("sim/typical", "sim/fast", prompts=own), environ={})).tree()
    typical, fast = tree.split("endpoint(")[1:]
    assert "asked by its own prompt (completion)" in fast
    assert "own prompt" not in typical


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([], "expected a table of prompts by target"),
        ({"sim/fsat": {"template": "x"}}, 'sim/fsat: no target of this route; did you mean "sim/fast"'),
        ({"sim/fast": "x"}, "expected a table"),
        ({"sim/fast": {}}, "expected a template or a file"),
        ({"sim/fast": {"template": "x", "file": "y"}}, "expected a template or a file"),
        ({"sim/fast": {"template": " "}}, "template: expected text"),
        ({"sim/fast": {"template": "{{ a"}}, "not a template"),
        ({"sim/fast": {"template": "a", "type": "text"}}, 'type: unknown value "text"'),
        ({"sim/fast": {"file": "none.md"}}, "none.md: can't be read"),
        ({"sim/fast": {"file": "none.md", "type": "chat"}}, "a file says its type itself"),
        ({"sim/fast": {"tempalte": "a"}}, 'unknown key "tempalte"; did you mean "template"'),
    ],
)
def test_what_can_not_be_meant_is_refused_when_it_is_loaded(prompts: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(config(prompts=prompts), environ={})


def test_a_request_that_a_target_can_not_be_asked_goes_past_it_where_the_route_says_so() -> None:
    own = {"sim/fast": {"type": "completion", "template": TURNS}}
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    with (
        Client(config=config("sim/fast", "sim/typical", prompts=own)) as client,
        pytest.raises(BadRequest, match="tools"),
    ):
        client.generate("How big?", tools=tools)
    past = config("sim/fast", "sim/typical", prompts=own, fallback_on=["bad_request"])
    with Client(config=past) as client:
        answer = client.generate("How big?", tools=tools)
    assert answer.target == "sim/typical"
