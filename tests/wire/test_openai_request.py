"""From a call to a request: the body that a provider understands, and nothing built twice."""

import json

import pytest

from penstock.call import Call
from penstock.catalog import vendor
from penstock.errors import CallError
from penstock.wire import dropping
from penstock.wire.openai import OpenAICodec

MESSAGES = [{"role": "user", "content": "hi"}]


def sent(provider: str, asked: dict, *, model: str = "m", stream: bool = False):
    call = Call(id="1", model="route", body={"messages": MESSAGES, **asked})
    request = OpenAICodec(vendor(provider)).encode_request(call, model, stream=stream)
    return json.loads(request.body)


def test_the_body_travels_with_the_targets_own_model():
    assert sent("openai", {"model": "route", "unknown": {"a": [1]}}, model="gpt-x") == {
        "messages": MESSAGES,
        "unknown": {"a": [1]},
        "model": "gpt-x",
    }


def test_a_call_is_not_changed_by_being_sent():
    call = Call(id="1", model="m", body={"messages": MESSAGES, "max_tokens": 1, "stream_options": {"a": 1}})
    before = json.dumps(call.body)
    OpenAICodec(vendor("openai")).encode_request(call, "o3", stream=True)
    assert json.dumps(call.body) == before


def test_a_stream_asks_for_its_usage():
    body = sent("openai", {"stream_options": {"include_obfuscation": False}}, stream=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize("provider", ["mistral", "perplexity"])
def test_where_usage_comes_unasked_nobody_asks(provider):
    assert "stream_options" not in sent(provider, {"stream_options": {}}, stream=True)


def test_a_unary_request_says_nothing_of_streams():
    body = sent("openai", {"stream": True, "stream_options": {"include_usage": True}})
    assert not {"stream", "stream_options"} & set(body)


@pytest.mark.parametrize(
    ("provider", "model", "asked", "got"),
    [
        ("openai", "gpt-4o-mini", "max_tokens", "max_tokens"),
        ("openai", "gpt-4o-mini", "max_completion_tokens", "max_completion_tokens"),
        ("openai", "o3-mini", "max_tokens", "max_completion_tokens"),
        ("openai", "gpt-5-nano", "max_tokens", "max_completion_tokens"),
        ("mistral", "mistral-small", "max_completion_tokens", "max_tokens"),
        ("mistral", "mistral-small", "seed", "random_seed"),
        ("mistral", "codestral-embed", "dimensions", "output_dimension"),
        ("deepseek", "deepseek-reasoner", "max_completion_tokens", "max_tokens"),
        ("groq", "openai/gpt-oss-120b", "max_completion_tokens", "max_completion_tokens"),
        ("custom", "o3", "max_tokens", "max_tokens"),
    ],
)
def test_a_parameter_goes_under_the_vendors_name(provider, model, asked, got):
    body = sent(provider, {asked: 7}, model=model)
    assert {name: value for name, value in body.items() if value == 7} == {got: 7}


_NEEDED_BY_NO_ANSWER = {
    "user": "u",
    "store": True,
    "service_tier": "auto",
    "verbosity": "low",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
}


def test_mistral_is_not_sent_what_it_refuses_and_no_answer_needs(caplog):
    dropping._said.clear()
    assert sent("openai", _NEEDED_BY_NO_ANSWER).keys() >= _NEEDED_BY_NO_ANSWER.keys()
    assert not caplog.records
    assert not sent("mistral", {**_NEEDED_BY_NO_ANSWER, "metadata": {"a": "b"}}).keys() & _NEEDED_BY_NO_ANSWER.keys()
    assert len(caplog.records) == len(_NEEDED_BY_NO_ANSWER)


def test_groq_is_not_sent_the_names_of_messages(caplog):
    dropping._said.clear()
    messages = [{"role": "user", "name": "bob", "content": "?"}, {"role": "tool", "name": "f", "content": "r"}]
    assert sent("groq", {"messages": messages})["messages"] == [{"role": "user", "content": "?"}, messages[1]]
    assert "messages.name" in caplog.text
    assert messages[0]["name"] == "bob"
    call = Call(id="1", model="m", body={"prompt": "p"}, kind="completion")
    request = OpenAICodec(vendor("groq")).encode_request(call, "m", stream=False)
    assert json.loads(request.body) == {"prompt": "p", "model": "m"}
    assert sent("openai", {"messages": messages})["messages"] == messages


def test_the_vendors_own_name_wins_over_the_translated_one():
    assert sent("mistral", {"seed": 1, "random_seed": 2})["random_seed"] == 2


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (None, "https://api.openai.com/v1/chat/completions"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1/chat/completions"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1/chat/completions"),
        ("http://x/v1/chat/completions", "http://x/v1/chat/completions"),
        ("http://x/openai/d?api-version=1", "http://x/openai/d/chat/completions?api-version=1"),
    ],
)
def test_the_url_is_under_the_base(base, url):
    call = Call(id="1", model="m", body={"messages": MESSAGES})
    assert OpenAICodec(vendor("openai"), base).encode_request(call, "m", stream=False).url == url


def test_each_kind_has_its_path():
    codec = OpenAICodec(vendor("groq"))
    paths = [
        codec.encode_request(Call(id="1", model="m", body={}, kind=kind), "m", stream=False).url.rpartition("/v1")[2]
        for kind in ("chat", "completion", "embedding")
    ]
    assert paths == ["/chat/completions", "/completions", "/embeddings"]


def test_all_requests_share_one_headers_dict():
    codec = OpenAICodec(vendor("openai"), headers={"OpenAI-Organization": "org-x"})
    call = Call(id="1", model="m", body={})
    first, second = (codec.encode_request(call, "m", stream=stream) for stream in (False, True))
    assert first.headers is second.headers
    assert first.headers["openai-organization"] == "org-x"
    assert "authorization" not in first.headers


def test_without_a_base_url_nothing_is_sent_anywhere_real():
    call = Call(id="1", model="m", body={})
    assert ".invalid/" in OpenAICodec(vendor("custom")).encode_request(call, "m", stream=False).url


def deep() -> list:
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize("value", [object(), {1j}, "\ud83d", deep()], ids=["object", "set", "half a pair", "deep"])
def test_what_is_no_json_is_a_bad_request_that_was_never_sent(value):
    with pytest.raises(CallError) as caught:
        sent("openai", {"extra": value})
    assert caught.value.kind == "bad_request"
    assert not caught.value.sent


def test_big_integers_keep_their_digits():
    assert sent("openai", {"seed": 2**70})["seed"] == 2**70


SAID = [*MESSAGES, {"role": "assistant", "content": "so far"}]


def continued(provider: str, *, base_url: str | None = None):
    call = Call(id="1", model="route", body={"messages": SAID}, prefill=True)
    request = OpenAICodec(vendor(provider), base_url).encode_request(call, "m", stream=False)
    return request.url, json.loads(request.body)


@pytest.mark.parametrize("provider", ["groq", "ollama", "sim"])
def test_a_message_alone_asks_these_to_continue_it(provider):
    assert continued(provider)[1] == {"messages": SAID, "model": "m"}


@pytest.mark.parametrize("provider", ["vllm", "llamacpp"])
def test_these_are_told_beside_the_messages_to_continue_the_last(provider):
    assert continued(provider)[1] == {
        "messages": SAID,
        "model": "m",
        "add_generation_prompt": False,
        "continue_final_message": True,
    }


@pytest.mark.parametrize("provider", ["mistral", "deepseek"])
def test_these_are_told_in_the_message_to_continue_it(provider):
    assert continued(provider)[1]["messages"] == [*MESSAGES, {**SAID[1], "prefix": True}]
    assert "prefix" not in SAID[1]


def test_deepseek_continues_at_an_address_of_its_own_and_others_at_theirs():
    assert continued("deepseek")[0] == "https://api.deepseek.com/beta/chat/completions"
    assert continued("deepseek", base_url="http://127.0.0.1:9/v1")[0] == "http://127.0.0.1:9/v1/chat/completions"


def test_where_nobody_continues_a_message_nothing_is_sent():
    with pytest.raises(CallError, match="continues no assistant message") as caught:
        continued("openai")
    assert (caught.value.kind, caught.value.sent) == ("bad_request", False)
