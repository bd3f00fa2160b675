"""The pages of the providers against the code: what they call refused is, and so is what they call left out."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from tests.wire.whole_given import CODECS

from penstock.call import Call, Kind
from penstock.errors import CallError
from penstock.wire import dropping

PAGES = Path(__file__).parents[2] / "docs/providers"
ASKED: list[dict[str, Any]] = [{"role": "user", "content": "?"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
PICTURE = {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}

FIELDS: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 0.5},
    "top_p": {"top_p": 0.9},
    "top_k": {"top_k": 5},
    "max_tokens": {"max_tokens": 2000},
    "max_completion_tokens": {"max_completion_tokens": 2000},
    "stop": {"stop": ["END"]},
    "seed": {"seed": 7},
    "n": {"n": 2},
    "logprobs": {"logprobs": True},
    "top_logprobs": {"logprobs": True, "top_logprobs": 2},
    "logit_bias": {"logit_bias": {"5": 1}},
    "presence_penalty": {"presence_penalty": 0.5},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "user": {"user": "u"},
    "safety_identifier": {"safety_identifier": "s"},
    "store": {"store": True},
    "metadata": {"metadata": {"a": "b"}},
    "service_tier": {"service_tier": "flex"},
    "verbosity": {"verbosity": "low"},
    "prompt_cache_key": {"prompt_cache_key": "k"},
    "prompt_cache_retention": {"prompt_cache_retention": "24h"},
    "prediction": {"prediction": {"type": "content", "content": "x"}},
    "audio": {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}},
    "modalities": {"modalities": ["text", "audio"]},
    "web_search_options": {"web_search_options": {}},
    "reasoning_effort": {"reasoning_effort": "low"},
    "tools": {"tools": [TOOL]},
    "strict": {"tools": [{**TOOL, "function": {**TOOL["function"], "strict": True}}]},
    "tool_choice": {"tools": [TOOL], "tool_choice": "required"},
    "parallel_tool_calls": {"tools": [TOOL], "parallel_tool_calls": False},
    "functions": {"functions": [{"name": "f", "parameters": {"type": "object"}}]},
    "response_format": {"response_format": {"type": "json_object"}},
    "cache_control": {"messages": [{"role": "user", "content": "?", "cache_control": {"type": "ephemeral"}}]},
    "name": {"messages": [{"role": "user", "name": "bob", "content": "?"}]},
    "image_url.detail": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": PICTURE}]}]},
    "of a codec to come": {"of_a_codec_to_come": 1},
}
"""A value of each that says something."""

MODELS = {
    "responses": "gpt-5",
    "anthropic": "claude-sonnet-4-5",
    "bedrock converse": "amazon.nova-pro-v1:0",
    "gemini": "gemini-2.5-flash",
    "cohere": "command-a-03-2025",
    "ollama": "qwen3",
}
LEFT_OUT = {
    "responses": "seed prediction name cache_control",
    "anthropic": "seed store metadata name image_url.detail prediction prompt_cache_key prompt_cache_retention"
    " verbosity service_tier",
    "bedrock converse": "user safety_identifier store seed verbosity prompt_cache_key prompt_cache_retention name"
    " image_url.detail reasoning_effort",
    "gemini": "user metadata store service_tier prediction prompt_cache_key prompt_cache_retention safety_identifier"
    " verbosity strict name image_url.detail cache_control",
    "cohere": "user metadata store service_tier verbosity safety_identifier prompt_cache_key prompt_cache_retention"
    " cache_control name reasoning_effort",
    "ollama": "user metadata store service_tier verbosity safety_identifier prompt_cache_key prompt_cache_retention"
    " cache_control name image_url.detail strict",
}
REFUSED = {
    "responses": "n logit_bias audio modalities functions",
    "anthropic": "n logprobs top_logprobs logit_bias presence_penalty frequency_penalty audio modalities functions"
    " web_search_options",
    "bedrock converse": "n logprobs top_logprobs logit_bias presence_penalty frequency_penalty parallel_tool_calls"
    " audio modalities prediction web_search_options functions",
    "gemini": "parallel_tool_calls logit_bias audio",
    "cohere": "n top_logprobs logit_bias parallel_tool_calls audio modalities prediction web_search_options functions",
    "ollama": "n logit_bias parallel_tool_calls audio modalities prediction web_search_options functions tool_choice",
}
EMBEDDERS = [
    ("openai", "text-embedding-3-small"),
    ("azure", "my-embedder"),
    ("mistral", "codestral-embed"),
    ("bedrock converse", "amazon.titan-embed-text-v2:0"),
    ("bedrock converse", "us.cohere.embed-v4:0"),
    ("gemini", "gemini-embedding-001"),
    ("gemini on vertex", "text-embedding-005"),
    ("cohere", "embed-v4.0"),
    ("ollama", "nomic-embed-text"),
]
AS_BASE64 = ("openai", "azure", "mistral", "cohere")
PAGE = {"bedrock converse": "bedrock"}
WORDS = {  # what a page says in words, or under a wider name
    "name": r"[Nn]ames (?:in|of) messages|names in messages",
    "audio": r"`audio`|sound|`modalities`",
    "modalities": r"`modalities`|sound",
    "presence_penalty": r"`presence_penalty`|penalt",
    "frequency_penalty": r"`frequency_penalty`|penalt",
    "top_logprobs": r"`top_logprobs`|`logprobs`",
    "service_tier": r"`service_tier`|service tiers",
    "image_url.detail": r"`image_url.detail`|an image's\s+`detail`",
    "n": r"`n` above 1",
    "parallel_tool_calls": r"`parallel_tool_calls: false`",
    "store": r"`store`",
}


def became(wire: str, extra: dict[str, Any], *, model: str = "", kind: Kind = "chat") -> str:
    """What became of it: "refused", "left out" with a warning, "lost" without one, or "said"."""
    model = model or MODELS[wire]
    asked: dict[str, Any] = {"messages": ASKED} if kind == "chat" else {"input": ["a"]}
    dropping._said.clear()
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("penstock.wire")
    log.addHandler(handler)

    def sent(body: dict[str, Any]) -> Any:
        request = CODECS[wire].encode_request(Call(id="1", model=model, body=body, kind=kind), model, stream=False)
        return json.loads(request.body)

    try:
        bare = sent(asked)
        said = sent({**asked, **extra})
    except CallError as error:
        return "refused" if error.kind == "bad_request" else error.kind
    finally:
        log.removeHandler(handler)
    if heard:
        return "left out"
    return "said" if said != bare else "lost"


@pytest.mark.parametrize("wire", MODELS)
def test_nothing_is_lost_without_a_word(wire: str) -> None:
    told = {name: became(wire, extra) for name, extra in FIELDS.items()}
    assert "lost" not in told.values()
    assert {name for name, word in told.items() if word == "left out"} == set(LEFT_OUT[wire].split())
    assert {name for name, word in told.items() if word == "refused"} == set(REFUSED[wire].split())


@pytest.mark.parametrize(
    ("wire", "model", "name", "expected"),
    [
        *[(wire, model, "dimensions", "said") for wire, model in EMBEDDERS],
        ("bedrock converse", "cohere.embed-english-v3", "dimensions", "refused"),
        *[(wire, model, "user", "said" if wire in ("openai", "azure") else "left out") for wire, model in EMBEDDERS],
        *[(wire, model, "encoding_format", "said" if wire in AS_BASE64 else "left out") for wire, model in EMBEDDERS],
    ],
)
def test_nothing_of_a_request_for_embeddings_is_lost(wire: str, model: str, name: str, expected: str) -> None:
    extra = {"dimensions": 256, "user": "u", "encoding_format": "base64"}[name]
    assert became(wire, {name: extra}, model=model, kind="embedding") == expected


@pytest.mark.parametrize("wire", MODELS)
def test_the_page_says_which_are_left_out_and_which_are_refused(wire: str) -> None:
    page = (PAGES / f"{PAGE.get(wire, wire)}.md").read_text()
    for names, verb in ((LEFT_OUT, r"(?:left out|Left out|dropped|Left out, )"), (REFUSED, r"(?:refused|Refused)")):
        passages = [one for one in passages_of(page) if re.search(verb, one)]
        for name in names[wire].split():
            pattern = WORDS.get(name, f"`{re.escape(name)}`")
            assert any(re.search(pattern, one) for one in passages), f"{wire}: the page doesn't say {verb} of {name}"


def passages_of(page: str) -> list[str]:
    """Rows of tables, and paragraphs."""
    return [one for block in re.split(r"\n\s*\n", page) for one in (block.splitlines() if block[0] == "|" else [block])]


@pytest.mark.parametrize("wire", ["anthropic", "bedrock converse", "gemini"])
def test_a_system_message_alone_is_asked_as_the_user(wire: str) -> None:
    """These refuse a request without any other message, where OpenAI answers."""
    asked = [{"role": "system", "content": "Say hi."}, {"role": "developer", "content": "Be brief."}]
    body = {"messages": asked}
    request = CODECS[wire].encode_request(Call(id="1", model=MODELS[wire], body=body), MODELS[wire], stream=False)
    (turn,) = (said := json.loads(request.body)).get("messages") or said["contents"]
    assert turn["role"] == "user"
    assert [part["text"] for part in turn.get("content") or turn["parts"]] == ["Say hi.", "Be brief."]
    assert "system" not in said
    assert "systemInstruction" not in said
