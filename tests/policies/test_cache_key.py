"""The key of a cached answer: whatever can change the answer changes it, and nothing else does."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.call import Call
from penstock.policies.cache import Digester, body_digest, header_form, target_tag

TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
EFFECTIVE = (
    *("temperature", "top_p", "top_k", "max_tokens", "stop", "seed", "tools", "tool_choice", "response_format", "n"),
    *("logprobs", "reasoning_effort", "a_vendors_own", "frequency_penalty", "modalities", "logit_bias"),
)
IDLE = (
    *("user", "metadata", "store", "stream", "stream_options", "service_tier", "safety_identifier"),
    *("prompt_cache_key", "prompt_cache_retention", "model"),
)
BODY: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "1"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ],
    "temperature": 0.5,
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
}


def digest(body: dict[str, Any], namespace: str = "default", **fields: Any) -> bytes:
    found = Digester(namespace)(Call(id="1", model="m", body=body, **fields))
    assert found is not None
    return found


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [found for place, item in enumerate(value) for found in leaves(item, (*path, place))]
    return [path]


def changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    copy = json.loads(json.dumps(value))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return copy


@pytest.mark.parametrize("path", leaves(BODY), ids=lambda path: ".".join(map(str, path)))
def test_every_leaf_of_a_body_counts(path: tuple[Any, ...]) -> None:
    assert digest(changed(BODY, path, "something else")) != digest(BODY)


@given(name=st.sampled_from(EFFECTIVE) | TEXT.filter(lambda name: name not in (*IDLE, "cache_control")), value=JSON)
def test_any_field_that_is_added_counts(name: str, value: Any) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}]}
    assert (digest({**body, name: value}) == digest(body)) == ({**body, name: value} == body)


@given(one=JSON, other=JSON)
def test_different_values_are_told_apart(one: Any, other: Any) -> None:
    same = json.dumps(plain(one), sort_keys=True) == json.dumps(plain(other), sort_keys=True)
    assert (digest({"x": one}) == digest({"x": other})) == same


def plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


@given(name=st.sampled_from(IDLE), value=JSON)
def test_what_has_no_effect_doesnt_count(name: str, value: Any) -> None:
    assert digest({**BODY, name: value}) == digest(BODY)


@given(order=st.permutations(list(BODY)), seed=st.randoms())
def test_the_order_of_keys_doesnt_count(order: list[str], seed: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            seed.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    assert digest({key: shuffled(BODY[key]) for key in order}) == digest(BODY)


@given(TEXT, TEXT)
def test_the_order_of_messages_and_who_says_them_counts(one: str, other: str) -> None:
    first, second = {"role": "user", "content": one}, {"role": "user", "content": other}
    assert (digest({"messages": [first, second]}) == digest({"messages": [second, first]})) == (one == other)
    assert digest({"messages": [first]}) != digest({"messages": [{**first, "role": "assistant"}]})


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "2"},
        {"model": "other"},
        {"stream": True},
        {"deadline_s": 5.0},
        {"priority": 1},
        {"estimate": 9},
        {"tags": {"a": "b"}},
        {"cache": "read"},
    ],
)
def test_the_envelope_doesnt_count(fields: dict[str, Any]) -> None:
    call = Call(id="1", model="m", body=BODY)
    assert Digester()(msgspec.structs.replace(call, **fields)) == Digester()(call)


@pytest.mark.parametrize("fields", [{"sample": "1"}, {"kind": "completion"}, {"prefill": True}])
def test_what_is_asked_for_counts_also_outside_the_body(fields: dict[str, Any]) -> None:
    assert digest(BODY, **fields) != digest(BODY)


def test_every_field_of_a_call_is_known_to_count_or_not() -> None:
    # A new field: say above which it is, and put it into the key if it can change the answer.
    # About what comes back, what was spent before, how long it is wanted, and what the body was made of.
    judged = {"expected", "reasks", "spent_s", "attempts_before", "until", "variables"}
    assert set(Call.__struct_fields__) - judged == {
        *("id", "model", "body", "kind", "stream", "deadline_s", "priority", "estimate", "tags"),
        *("cache", "sample", "prefill"),
    }


def test_a_namespace_keeps_jobs_apart() -> None:
    assert digest(BODY, "one") != digest(BODY, "other")


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "X-Api-Key", "api-key", "X-Auth-Token", "Cookie", "Ocp-Apim-Subscription-Key", "User-Agent"),
        *("HTTP-Referer", "X-Title", "OpenAI-Organization", "OpenAI-Project", "traceparent", "X-Request-Id"),
    ],
)
def test_a_header_that_says_who_asks_doesnt_count(name: str) -> None:
    assert header_form({name: "sk-test-not-a-key"}) == ""


@pytest.mark.parametrize("name", ["anthropic-beta", "OpenAI-Beta", "X-Variant", "Accept-Language", "X-Monkey-Model"])
def test_any_other_header_counts_in_whatever_order_and_letters(name: str) -> None:
    both = {name: "one", "x-other": "two"}
    assert header_form(both) == header_form({"X-Other": "two", name.lower(): " one "})
    assert len({"", header_form(both), header_form({name: "one"}), header_form({name: "two"})}) == 4


def test_text_alone_and_in_a_list_of_one_part_is_the_same() -> None:
    alone = {"messages": [{"role": "user", "content": "hi"}]}
    part = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}
    assert digest(alone) == digest(part)
    two = {"messages": [{"role": "user", "content": [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]}]}
    assert digest(two) != digest(alone)


def test_a_mark_for_the_providers_own_cache_doesnt_count() -> None:
    part = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
    marked = {"messages": [{"role": "user", "content": [part]}]}
    assert digest(marked) == digest({"messages": [{"role": "user", "content": "long"}]})
    said = {"messages": [{"role": "user", "content": '"cache_control"'}]}
    assert digest(said) != digest({"messages": [{"role": "user", "content": ""}]})


def test_what_is_no_json_has_no_key() -> None:
    assert Digester()(Call(id="1", model="m", body={"messages": [object()]})) is None
    assert Digester()(Call(id="1", model="m", body={"messages": ["\ud800"]})) is None


def test_another_target_or_another_server_is_another_tag() -> None:
    assert (
        len({target_tag("a/b"), target_tag("a/c"), target_tag("a/b", "http://x"), target_tag("a/b", "http://y")}) == 4
    )


CONTENT = TEXT | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}), max_size=2) | st.none()
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant"]), "content": CONTENT},
    optional={"name": TEXT, "cache_control": st.just({"type": "ephemeral"})},
)


@given(
    messages=st.lists(MESSAGE, max_size=3),
    more=st.dictionaries(st.sampled_from([*EFFECTIVE, *IDLE, "cache_control"]), JSON, max_size=2),
)
def test_a_digest_that_is_at_hand_makes_the_same_key(messages: Any, more: dict[str, Any]) -> None:
    body = {"messages": messages, **more}
    encoded = msgspec.json.encode(body, order="sorted")
    assert body_digest(body, encoded=encoded, digest=hashlib.sha256(encoded).digest()) == body_digest(body)


def test_what_is_known_of_a_body_holds_for_this_very_one() -> None:
    digester, call = Digester(), Call(id="1", model="m", body=dict(BODY))
    digester.know(call.body, "", b"known")
    assert digester(Call(id="2", model="m", body=dict(BODY))) == digest(BODY)
    assert digester(Call(id="3", model="m", body=call.body, sample="1")) == digest(BODY, sample="1")
    assert digester(Call(id="4", model="m", body=call.body, prefill=True)) == digest(BODY, prefill=True)
    digester.know(call.body, "", b"known")
    assert digester(call) == b"known"
    assert digester(Call(id="5", model="m", body=call.body)) == digest(BODY)


def test_a_tools_parameter_called_cache_control_counts() -> None:
    def offered(properties: dict[str, Any]) -> dict[str, Any]:
        tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": properties}}}
        return {"messages": [], "tools": [tool]}

    asked = [offered({}), offered({"cache_control": {"type": "string"}}), offered({"cache_control": {"type": "null"}})]
    assert len({digest(body) for body in asked}) == 3
    marked = offered({})
    marked["tools"][0]["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
    assert digest(marked) == digest(asked[0])
