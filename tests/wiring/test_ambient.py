"""Credentials of the surroundings: who signs without a key, and where they never go."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from penstock import AsyncClient
from penstock.config import parse_config
from penstock.credentials.sigv4 import SigV4
from penstock.credentials.tokens import Tokens
from penstock.errors import ConfigError
from penstock.simulator.answering import Simulator
from penstock.simulator.scenario import Scenario
from penstock.simulator.server import start_server
from penstock.testing import FakeTransport
from penstock.wiring import plan_provider
from penstock.wiring.ambient import ambient_credential, check_ambient

AWS = {"AWS_ACCESS_KEY_ID": "AKIDTESTNOTAKEY", "AWS_SECRET_ACCESS_KEY": "test-not-a-secret", "AWS_REGION": "eu-west-1"}


def credential(name: str, table: dict[str, Any], **environ: str) -> object:
    plan = plan_provider(parse_config({"providers": {name: table}}, environ=environ), name)
    return ambient_credential(plan, environ, lambda _: FakeTransport([]))


@pytest.mark.parametrize(
    ("name", "table", "kind"),
    [
        ("bedrock", {"region": "us-east-1"}, SigV4),
        ("bedrock", {"region": "us-east-1", "base_url": "https://vpce-1.bedrock-runtime.amazonaws.com"}, SigV4),
        ("vertex", {"project": "p1"}, Tokens),
        ("azure", {"base_url": "https://res.openai.azure.com"}, Tokens),
    ],
)
def test_without_a_key_the_machines_own_credentials_sign(name: str, table: dict[str, Any], kind: type) -> None:
    assert isinstance(credential(name, table), kind)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("bedrock", {"region": "us-east-1", "api_key": "sk-test-not-a-key"}),
        ("bedrock", {"region": "us-east-1", "base_url": "https://proxy.example"}),
        ("bedrock", {"region": "us-east-1", "base_url": "https://amazonaws.com.example"}),
        ("vertex", {"project": "p1", "base_url": "http://127.0.0.1:1"}),
        ("azure", {"base_url": "https://azure.com.example"}),
        ("openai", {}),
    ],
)
def test_they_go_to_nobody_else_and_not_beside_a_key(name: str, table: dict[str, Any]) -> None:
    assert credential(name, table) is None


def test_they_go_where_the_configuration_names_them() -> None:
    assert credential("bedrock", {"region": "r", "base_url": "http://127.0.0.1:1", "profile": "mine"}) is not None
    assert credential("vertex", {"project": "p", "base_url": "http://127.0.0.1:1", "credentials": "k"}) is not None


def test_a_project_is_found_in_the_credentials_file(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text('{"type": "service_account", "project_id": "from-file"}')
    config = parse_config({}, environ={"GOOGLE_APPLICATION_CREDENTIALS": str(path)})
    assert plan_provider(config, "vertex").settings["project"] == "from-file"


def test_bedrock_without_a_region_says_what_to_set(tmp_path: Path) -> None:
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    with pytest.raises(ConfigError, match=r"bedrock: no region; set region under .* or AWS_REGION"):
        plan_provider(parse_config({}, environ=environ), "bedrock").check()


def test_vertex_with_a_key_needs_no_library() -> None:
    check_ambient(plan_provider(parse_config({}, environ={"VERTEX_API_KEY": "sk-test-not-a-key"}), "vertex"))


@pytest.mark.parametrize("model", ["amazon.nova-pro-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1:0"])
def test_a_request_to_bedrock_is_signed_with_the_profiles_key(tmp_path: Path, model: str) -> None:
    (tmp_path / "credentials").write_text(
        "[mine]\naws_access_key_id = AKIDTESTNOTAKEY\naws_secret_access_key = test-not-a-secret\nregion = eu-west-1\n"
    )
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "AWS_CONFIG_FILE": str(tmp_path / "no")}

    async def main() -> None:
        simulator = Simulator(Scenario(), time.monotonic)
        server, connections = await start_server(simulator)
        base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/bedrock"
        table = {"providers": {"bedrock": {"base_url": base_url, "profile": "mine"}}}
        async with AsyncClient(f"bedrock/{model}", config=parse_config(table, environ=environ)) as client:
            assert (await client.generate("How big is the moon?", max_tokens=64)).text
        server.close()
        for connection in list(connections):
            connection.abort()
        (row,) = simulator.ledger.rows()
        assert row["key"] == "AKIDTESTNOTAKEY"

    asyncio.run(main())


def test_no_secret_is_shown_by_what_signs() -> None:
    assert "test-not-a-secret" not in json.dumps(repr(credential("bedrock", {"region": "us-east-1"}, **AWS)))
