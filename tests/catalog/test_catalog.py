"""The providers that penstock knows, as data that holds together."""

import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from penstock.catalog import is_reasoning, prefills, providers, vendor

NAMED = {
    *("openai", "together", "groq", "mistral", "deepseek", "xai", "openrouter", "fireworks", "cerebras", "perplexity"),
    *(
        "anthropic",
        "azure",
        "bedrock",
        "cohere",
        "gemini",
        "vertex",
        "huggingface",
        "ollama",
        "vllm",
        "llamacpp",
        "custom",
        "sim",
    ),
}


def test_the_promised_providers_are_known():
    assert set(providers()) >= NAMED


@pytest.mark.parametrize("known", providers().values(), ids=lambda known: known.name)
def test_every_provider_holds_together(known):
    assert known.name == known.name.lower()
    assert "/" not in known.name
    assert known.title
    if known.base_url is not None:
        url = urlsplit(known.base_url)
        assert url.scheme == ("https" if known.needs_key else "http")
        assert not known.base_url.endswith("/")
    if known.needs_key:
        assert known.key_env[0] == f"{known.name.upper()}_API_KEY"


def test_only_what_the_caller_or_the_process_provides_has_no_url():
    assert {known.name for known in providers().values() if known.base_url is None} == {"azure", "custom", "sim"}


def test_a_name_is_known_in_any_case_and_an_unknown_one_is_a_key_error():
    assert vendor("OpenAI") is vendor("openai")
    with pytest.raises(KeyError):
        vendor("nobody")


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        providers()["openai"] = vendor("groq")  # type: ignore[index]


@pytest.mark.parametrize(
    "model",
    [
        *("o1", "o3-mini", "o4-mini-2025-04-16", "openai/o3", "gpt-5", "gpt-5-nano-2025-08-07", "openai/gpt-oss-120b"),
        *("deepseek-reasoner", "deepseek-ai/DeepSeek-R1", "qwen/qwq-32b", "magistral-medium-latest", "grok-4"),
        *("grok-3-mini", "sonar-reasoning-pro", "qwen3-30b-a3b-thinking-2507", "zai/GLM-5.2"),
    ],
)
def test_models_that_think_are_known_by_name(model):
    assert is_reasoning(model)


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5-chat-latest", "mistral-small-latest", "deepseek-chat", "grok-3"),
        *("grok-4-1-fast-non-reasoning", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "sonar", "proto1", "foo3", ""),
        "x" * 10_000,
    ],
)
def test_models_that_answer_at_once_are_not(model):
    assert not is_reasoning(model)


def test_the_catalog_is_imported_only_when_used():
    code = "import sys, penstock; sys.exit('penstock.catalog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("provider", "model", "continues"),
    [
        ("openai", "gpt-4o", False),
        ("custom", "m", False),
        ("deepseek", "deepseek-chat", True),
        ("deepseek", "deepseek-reasoner", False),
        ("groq", "llama-3.3-70b-versatile", True),
        ("groq", "openai/gpt-oss-120b", False),
        ("openrouter", "anthropic/claude-sonnet-4.5", True),
        ("openrouter", "mistralai/mistral-large", True),
        ("openrouter", "openai/gpt-4o", False),
        ("vllm", "meta-llama/Llama-3.3-70B-Instruct", True),
        ("sim", "fast", True),
        ("gemini", "gemini-2.0-flash", True),
        ("gemini", "gemini-2.5-flash-lite", True),
        ("gemini", "gemini-2.5-pro", False),
        ("gemini", "gemini-3.6-flash", False),
        ("gemini", "gemini-flash-lite-latest", False),
        ("vertex", "gemini-2.0-flash", False),
    ],
)
def test_who_continues_an_assistant_message_is_known_by_provider_and_model(provider, model, continues):
    assert prefills(vendor(provider), model) is continues
