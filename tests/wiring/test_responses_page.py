"""What docs/providers/responses.md shows works as it stands there."""

from __future__ import annotations

import asyncio
import re
import time
import tomllib
from pathlib import Path

import pytest
from tests.wiring.given import KEY

from penstock.config import parse_config
from penstock.simulator.answering import Simulator
from penstock.simulator.scenario import parse_scenario
from penstock.simulator.server import start_server
from penstock.wire.responses import ResponsesCodec
from penstock.wiring import plan_provider
from penstock.wiring.wires import dialect_of

PAGE = (Path(__file__).parents[2] / "docs" / "providers" / "responses.md").read_text(encoding="utf-8")
CHOSEN, BESIDE = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
(CODE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_pages_tables_choose_the_wire() -> None:
    config = parse_config(tomllib.loads(CHOSEN + BESIDE), environ={"OPENAI_API_KEY": KEY})
    for name in ("openai", "openai-responses"):
        plan = plan_provider(config, name)
        plan.check()
        codec = dialect_of(plan, "gpt-5").open(plan, plan.base_url or "")
        assert isinstance(codec, ResponsesCodec)
        assert plan.base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize(
    "name", ["deepseek", "fireworks", "groq", "huggingface", "openrouter", "xai", "vllm", "ollama"]
)
def test_the_page_names_who_serves_it(name: str) -> None:
    config = parse_config({"providers": {name: {"wire": "responses", "api_key": KEY}}}, environ={})
    plan = plan_provider(config, name)
    plan.check()
    assert isinstance(dialect_of(plan, "m").open(plan, plan.base_url or ""), ResponsesCodec)


def test_the_pages_program_calls_a_tool_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "penstock.toml").write_text(CHOSEN)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "page"}
    exec(compile(CODE, "docs/providers/responses.md", "exec"), namespace)

    async def main() -> None:
        simulator = Simulator(parse_scenario(""), time.monotonic)
        server, connections = await start_server(simulator)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/openai/v1")
        try:
            messages, answer = await namespace["main"]()  # type: ignore[operator]
        finally:
            server.close()
            for connection in list(connections):
                connection.abort()
        assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
        assert messages[1]["tool_calls"][0]["function"]["name"] == "weather"
        assert answer.text
        assert simulator.ledger.served == 2

    asyncio.run(main())
