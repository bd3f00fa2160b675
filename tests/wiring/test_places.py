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
    codec = dialect_of(planned, model).open(planned, planned.base_url)
    body = {"input": "a"} if kind == "embedding" else {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    return codec.encode_request(Call(id="", model=model, kind=kind, body=body), model, stream=stream).url


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
    with pytest.raises(ConfigError, match=r"azure: no address; set base_url under \[providers.azure\]"):
        plan("azure").check()


def test_a_provider_of_ones_own_speaks_a_vendors_wire_with_its_own_key() -> None:
    environ = {"MINE_API_KEY": "sk-test-not-a-key", "AZURE_API_KEY": "sk-test-of-azure"}
    mine = plan("mine", {"wire": "azure", "base_url": "http://127.0.0.1:1"}, **environ)
    assert mine.keys.origins == ("env:MINE_API_KEY",)
    assert url(mine) == f"http://127.0.0.1:1/openai/deployments/gpt-4o/chat/completions{VERSION}"
