"""The cache from the outside: clients, runs, commands, and what other tools left."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from penstock import AsyncClient, Client
from penstock.cli.main import run
from penstock.config import load_config
from penstock.errors import ConfigError
from penstock.simulator.answering import Simulator
from penstock.simulator.scenario import parse_scenario
from penstock.simulator.server import start_server
from penstock.stores.memory import MemoryStore
from penstock.wiring import Overrides, build


def config(path: Path, **more: Any) -> dict[str, Any]:
    return {"cache": {"store": f"sqlite:{path}/answers.sqlite", **more}}


def test_an_answer_outlives_the_client_and_says_that_it_is_cached(tmp_path: Path) -> None:
    with Client("sim/fast", config=config(tmp_path)) as client:
        first = client.generate("How big is the moon?")
    with Client("sim/fast", config=config(tmp_path)) as client:
        second = client.generate("How big is the moon?")
        stats = client.stats()
    assert (first.cached, second.cached) == (False, True)
    assert (second.text, second.target, second.raw) == (first.text, "sim/fast", first.raw)
    assert (second.attempts, second.cost, stats.requests, stats.cached) == ((), 0.0, 0, 1)


def test_a_client_that_nobody_closes_keeps_its_answers(tmp_path: Path) -> None:
    code = (
        "import sys, penstock\n"
        "client = penstock.Client('sim/fast', config={}, cache=f'sqlite:{sys.argv[1]}/c')\n"
        "print(client.generate('hi').cached)"
    )
    said = [
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert said == ["False\n", "True\n"]


def test_streams_embeddings_and_completions_are_cached_too(tmp_path: Path) -> None:
    with Client("sim/fast", config=config(tmp_path)) as client:
        for expected in (False, True):
            with client.stream("a stream") as stream:
                text = "".join(chunk.text for chunk in stream)
            assert (stream.answer.cached, stream.answer.text) == (expected, text)
        assert client.generate("a stream").cached
        assert client.embed(["a", "b"]) == client.embed(["a", "b"])
        assert client.complete("Once") == client.complete("Once")
        assert client.stats().requests == 3


def test_a_client_without_a_cache_asks_each_time() -> None:
    with Client("sim/fast", config={}) as client:
        assert not any(client.generate("hi").cached for _ in range(2))
        assert client.stats().requests == 2


@pytest.mark.parametrize("cache", ["memory", {"store": "memory", "ttl": "1h"}, MemoryStore()])
def test_a_client_says_what_its_cache_is(cache: Any) -> None:
    with Client("sim/fast", config={}, cache=cache) as client:
        assert [client.generate("hi").cached for _ in range(2)] == [False, True]
        assert not client.generate("hi", cache="off").cached
        assert not client.generate("hi", cache="write").cached
        assert not client.generate("hi", sample=1).cached
        assert client.generate("hi", sample=1).cached


@pytest.mark.parametrize("cache", ["sometimes", "redis://", "sqlite:", {"stoer": "memory"}, 3, object()])
def test_a_cache_that_cant_be_meant_is_refused(cache: Any) -> None:
    with pytest.raises(ConfigError, match="cache"):
        AsyncClient("sim/fast", config={}, cache=cache)


def test_a_word_that_names_no_cache_is_told_the_modes_and_the_stores() -> None:
    with pytest.raises(ConfigError, match=r'^cache: expected .*"read", .*or a store \("memory", .*got "sqlight"'):
        Client("sim/fast", config={}, cache="sqlight")


def test_a_thousand_equal_calls_are_one_request() -> None:
    async def main() -> None:
        async with AsyncClient("sim/fast", config={}, cache="memory") as client:
            answers = await asyncio.gather(*(client.generate("hi") for _ in range(1000)))
            more = [answer async for answer in client.map(["hi"] * 50)]
            stats = client.stats()
        assert (stats.requests, stats.joined, stats.cached) == (1, 999, 50)
        assert sum(not answer.cached for answer in [*answers, *more]) == 1

    asyncio.run(main())


def test_another_server_is_another_model(tmp_path: Path) -> None:
    def asked(url: str) -> AsyncClient:
        return AsyncClient("mine/m", config={**config(tmp_path), "providers": {"mine": {"base_url": url}}})

    engines = [asked(f"http://127.0.0.1:{port}/v1")._engine for port in (1, 2)]
    assert engines[0].caching._place("mine/m") != engines[1].caching._place("mine/m")


def test_a_header_that_may_change_an_answer_tells_its_answers_apart() -> None:
    store = MemoryStore()

    def is_cached(headers: dict[str, str]) -> bool:
        with Client("sim/fast", config={"providers": {"sim": {"headers": headers}}}, cache=store) as client:
            return client.generate("hi").cached

    assert [is_cached({}), is_cached({"X-Variant": "b"}), is_cached({"X-Variant": "c"})] == [False] * 3
    assert [is_cached({}), is_cached({"x-variant": "b"}), is_cached({"X-Api-Key": "sk-test"})] == [True] * 3


def test_a_store_that_cant_be_opened_fails_no_call(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_text("a letter to my mother" * 20)
    with Client("sim/fast", config=config(tmp_path)) as client:
        assert client.generate("hi").text
        assert client.generate("hi").text
    assert (tmp_path / "answers.sqlite").read_text().startswith("a letter")


def rows(path: Path, count: int = 20, **fields: Any) -> Path:
    lines = [{"messages": [{"role": "user", "content": f"question {number}"}], **fields} for number in range(count)]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("PENSTOCK_CONFIG", raising=False)
    (tmp_path / "penstock.toml").write_text('[cache]\nstore = "sqlite"\n')
    return tmp_path


def summary(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert run(["run", "in.jsonl", "-m", "sim/fast", "--json", "--quiet", *options]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_a_run_takes_from_the_cache_what_an_earlier_one_asked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows(place / "in.jsonl")
    first, second = summary(capsys, "-o", "a.jsonl"), summary(capsys, "-o", "b.jsonl")
    assert (first["attempts"], first["cached"]) == (20, 0)
    assert (second["attempts"], second["cached"], second["answered"], second["cost_usd"]) == (0, 20, 20, 0.0)
    before, after = (
        [json.loads(line) for line in (place / name).read_text().splitlines()] for name in ("a.jsonl", "b.jsonl")
    )
    assert [line["response"] for line in before] == [line["response"] for line in after]
    assert [line["penstock"]["cached"] for line in after] == [True] * 20
    assert summary(capsys, "-o", "c.jsonl", "--no-cache")["attempts"] == 20


def test_a_run_without_a_cache_table_caches_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "penstock.toml").write_text("")
    rows(place / "in.jsonl")
    assert summary(capsys, "-o", "a.jsonl")["attempts"] == summary(capsys, "-o", "b.jsonl")["attempts"] == 20
    assert not (place / "xdg").exists()


def test_samples_and_rows_that_are_asked_each_for_itself_stay_apart(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "in.jsonl").write_text('{"prompt": "the same"}\n' * 4)
    assert summary(capsys, "-o", "a.jsonl", "--samples", "3")["attempts"] == 3
    assert summary(capsys, "-o", "b.jsonl", "--samples", "3")["attempts"] == 0
    assert summary(capsys, "-o", "c.jsonl", "--no-dedup")["attempts"] == 4
    assert summary(capsys, "-o", "d.jsonl", "--no-dedup")["attempts"] == 0


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_the_cache_knows_and_what_is_asked_stand_in_the_inputs_order(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = rows(place / "in.jsonl", 3000).read_text().splitlines()
    (place / "in.jsonl").write_text("\n".join(everything[::3]))
    assert summary(capsys, "-o", "a.jsonl")["attempts"] == 1000
    (place / "in.jsonl").write_text("\n".join(everything))
    found = summary(capsys, "-o", "b.jsonl")
    assert (found["attempts"], found["cached"], found["answered"]) == (2000, 1000, 3000)
    answers = lines(place / "b.jsonl")
    assert [line["custom_id"] for line in answers] == [f"line-{number}" for number in range(1, 3001)]
    assert [line["penstock"]["cached"] for line in answers] == [number % 3 == 0 for number in range(3000)]
    assert [line["response"] for line in answers[::3]] == [line["response"] for line in lines(place / "a.jsonl")]
    assert summary(capsys, "-o", "c.jsonl")["attempts"] == 0


@pytest.mark.parametrize("options", [["--temperature", "1.0"], ["--system", "Be brief."], ["--samples", "2"]])
def test_options_of_a_run_are_part_of_what_is_looked_up(
    place: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    rows(place / "in.jsonl", user="someone")
    plain = summary(capsys, "-o", "a.jsonl")["attempts"]
    more = 40 if "--samples" in options else 20
    assert summary(capsys, "-o", "b.jsonl", *options)["attempts"] in (20, more - plain)
    assert summary(capsys, "-o", "c.jsonl", *options)["cached"] == more
    rows(place / "in.jsonl", user="someone else")
    assert summary(capsys, "-o", "d.jsonl", *options)["cached"] == more


def test_a_run_that_goes_on_takes_the_rest_from_the_cache(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows(place / "in.jsonl")
    summary(capsys, "-o", "a.jsonl")
    assert summary(capsys, "-o", "b.jsonl", "--limit", "5")["cached"] == 5
    rest = summary(capsys, "-o", "b.jsonl")
    assert (rest["attempts"], rest["cached"]) == (0, 15)
    assert [line["response"] for line in lines(place / "b.jsonl")] == [
        line["response"] for line in lines(place / "a.jsonl")
    ]


def test_a_run_keeps_no_answer_that_was_cut(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows(place / "in.jsonl")
    for out in ("a.jsonl", "b.jsonl"):
        assert summary(capsys, "-o", out, "--max-tokens", "1")["attempts"] == 20
        assert lines(place / out)[0]["penstock"]["status"] == "truncated"


def test_a_run_to_a_pipe_keeps_its_answers_too(place: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    rows(place / "in.jsonl")
    written = []
    for _ in range(2):
        assert run(["run", "in.jsonl", "-m", "sim/fast", "--quiet", "-o", "-"]) == 0
        found = map(json.loads, capsysbinary.readouterr().out.splitlines())
        written.append(sorted(found, key=lambda line: int(line["custom_id"].removeprefix("line-"))))
    assert [line["penstock"]["cached"] for line in written[0] + written[1]] == [False] * 20 + [True] * 20
    assert [line["response"] for line in written[0]] == [line["response"] for line in written[1]]


def test_a_run_keeps_what_another_wire_answered(place: Path) -> None:
    rows(place / "in.jsonl", max_tokens=100)

    async def summarised(url: str, out: str) -> dict[str, Any]:
        asked = ["run", "in.jsonl", "-m", "anthropic/claude", "--base-url", f"{url}/anthropic", "--json", "-o", out]
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "penstock", *asked],
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "ANTHROPIC_API_KEY": "sk-test-not-a-key"},
        )
        return dict(json.loads((await process.communicate())[0]))

    async def main() -> None:
        simulator = Simulator(parse_scenario("{}"), time.monotonic)
        server, _ = await start_server(simulator)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            first, second = await summarised(url, "a.jsonl"), await summarised(url, "b.jsonl")
        finally:
            server.close()
        assert (first["attempts"], first["cached"]) == (20, 0)
        assert (second["attempts"], second["cached"]) == (0, 20)

    asyncio.run(main())
    before, after = lines(place / "a.jsonl"), lines(place / "b.jsonl")
    assert [line["response"] for line in before] == [line["response"] for line in after]
    assert [line["penstock"]["usage"] for line in before] == [line["penstock"]["usage"] for line in after]


def test_bad_and_equal_rows_are_told_from_the_known_ones(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows(place / "in.jsonl", 6)
    summary(capsys, "-o", "a.jsonl")
    known = (place / "in.jsonl").read_text()
    (place / "in.jsonl").write_text(known + '\n{"messages": 3}\n' + known + '\n{"prompt": "new"}\n')
    assert run(["run", "in.jsonl", "-m", "sim/fast", "--json", "--quiet", "-o", "b.jsonl", "--skip-bad"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["attempts"], found["cached"] + found["joined"], found["answered"]) == (1, 12, 13)


@pytest.mark.parametrize("more", ['guards = { redact = ["email"] }', ""])
def test_what_stands_above_the_cache_is_never_passed_by(place: Path, more: str) -> None:
    (place / "penstock.toml").write_text(f'[cache]\nstore = "memory"\n[routes.r]\ntargets = ["sim/fast"]\n{more}\n')
    engine = build(load_config("penstock.toml"), patience="batch", overrides=Overrides())
    assert (engine.caching.recall(engine.check("r")) is None) == bool(more)


def test_a_run_says_when_its_cache_is_in_trouble(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows(place / "in.jsonl")
    (place / "xdg" / "penstock").mkdir(parents=True)
    (place / "xdg" / "penstock" / "answers.sqlite").write_text("a letter" * 20)
    found = summary(capsys, "-o", "a.jsonl")
    assert found["answered"] == 20
    assert "is no cache of penstock's" in found["cache_trouble"]


def test_the_commands_make_no_file_where_none_is(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("stats", "prune", "clear"):
        assert run(["cache", verb, "--store", "sqlite:nowhere.sqlite"]) == 2
        assert "nowhere.sqlite: no such file" in capsys.readouterr().err
    assert list(place.glob("nowhere*")) == []


def test_the_commands_show_prune_and_clear(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows(place / "in.jsonl")
    summary(capsys, "-o", "a.jsonl")
    assert run(["cache", "stats"]) == 0
    shown = capsys.readouterr().out
    assert "answers  20" in shown
    assert str(place / "xdg") in shown
    assert run(["cache", "stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 20
    assert run(["cache", "prune"]) == run(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "answers dropped: 0\nanswers dropped: 20\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cache", "stats", "--store", "red://x"], "expected"),
        (["cache", "clear", "--store", "memory"], "process's own memory"),
        (["cache", "stats", "--store", "sqlite:in.jsonl"], "is no cache of penstock's"),
        (["cache", "stats", "--store", "redis://127.0.0.1:1/0"], "127.0.0.1:1"),
        (["cache", "stats", "--store", "redis://someone:secret-word@/0"], "expected an address"),
        (["import-cache", "nowhere"], "no such folder"),
        (["import-cache", "."], "neither requests-engine's"),
    ],
)
def test_the_commands_say_what_is_wrong(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = rows(place / "in.jsonl").read_bytes()
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "secret-word" not in said
    assert (place / "in.jsonl").read_bytes() == before
