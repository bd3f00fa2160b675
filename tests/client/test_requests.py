"""What a caller writes becomes a body; what can't be meant is said in the caller's words."""

import json

import pytest

from penstock import Batch, Client, ConfigError, InputError, Request, request_hash
from penstock.client.embedding import parts_of
from penstock.client.options import read_options
from penstock.client.request import row_of
from penstock.splitting import EmbeddingLimit
from penstock.wiring import estimate_tokens

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]


def body(prompt, kind="chat", **options):
    return row_of(prompt, read_options(kind, options), kind=kind).body


def test_text_is_one_user_message():
    assert body("hi") == {"messages": [{"role": "user", "content": "hi"}]}


def test_parameters_go_into_the_body_and_none_leaves_one_out():
    sent = body(MESSAGES, temperature=0, max_tokens=None, tools=[], extra={"top_a": 1})
    assert sent == {"messages": MESSAGES, "temperature": 0, "tools": [], "top_a": 1}


def test_a_system_message_takes_the_place_of_the_prompts_own():
    assert body(MESSAGES, system="Be long.")["messages"] == [{"role": "system", "content": "Be long."}, MESSAGES[1]]
    assert body("hi", system="Be long.")["messages"][0] == {"role": "system", "content": "Be long."}


def test_what_a_request_says_wins_over_what_the_call_says():
    request = Request("hi", temperature=1, model="sim/a", tags={"a": "own"}, deadline="2s")
    row = row_of(
        request, read_options("chat", {"temperature": 0, "top_p": 0.5, "model": "sim/b", "tags": {"a": "1", "b": "2"}})
    )
    assert row.body == {"messages": [{"role": "user", "content": "hi"}], "temperature": 1, "top_p": 0.5}
    assert (row.models, row.deadline_s, row.tags) == ("sim/a", 2.0, {"a": "own", "b": "2"})


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "the prompt is empty"),
        ("  \n", "the prompt is empty"),
        ([], "the list of messages is empty"),
        (None, "a prompt is text, a list of chat messages, a Request or a Conversation, got NoneType"),
        (3, "got int"),
        ({"messages": []}, "got a dict with the keys messages"),
        (["a", "b"], 'message 0: expected {"role": "user", "content": "..."}, got str'),
        ([{"content": "x"}], "got a dict with the keys content"),
    ],
)
def test_a_prompt_that_is_none_is_refused(prompt, message):
    with pytest.raises(InputError) as caught:
        body(prompt)
    assert message in str(caught.value)


def test_an_option_of_another_method_names_that_one():
    with pytest.raises(TypeError, match=r'unknown option "stream"; .*stream\(\.\.\.\)'):
        read_options("chat", {"stream": True})
    with pytest.raises(TypeError, match=r'unknown option "max_steps"; .*converse\(\.\.\.\)'):
        read_options("chat", {"max_steps": 3})


def test_an_unknown_option_names_the_nearest_one():
    with pytest.raises(TypeError, match='unknown option "temprature"; did you mean "temperature"'):
        read_options("chat", {"temprature": 1})
    with pytest.raises(TypeError, match="extra="):
        read_options("embedding", {"temperature": 1})
    with pytest.raises(TypeError, match='unknown option "schema"'):
        read_options("completion", {"schema": {}})


@pytest.mark.parametrize(
    "options",
    [
        {"deadline": "soon"},
        {"deadline": 0},
        {"deadline": "-1s"},
        {"hedge": "soon"},
        {"hedge": "2s", "deadline": 2},
        {"hedge": True},
        {"timeouts": 3},
        {"timeouts": {"conect": 1}},
        {"timeouts": {"first_token": 2, "total": 1}},
        {"cache": "sqlite"},
    ],
)
def test_an_option_that_cant_be_meant_is_a_config_error(options):
    with pytest.raises(ConfigError):
        read_options("chat", options)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("temperature", "hot", 'temperature: expected a number, got "hot"'),
        ("temperature", True, "temperature: expected a number, got True"),
        ("max_tokens", 1.5, "max_tokens: expected a whole number, got 1.5"),
        ("n", "2", 'n: expected a whole number, got "2"'),
        ("stop", 3, "stop: expected text, or a list of it, got 3"),
        ("stop", ["a", 3], "stop: expected text, or a list of it"),
        ("tools", "search", "tools: expected a list"),
        ("parallel_tool_calls", 1, "parallel_tool_calls: expected True or False, got 1"),
        ("logprobs", "yes", "logprobs: expected True, False or a whole number"),
        ("extra", "x", "extra: expected a table of names and values"),
        ("system", 3, "system: expected text, got 3"),
        ("model", 3, 'model: expected text such as "openai/gpt-4o-mini", or a list of it, got 3'),
        ("model", ["sim/fast", None], "model: expected text such as"),
    ],
)
def test_a_value_of_another_type_is_refused_before_anything_is_sent(option, value, message):
    with pytest.raises(ConfigError) as caught:
        read_options("chat", {option: value})
    assert str(caught.value).startswith(message)


def test_what_a_provider_alone_can_judge_is_left_to_it():
    sent = body("hi", temperature=7, max_tokens=0, stop=("a", "b"), logprobs=True, n=1, seed=-1, response_format={})
    assert sent["temperature"] == 7


@pytest.mark.parametrize("name", ["on_break", "stream_inside", "max_attempts", "fallback_on", "hedge_budget", "limits"])
def test_a_clients_setting_is_no_option_of_a_request_and_is_never_sent(name):
    with pytest.raises(TypeError, match=f"^{name}: a setting of the client or of a route, not of one request"):
        read_options("chat", {name: None})


@pytest.mark.parametrize(
    ("prompts", "concurrency", "error", "message"),
    [
        ("a prompt", None, InputError, "expected a list of prompts, got str; generate takes a single one"),
        ({"role": "user"}, None, InputError, "expected a list of prompts, got dict"),
        (3, None, InputError, "expected a list of prompts, got int"),
        (["hi"], 0, ConfigError, "concurrency: expected a whole number above 0, got 0"),
        (["hi"], "many", ConfigError, "concurrency: expected a whole number above 0, got 'many'"),
    ],
)
def test_what_is_no_list_of_prompts_is_refused_when_it_is_given(prompts, concurrency, error, message):
    with Client("sim/fast") as client:
        for ask in (client.map, client.run):
            with pytest.raises(error, match=message):
                ask(prompts, concurrency=concurrency)


def test_a_call_with_a_deadline_of_its_own_may_hedge_behind_the_clients():
    with Client("sim/fast", "sim/typical") as client:
        assert client.generate("hi", hedge="150s", deadline=300).text
        with pytest.raises(ConfigError, match="hedge: a delay of 150 s isn't shorter than the default deadline, 120 s"):
            client.generate("hi", hedge="150s")


def test_a_requests_own_hedge_wins_over_the_calls_and_is_no_part_of_the_body():
    row = row_of(Request("hi", hedge="off"), read_options("chat", {"hedge": "auto", "deadline": 9}))
    assert (row.hedge, row.deadline_s, list(row.body)) == ("off", 9, ["messages"])


def test_a_batch_gives_each_request_its_hash_and_keeps_the_order(tmp_path):
    batch = Batch()
    ids = [
        batch.chat.completions.create(model="sim/fast", messages=MESSAGES, temperature=number) for number in range(3)
    ]
    ids.append(batch.embeddings.create(model="sim/fast", input=["a"]))
    ids.append(batch.completions.create(model="sim/fast", prompt="Once"))
    assert ids[0] == request_hash({"model": "sim/fast", "messages": MESSAGES, "temperature": 0})
    batch.write(tmp_path / "in.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "in.jsonl").read_text().splitlines()]
    assert [line["custom_id"] for line in lines] == ids
    assert [line["url"] for line in lines[2:]] == ["/v1/chat/completions", "/v1/embeddings", "/v1/completions"]
    assert len(batch) == 5


def test_equal_requests_of_a_batch_get_ids_of_their_own_in_the_file(tmp_path):
    batch = Batch()
    first = batch.chat.completions.create(messages=MESSAGES)
    assert batch.chat.completions.create(messages=MESSAGES) == first
    assert [line["custom_id"] for line in batch.lines()] == [first, f"{first}-2"]


def test_batches_merge_in_their_order_and_stay_as_they_were():
    one, other = Batch(), Batch()
    one.chat.completions.create(messages=MESSAGES)
    other.completions.create(prompt="Once")
    for merged in (Batch.merge(one, other), one.merge(other), Batch.merge([one, other])):
        assert [request.kind for request in merged] == ["chat", "completion"]
    assert (len(one), len(other)) == (1, 1)


@pytest.mark.parametrize(
    "make", [lambda b: b.chat.completions.create(model="x"), lambda b: b.embeddings.create(input=[])]
)
def test_a_batch_refuses_a_request_that_asks_nothing(make):
    with pytest.raises(InputError, match="expected"):
        make(Batch())


def test_texts_to_embed_are_cut_at_the_providers_bounds():
    cut = EmbeddingLimit(10, 100).parts_of
    assert [len(part) for part in parts_of(["x"] * 21, cut)] == [10, 10, 1]
    assert [len(part) for part in parts_of(["x" * 200] * 3, cut)] == [1, 1, 1]
    assert list(parts_of("one", cut)) == [["one"]]
    assert list(parts_of([[1, 2], [3]], cut)) == [[[1, 2], [3]]]
    assert list(parts_of([], cut)) == []


@pytest.mark.parametrize(
    ("inputs", "message"), [(3, "expected a text"), ([""], "input 0 is empty"), (["a", 3], "input 1: expected")]
)
def test_what_cant_be_embedded_is_refused(inputs, message):
    with pytest.raises(InputError, match=message):
        list(parts_of(inputs, EmbeddingLimit().parts_of))


@pytest.mark.parametrize(
    ("kind", "asked", "least", "most"),
    [
        ("chat", {"messages": [{"role": "user", "content": "x" * 400}]}, 100, 110),
        ("chat", {"messages": [{"role": "user", "content": "x" * 400}], "max_tokens": 50, "n": 2}, 200, 210),
        ("chat", {"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 400}]}]}, 100, 115),
        (
            "chat",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x" * 10**6}}]}]},
            900,
            1100,
        ),
        ("completion", {"prompt": "x" * 400, "max_tokens": 7}, 107, 110),
        ("embedding", {"input": ["x" * 400, "x" * 400]}, 200, 210),
        ("embedding", {"input": [1] * 50}, 50, 60),
        ("chat", {"messages": "nonsense", "max_tokens": "many"}, 0, 0),
    ],
)
def test_tokens_are_estimated_from_text(kind, asked, least, most):
    assert least <= estimate_tokens(kind, asked) <= most
