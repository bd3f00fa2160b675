"""How much a model reads is known from the vendors' pages, by every spelling of its name."""

import pytest

from penstock.catalog.contexts import context_of
from penstock.config import parse_config
from penstock.wiring import build, contexts_of


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-4o-mini", 128_000),
        ("gpt-4", 8_192),
        ("gpt-4-0613", 8_192),
        ("gpt-4.1-nano", 1_047_576),
        ("gpt-5-mini", 400_000),
        ("o3-mini", 200_000),
        ("openai/o1", 200_000),
        ("claude-sonnet-4-5", 200_000),
        ("anthropic.claude-3-haiku-20240307-v1:0", 200_000),
        ("gemini-2.5-pro", 1_000_000),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", 131_072),
        ("meta-llama/Meta-Llama-3-8B-Instruct", 8_192),
        ("llama3.2", 131_072),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 32_768),
        ("deepseek-chat", 128_000),
        ("gemini-2.5-flash-preview-tts", None),
        ("my-own", None),
        ("x" * 100_000, None),
    ],
)
def test_a_context_by_its_models_name(model, tokens):
    assert context_of(model) == tokens


def test_the_contexts_of_a_route_are_those_of_its_targets():
    config = {
        "providers": {
            "openai": {"api_key": "sk-test-not-a-key"},
            "anthropic": {"api_key": "sk-test-not-a-key"},
            "mine": {"base_url": "http://127.0.0.1:9/v1"},
        },
        "routes": {"all": {"targets": ["openai/gpt-4", "anthropic/claude-sonnet-4-5", "mine/model"]}},
    }
    gpt, claude, mine = contexts_of(build(parse_config(config, environ={})), "all")
    assert (gpt.target, gpt.length, gpt.output) == ("openai/gpt-4", 8_192, 2_048)
    # The wire asks for so many tokens of every answer, and the server holds them against the context.
    assert (claude.length, claude.output) == (200_000, 32_000)
    assert (mine.model, mine.length) == ("model", None)
