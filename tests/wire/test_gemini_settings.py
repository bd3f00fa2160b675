"""Parameters and tools: what has another name, what another form, what is left out and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.gemini_given import GEMINI, asked, chat, refused

from penstock.errors import CallError

SETTINGS = [
    ({"temperature": 0, "top_p": 0.5, "top_k": 3}, {"temperature": 0, "topP": 0.5, "topK": 3}),
    ({"max_tokens": 5}, {"maxOutputTokens": 5}),
    ({"max_tokens": 9, "max_completion_tokens": 5}, {"maxOutputTokens": 5}),
    ({"stop": "x"}, {"stopSequences": ["x"]}),
    ({"stop": ["x", "y"], "seed": 4, "n": 2}, {"stopSequences": ["x", "y"], "seed": 4, "candidateCount": 2}),
    ({"presence_penalty": 1, "frequency_penalty": 0.5}, {"presencePenalty": 1, "frequencyPenalty": 0.5}),
    ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
    ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}},
        {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
    ),
    ({"reasoning_effort": "low"}, {"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}}),
    ({"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingBudget": 0}}),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        {"thinkingConfig": {"thinkingBudget": 2000, "includeThoughts": True}},
    ),
    ({"thinking": {"type": "disabled"}}, {"thinkingConfig": {"thinkingBudget": 0}}),
    ({"thinking_config": {"thinking_budget": 7}}, {"thinkingConfig": {"thinkingBudget": 7}}),
    ({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
    ({"modalities": ["text"], "response_format": {"type": "text"}, "seed": None}, None),
    (
        {"extra_body": {"google": {"thinking_config": {"thinking_level": "low"}}}},
        {"thinkingConfig": {"thinkingLevel": "low"}},
    ),
    ({"generationConfig": {"speech_config": {}}}, {"speechConfig": {}}),
]


@pytest.mark.parametrize(("said", "config"), SETTINGS)
def test_each_parameter_has_its_form(said, config):
    body = asked(chat(**said))
    assert body.pop("generationConfig", None) == config
    assert list(body) == ["contents"]


def test_newer_models_are_told_how_hard_to_think_by_a_word():
    config = asked(chat(reasoning_effort="high"), "gemini-3-flash-preview")["generationConfig"]
    assert config == {"thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True}}


@pytest.mark.parametrize("name", ["user", "metadata", "store", "service_tier", "verbosity", "safety_identifier"])
def test_what_changes_no_answer_is_left_out(name):
    assert list(asked(chat(**{name: {"a": "b"}}))) == ["contents"]


@pytest.mark.parametrize(
    "said",
    [
        {"logit_bias": {"50256": -100}},
        {"audio": {"voice": "x"}},
        {"response_format": {"type": "grammar"}},
        {"response_format": {"type": "json_schema"}},
        {"reasoning_effort": "huge"},
        {"thinking": {"type": "enabled"}},
        {"modalities": "text"},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "parallel_tool_calls": False},
        {"tools": [{"type": "computer_use"}]},
        {"tools": [{"type": "function"}]},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "perhaps"},
        {"temperature": object()},
    ],
)
def test_what_would_change_the_answer_is_refused(said):
    refused(chat(**said))


def test_what_nobody_here_knows_travels_as_it_is():
    body = asked(chat(labels={"team": "a"}, safety_settings=[{"category": "c"}], cached_content="cachedContents/1"))
    assert (body["labels"], body["safetySettings"], body["cachedContent"]) == (
        {"team": "a"},
        [{"category": "c"}],
        "cachedContents/1",
    )


def test_functions_are_declared_in_one_tool_beside_googles_own():
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    tools = [{"type": "function", "function": function}, {"type": "web_search"}, {"codeExecution": {}}]
    assert asked(chat(tools=tools))["tools"] == [
        {"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]},
        {"googleSearch": {}},
        {"codeExecution": {}},
    ]


CHOICES = [
    ("auto", {"mode": "AUTO"}),
    ("none", {"mode": "NONE"}),
    ("required", {"mode": "ANY"}),
    ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    (
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"function": {"name": "f"}}]}},
        {"mode": "ANY", "allowedFunctionNames": ["f"]},
    ),
]


@pytest.mark.parametrize(("choice", "config"), CHOICES)
def test_each_choice_among_tools_has_its_form(choice, config):
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert asked(chat(tools=tools, tool_choice=choice))["toolConfig"] == {"functionCallingConfig": config}


def test_the_functions_of_old_are_understood():
    body = asked(chat(functions=[{"name": "f"}], function_call={"name": "f"}))
    assert body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["f"]}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["function", "text", "file", "tool", "gs://[", "data:x"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "function", "name", "google", "tools", "mode", "url"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
PARAMETERS = [
    *(
        "messages",
        "stop",
        "tools",
        "functions",
        "function_call",
        "tool_choice",
        "response_format",
        "thinking",
        "google",
    ),
    *("reasoning_effort", "modalities", "extra_body", "generationConfig", "systemInstruction", "logit_bias"),
]


@given(body=st.dictionaries(st.sampled_from(PARAMETERS), VALUES, max_size=4), content=VALUES)
def test_nonsense_is_sent_or_refused_and_nothing_worse(body, content):
    messages = [{"role": role, "content": content, "tool_calls": content} for role in ("system", "user", "assistant")]
    try:
        GEMINI.encode_request(chat(**{"messages": messages, **body}), "gemini-3-pro", stream=False)
    except CallError as error:
        kind = error.kind
    else:
        kind = "bad_request"
    assert kind == "bad_request"


def test_googles_own_words_are_taken_under_google():
    google = {"safety_settings": [{"category": "c"}], "generation_config": {"top_k": 3}, "tools": {"urlContext": {}}}
    body = asked(chat(google=google, web_search_options={}))
    assert body["safetySettings"] == [{"category": "c"}]
    assert body["generationConfig"] == {"topK": 3}
    assert {"urlContext": {}} in body["tools"]
    assert {"googleSearch": {}} in body["tools"]


def test_thinking_may_be_left_to_the_model():
    config = asked(chat(thinking={"type": "adaptive"}))["generationConfig"]
    assert config == {"thinkingConfig": {"includeThoughts": True}}
