"""Keys that change under a running engine, on the virtual clock against the simulator, and under a client."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.crash.given import simulator

from penstock import Client
from penstock.call import Call, Completion
from penstock.clock import LoopClock
from penstock.config import Config, load_config, parse_config
from penstock.errors import AuthenticationFailed, ConfigError
from penstock.observers.logging import masked
from penstock.simulator.memory import SimTransport
from penstock.simulator.scenario import parse_scenario
from penstock.testing import run
from penstock.wiring import Engine, build

OLD, NEW = "sk-test-the-old-key", "sk-test-the-new-key"
SLOW = {"models": {"*": {"ttft_s": 10.0}}}


class World:
    """An engine whose only provider is a simulator."""

    def __init__(self, engine: Engine, transport: SimTransport) -> None:
        self.engine = engine
        self.transport = transport

    def play(self, **scenario: Any) -> None:
        self.transport.simulator.play(parse_scenario(json.dumps(scenario)))

    async def ask(self, text: str = "hi") -> str:
        body = {"messages": [{"role": "user", "content": text}]}
        reply = await self.engine.handler("openai/x")(Call(id=text, model="openai/x", body=body))
        assert isinstance(reply, Completion)
        return reply.text

    @property
    def keys(self) -> list[tuple[str, int]]:
        """Of each request in order: its key and what it got."""
        return [(row["key"], row["status"]) for row in self.transport.ledger.rows()]


ADDRESS = "http://simulator.invalid/openai/v1"
VENDORS_OWN = "https://api.openai.com/v1"


def config(environ: Mapping[str, str] | None = None, dotenv: Mapping[str, str] | None = None, **openai: Any) -> Config:
    openai.setdefault("base_url", ADDRESS)
    return parse_config({"providers": {"openai": openai}}, environ=environ or {}, dotenv=dotenv)


def played(given: Config, scenario: dict[str, Any], scene: Callable[[World], Awaitable[None]]) -> World:
    async def main() -> World:
        transport = SimTransport(parse_scenario(json.dumps(scenario)), LoopClock())
        world = World(build(given, transports=lambda _provider, _clock: transport), transport)
        await scene(world)
        await world.engine.aclose()
        return world

    return run(main())


def test_what_is_in_flight_ends_with_its_key_and_what_is_in_line_goes_with_the_new_one() -> None:
    async def scene(world: World) -> None:
        asked = [asyncio.ensure_future(world.ask(str(n))) for n in range(4)]
        await asyncio.sleep(5.0)
        world.engine.keys("openai").replace([NEW])
        await asyncio.gather(*asked)

    world = played(config(api_key=OLD, limits={"concurrency": 2}), SLOW, scene)
    assert world.keys == [(OLD, 200), (OLD, 200), (NEW, 200), (NEW, 200)]


def test_a_ceiling_of_requests_in_flight_holds_across_a_rotation() -> None:
    async def scene(world: World) -> None:
        asked = [asyncio.ensure_future(world.ask(str(n))) for n in range(4)]
        await asyncio.sleep(5.0)
        world.engine.keys("openai").replace([NEW])
        await asyncio.sleep(1.0)
        assert len(world.keys) == 2
        await asyncio.gather(*asked)

    played(config(api_key=OLD, limits={"concurrency": 2}), SLOW, scene)


def test_a_request_whose_key_was_revoked_meanwhile_is_sent_again_with_the_new_one() -> None:
    async def scene(world: World) -> None:
        asked = asyncio.ensure_future(world.ask())
        await asyncio.sleep(0)
        world.engine.keys("openai").replace([NEW])
        await asked
        await world.ask("once more")

    refusing = {"models": {"*": {"ttft_s": 1.0}}, "keys": [NEW]}
    world = played(config(api_key=OLD), refusing, scene)
    assert world.keys == [(OLD, 401), (NEW, 200), (NEW, 200)]


def test_a_key_whose_file_has_changed_costs_one_refusal_and_no_answer(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(OLD)

    async def scene(world: World) -> None:
        await world.ask()
        (tmp_path / "fresh").write_text(NEW)
        (tmp_path / "fresh").replace(file)
        world.play(keys=[NEW])
        await world.ask("at once")

    world = played(config(api_key=f"file:{file}"), {}, scene)
    assert world.keys == [(OLD, 200), (OLD, 401), (NEW, 200)]


def test_those_in_line_at_a_limit_notice_a_new_key_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(OLD)

    async def scene(world: World) -> None:
        await world.ask("first")
        asked = asyncio.ensure_future(world.ask("second"))  # a minute's wait on this key
        await asyncio.sleep(1.0)
        file.write_text(NEW + "\n")
        began_s = asyncio.get_running_loop().time()
        await asked
        assert asyncio.get_running_loop().time() - began_s < 3.0

    world = played(config(api_key=f"file:{file}", limits={"rpm": 1}), {}, scene)
    assert world.keys == [(OLD, 200), (NEW, 200)]


def test_a_refused_key_comes_back_after_a_while_tried_by_one_request_alone() -> None:
    async def scene(world: World) -> None:
        for _ in range(2):
            with pytest.raises(AuthenticationFailed):
                await world.ask()
        world.play(models={"*": {"ttft_s": 1.0}})
        await asyncio.sleep(61.0)
        tries = await asyncio.gather(*(world.ask(str(n)) for n in range(3)), return_exceptions=True)
        assert [isinstance(one, AuthenticationFailed) for one in tries] == [False, True, True]
        await asyncio.gather(*(world.ask(f"again {n}") for n in range(3)))

    world = played(config(api_key=OLD), {"keys": [NEW]}, scene)
    assert world.keys == [(OLD, 401), *[(OLD, 200)] * 4]


def reread(world: World, source: Config | Exception) -> Any:
    def read() -> Config:
        if isinstance(source, Exception):
            raise source
        return source

    return world.engine.reread_keys(read)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (config(api_key=OLD), config(api_key=NEW)),
        (config(dotenv={"OPENAI_API_KEY": OLD}), config(dotenv={"OPENAI_API_KEY": NEW})),
        (config({"OPENAI_API_KEY": OLD}), config({"OPENAI_API_KEY": OLD}, api_key=NEW)),
        (config({"A": OLD, "B": NEW}, api_key="env:A"), config({"A": OLD, "B": NEW}, api_key="env:B")),
    ],
    ids=["the file's own", "dotenv", "from the environment to the file", "another variable"],
)
def test_keys_that_are_read_again_are_used_from_the_next_request_on(before: Config, after: Config) -> None:
    async def scene(world: World) -> None:
        await world.ask()
        rotation = reread(world, after)
        assert (rotation.replaced, rotation.kept) == (("openai",), ())
        await world.ask()

    assert played(before, {}, scene).keys == [(OLD, 200), (NEW, 200)]
    assert masked(f"a line with {NEW}") == "a line with [key]"


def test_a_provider_that_is_used_later_gets_the_keys_of_the_last_reading() -> None:
    async def scene(world: World) -> None:
        assert reread(world, config(api_key=NEW)).replaced == ()
        await world.ask()

    assert played(config(api_key=OLD), {}, scene).keys == [(NEW, 200)]


def test_a_key_file_that_was_only_renewed_in_place_is_read(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(OLD)

    async def scene(world: World) -> None:
        await world.ask()
        file.write_text(NEW)
        assert reread(world, config(api_key=f"file:{file}")).replaced == ("openai",)
        await world.ask()

    assert played(config(api_key=f"file:{file}"), {}, scene).keys == [(OLD, 200), (NEW, 200)]


@pytest.mark.parametrize(
    "broken",
    [
        ConfigError("penstock.toml: not valid TOML"),
        config(api_key="env:NOT_SET_ANYWHERE"),
        config(api_key="file:/nowhere/at/all"),
        config(),
    ],
    ids=["no configuration", "no variable", "no file", "no key at all"],
)
def test_what_cannot_be_read_keeps_the_old_keys_and_is_told(
    broken: Config | ConfigError, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(world: World) -> None:
        await world.ask()
        rotation = reread(world, broken)
        assert rotation.replaced == ()
        assert "old keys stay in use" in str(rotation)
        await world.ask()

    world = played(config(api_key=OLD, base_url=VENDORS_OWN), {}, scene)
    assert [key for key, _ in world.keys] == [OLD, OLD]
    assert "the old ones stay in use" in caplog.text
    assert OLD not in caplog.text


def test_nothing_but_keys_is_taken_of_what_is_read_again() -> None:
    async def scene(world: World) -> None:
        reread(world, config(api_key=NEW, base_url="http://elsewhere.invalid/v1", limits={"rpm": 1}))
        assert world.engine.config.provider("openai").limits.rpm is None
        assert world.engine.plan("openai").base_url == "http://simulator.invalid/openai/v1"

    played(config(api_key=OLD), {}, scene)


def test_a_list_without_a_key_leaves_the_ones_in_use() -> None:
    async def scene(world: World) -> None:
        with pytest.raises(ConfigError, match="no key was given"):
            world.engine.keys("openai").replace([])
        await world.ask()

    assert played(config(api_key=OLD), {}, scene).keys == [(OLD, 200)]


def test_a_real_configuration_and_its_dotenv_are_read_again(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('[providers.openai]\nbase_url = "http://simulator.invalid/openai/v1"\n')
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={OLD}\n")

    def read() -> Config:
        return load_config(environ={}, directory=tmp_path, for_command=True)

    async def scene(world: World) -> None:
        await world.ask()
        (tmp_path / ".env").write_text(f"OPENAI_API_KEY={NEW}\n")
        assert str(world.engine.reread_keys(read)) == "keys of openai replaced"
        assert str(world.engine.reread_keys(read)) == "no key has changed"
        await world.ask()

    assert played(read(), {}, scene).keys == [(OLD, 200), (NEW, 200)]


def test_the_blocking_client_replaces_keys_from_another_thread_than_those_that_ask() -> None:
    with simulator({"models": {"*": {"ttft_s": 0.5}}}) as sim:
        settings = {"api_key": OLD, "base_url": sim.base_url, "limits": {"concurrency": 2}}
        with (
            Client("openai/x", config={"providers": {"openai": settings}}) as client,
            concurrent.futures.ThreadPoolExecutor(4) as threads,
        ):
            asked = [threads.submit(client.generate, f"question {n}") for n in range(4)]
            while not sim.ledger():
                concurrent.futures.wait(asked, 0.02)
            client.keys("openai").replace([NEW])
            assert all(one.result().text for one in asked)
        keys = [row["key"] for row in sim.ledger()]
    assert keys[0] == OLD
    assert keys[2:] == [NEW, NEW]
