"""Where a provider is, from what was set and what the surroundings say."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.call import Call
from penstock.config import parse_config
from penstock.errors import ConfigError
from penstock.wiring import ProviderPlan, plan_provider
from penstock.wiring.wires import dialect_of

RESOURCE = "https://res.openai.azure.com"
VERSION = "?api-version=2024-10-21"


def plan(name: str, table: dict[str, Any] | None = None, base_url: str | None = None, **environ: str) -> ProviderPlan:
    config = parse_config({"providers": {name: table}} if table is not None else {}, environ=environ)
    return plan_provider(config, name, base_url=base_url)


def url(planned: ProviderPlan, model: str = "gpt-4o", kind: Any = "chat", *, stream: bool = False) -> str:
    """Where a question to `model` goes."""
    assert planned.base_url is not None
    dialect = dialect_of(planned, model)
    codec = dialect.open(planned, planned.base_url)
    body = {"input": "a"} if kind == "embedding" else {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    return codec.encode_request(Call(id="", model="m", kind=kind, body=body), dialect.model or model, stream=stream).url


@pytest.mark.parametrize(
    ("table", "environ", "got"),
    [
        ({"base_url": RESOURCE}, {}, f"{RESOURCE}/openai/deployments/gpt-4o/chat/completions{VERSION}"),
        ({"base_url": f"{RESOURCE}/openai/"}, {}, f"{RESOURCE}/openai/deployments/gpt-4o/chat/completions{VERSION}"),
        ({"base_url": f"{RESOURCE}/openai/v1"}, {}, f"{RESOURCE}/openai/v1/chat/completions"),
        (
            {"base_url": f"{RESOURCE}/openai/deployments/mine"},
            {},
            f"{RESOURCE}/openai/deployments/mine/chat/completions{VERSION}",
        ),
        (
            {"base_url": "https://res.services.ai.azure.com/models", "api_version": "2024-05-01-preview"},
            {},
            "https://res.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        ),
        (
            {},
            {"AZURE_OPENAI_ENDPOINT": f"{RESOURCE}/", "OPENAI_API_VERSION": "2025-01-01"},
            f"{RESOURCE}/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01",
        ),
        (
            {"base_url": f"{RESOURCE}?api-version=2023-05-15"},
            {},
            f"{RESOURCE}/openai/deployments/gpt-4o/chat/completions?api-version=2023-05-15",
        ),
    ],
)
def test_azure_is_asked_at_each_form_of_its_address(table: dict[str, Any], environ: dict[str, str], got: str) -> None:
    assert url(plan("azure", table, **environ)) == got


def test_a_deployment_is_quoted_in_its_address() -> None:
    got = url(plan("azure", {"base_url": RESOURCE}), "a b/c?", "embedding")
    assert got == f"{RESOURCE}/openai/deployments/a%20b%2Fc%3F/embeddings{VERSION}"


def test_azure_without_an_address_says_what_to_set() -> None:
    with pytest.raises(
        ConfigError, match=r"azure: no address; set base_url under \[providers.azure\] .* AZURE_OPENAI_ENDPOINT"
    ):
        plan("azure").check()


def test_a_provider_of_ones_own_speaks_a_vendors_wire_with_its_own_key() -> None:
    environ = {"MINE_API_KEY": "sk-test-not-a-key", "AZURE_API_KEY": "sk-test-of-azure"}
    mine = plan("mine", {"wire": "azure", "base_url": "http://127.0.0.1:1"}, **environ)
    assert mine.keys.origins == ("env:MINE_API_KEY",)
    assert url(mine) == f"http://127.0.0.1:1/openai/deployments/gpt-4o/chat/completions{VERSION}"


VERTEX = "https://us-central1-aiplatform.googleapis.com/v1/projects/p1/locations/us-central1"


@pytest.mark.parametrize(
    ("model", "got"),
    [
        ("gemini-2.5-flash", f"{VERTEX}/publishers/google/models/gemini-2.5-flash:generateContent"),
        ("google/gemini-2.5-pro", f"{VERTEX}/publishers/google/models/gemini-2.5-pro:generateContent"),
        ("claude-sonnet-4-5@20250929", f"{VERTEX}/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict"),
        ("anthropic/claude-opus-4-1", f"{VERTEX}/publishers/anthropic/models/claude-opus-4-1:rawPredict"),
        ("meta/llama-3.3-70b-instruct-maas", f"{VERTEX}/endpoints/openapi/chat/completions"),
    ],
)
def test_vertex_speaks_to_each_model_as_its_publisher_does(model: str, got: str) -> None:
    assert url(plan("vertex", GOOGLE_CLOUD_PROJECT="p1"), model) == got


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("europe-west1", "europe-west1-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex_is_at_the_host_of_its_location(location: str, host: str) -> None:
    planned = plan("vertex", {"project": "p1", "location": location})
    assert planned.base_url == f"https://{host}/v1/projects/p1/locations/{location}"


def test_vertex_with_a_key_alone_needs_no_project() -> None:
    planned = plan("vertex", VERTEX_API_KEY="sk-test-not-a-key")
    planned.check()
    assert url(planned, "gemini-2.5-flash") == (
        "https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-2.5-flash:generateContent"
    )


def test_vertex_without_a_project_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match=r"vertex: no project; set project under .* or GOOGLE_CLOUD_PROJECT"):
        plan("vertex").check()


def test_another_address_keeps_the_project() -> None:
    planned = plan("vertex", {"project": "p1"}, base_url="http://127.0.0.1:1/vertex")
    assert planned.base_url == "http://127.0.0.1:1/vertex/v1/projects/p1/locations/us-central1"
    assert not planned.is_at_vendor


@pytest.mark.parametrize(
    ("provider", "model", "got"),
    [
        ("anthropic", "claude-sonnet-4-5", "https://api.anthropic.com/v1/messages"),
        (
            "gemini",
            "gemini-2.5-flash",
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
        ),
    ],
)
def test_the_vendors_with_one_address_are_asked_there(provider: str, model: str, got: str) -> None:
    assert url(plan(provider), model) == got


def test_a_wire_that_is_spoken_elsewhere_needs_its_address() -> None:
    with pytest.raises(ConfigError, match="anthropic: no address"):
        plan("anthropic", {"wire": "openai"}).check()
