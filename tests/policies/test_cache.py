"""The exact cache as a layer: what is served from it, what is kept, and that nothing of it fails a call."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests.race.given import a_call, an_answer

from penstock.call import Call, Choice, Completion, Finished, Kind, Started, TextDelta, ToolDelta, Usage, UsageUpdate
from penstock.errors import CallError
from penstock.fold import events_of, fold
from penstock.handler import Handler, OpenStream
from penstock.policies.cache import Answers, Cache, Digester, pack, target_tag, to_keep, unpack, worth_keeping
from penstock.policies.cache.entry import read
from penstock.stores import Found
from penstock.stores.memory import MemoryStore
from penstock.testing import Chunks, ScriptedHandler, run

QUESTION = {"messages": [{"role": "user", "content": "how big?"}]}


def never(kind: Kind, target: str, raw: bytes) -> Completion:
    raise AssertionError("nothing is decoded here")


def answers_in(store: Any, **fields: Any) -> Answers:
    return Answers(lambda: store, decode=never, raw_says_all=lambda target: False, **fields)


def cached(inner: Handler, answers: Answers, *targets: str, **fields: Any) -> Handler:
    tags = {target: target_tag(target) for target in targets or ("t/m",)}
    return Cache(answers, Digester(), tags, **fields)(inner)


def of(target: str = "t/m", text: str = "hello", **fields: Any) -> Completion:
    completion = an_answer(text)
    completion.target = target
    for name, value in fields.items():
        setattr(completion, name, value)
    return completion


def asked(**fields: Any) -> Call:
    return a_call(body=QUESTION, **fields)


def test_an_answer_is_asked_for_once_and_marked() -> None:
    async def main() -> None:
        handler = ScriptedHandler([of()])
        ask = cached(handler, answers_in(MemoryStore()))
        first, second = await ask(asked()), await ask(asked())
        assert isinstance(first, Completion)
        assert isinstance(second, Completion)
        assert (first.cached, second.cached) == (False, True)
        assert (second.text, second.target, second.requests_sent, second.cost_usd) == ("hello", "t/m", 0, 0.0)

    run(main())


@pytest.mark.parametrize(
    ("mode", "asks", "keeps"), [("off", 2, False), ("read", 2, False), ("write", 2, True), ("on", 1, True)]
)
def test_a_call_says_what_it_wants_of_the_cache(mode: Any, asks: int, keeps: bool) -> None:
    async def main() -> None:
        store = MemoryStore()
        handler = ScriptedHandler([of(), of()])
        ask = cached(handler, answers_in(store), mode="off" if mode == "on" else "on")
        await ask(asked(cache=mode))
        await ask(asked(cache=mode))
        assert len(handler.calls) == asks
        assert ((await store.stats()).entries == 1) is keeps

    run(main())


def test_an_answer_is_served_only_to_who_names_its_target() -> None:
    async def main() -> None:
        answers = answers_in(MemoryStore())
        await cached(ScriptedHandler([of("b/m", "of b")]), answers, "a/m", "b/m")(asked())
        other = ScriptedHandler([of("a/m", "of a")])
        assert (await cached(other, answers, "a/m")(asked())).text == "of a"
        third = await cached(ScriptedHandler([]), answers, "c/m", "b/m", "a/m")(asked())
        assert (third.text, third.target) == ("of b", "b/m")

    run(main())


@pytest.mark.parametrize(
    "completion",
    [
        of(choices=(Choice({"role": "assistant", "content": "cut"}, "length"),)),
        of(choices=(Choice({"role": "assistant", "content": "filtered"}, "content_filter"),)),
        of(choices=(Choice({"role": "assistant", "content": "broken"}, "error"),)),
        of(choices=(Choice({"role": "assistant", "content": "  "}, "stop"),)),
        of(choices=(Choice({"role": "assistant", "content": None, "reasoning_content": "hm"}, "stop"),)),
        of(choices=(Choice({"content": "one"}, "stop"), Choice({"content": ""}, "stop", index=1))),
        of(choices=()),
        of(malformed_events=1),
        of(kind="embedding", choices=()),
        of(cached=True),
    ],
)
def test_what_is_no_whole_answer_isnt_kept(completion: Completion) -> None:
    assert not worth_keeping(completion)


def test_truncated_and_filtered_answers_are_kept_when_told() -> None:
    cut = of(choices=(Choice({"role": "assistant", "content": "cut"}, "length"),))
    assert worth_keeping(cut, ["truncated"])
    assert not worth_keeping(cut, ["filtered"])


@pytest.mark.parametrize(
    "message",
    [{"tool_calls": [{"id": "1"}], "content": None}, {"refusal": "no", "content": None}, {"audio": {"id": "1"}}],
)
def test_a_tool_call_and_a_refusal_are_answers(message: dict[str, Any]) -> None:
    assert worth_keeping(of(choices=(Choice(message, "tool_calls"),)))


def test_a_failure_isnt_kept() -> None:
    async def main() -> None:
        handler = ScriptedHandler([CallError("server_error", "no"), of()])
        ask = cached(handler, answers_in(MemoryStore()))
        with pytest.raises(CallError):
            await ask(asked())
        assert (await ask(asked())).cached is False

    run(main())


STREAM = [Started("m"), TextDelta("he"), TextDelta("llo"), Finished("stop"), UsageUpdate(Usage(1, 2))]


async def streamed(ask: Handler, *, most: int = 99) -> OpenStream:
    reply = await ask(asked(stream=True))
    assert isinstance(reply, OpenStream)
    if not reply.target:
        reply.target = "t/m"
    async with reply:
        async for _ in reply:
            most -= 1
            if not most:
                break
    return reply


def test_a_stream_is_kept_when_it_came_to_its_end_and_served_as_either() -> None:
    async def main() -> None:
        ask = cached(ScriptedHandler([Chunks(STREAM)]), answers_in(MemoryStore()))
        assert not (await streamed(ask)).cached
        whole = await ask(asked())
        assert (whole.text, whole.usage, whole.cached) == ("hello", Usage(1, 2), True)
        again = await ask(asked(stream=True))
        assert isinstance(again, OpenStream)
        assert again.cached
        assert fold([event async for event in again]).text == "hello"

    run(main())


def test_a_stream_that_was_left_or_broke_isnt_kept() -> None:
    async def main() -> None:
        handler = ScriptedHandler([Chunks(STREAM), Chunks([*STREAM[:2], CallError("transport", "cut")]), of()])
        ask = cached(handler, answers_in(MemoryStore()))
        await streamed(ask, most=2)
        with pytest.raises(CallError):
            await streamed(ask)
        assert (await ask(asked())).cached is False

    run(main())


class _Broken(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def get(self, keys: Sequence[bytes]) -> Found | None:
        self.asked += 1
        raise OSError("the disk is gone")

    def put(self, key: bytes, value: bytes) -> None:
        raise OSError("the disk is full")

    async def aclose(self) -> None:
        raise OSError("the disk is gone")


def test_a_store_that_fails_fails_no_call_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        store = _Broken()
        answers = answers_in(store)
        ask = cached(ScriptedHandler(lambda call: of()), answers)
        with caplog.at_level(logging.WARNING, "penstock.cache"):
            for _ in range(5):
                assert (await ask(asked())).text == "hello"
            await answers.aclose(close_store=True)
        assert store.asked == 1
        assert answers.trouble is not None
        assert len([record for record in caplog.records if "read" in record.getMessage()]) == 1

    run(main())


class _Flaky(MemoryStore):
    """Doesn't answer while it `is_down`."""

    is_down = False

    async def get(self, keys: Sequence[bytes]) -> Found | None:
        if self.is_down:
            raise OSError("nobody is there")
        return await super().get(keys)


def test_each_outage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        now_s, store = 0.0, _Flaky()
        answers = answers_in(store, now=lambda: now_s)
        for is_down, told in [(True, 1), (True, 1), (False, 1), (True, 2), (True, 2)]:
            store.is_down = is_down
            now_s += 60.0
            assert await answers.find([b"key"]) is None
            assert len(caplog.records) == told

    run(main())


class _Full(MemoryStore):
    """Writes nothing, and says so late."""

    lost: str | None = None

    async def aclose(self) -> None:
        self.lost = "the disk is full"


def test_what_a_store_lost_is_known_after_it_was_closed() -> None:
    async def main() -> None:
        answers = answers_in(_Full())
        ask = cached(ScriptedHandler([of()]), answers)
        await ask(asked())
        await answers.aclose(close_store=True)
        assert answers.trouble == "the disk is full"

    run(main())


def test_a_store_that_cant_be_opened_fails_no_call() -> None:
    def refuse() -> MemoryStore:
        raise OSError("no such place")

    async def main() -> None:
        answers = Answers(refuse, decode=never, raw_says_all=lambda target: False)
        ask = cached(ScriptedHandler([of(), of()]), answers)
        assert (await ask(asked())).text == (await ask(asked())).text == "hello"
        assert answers.trouble == "no such place"

    run(main())


def test_an_entry_that_something_changed_is_a_miss() -> None:
    class Rotten(MemoryStore):
        async def get(self, keys: Sequence[bytes]) -> Found | None:
            found = await super().get(keys)
            return found and Found(found.place, found.value[:-3] + b"xyz")

    async def main() -> None:
        ask = cached(ScriptedHandler([of(), of(text="anew")]), answers_in(Rotten()))
        await ask(asked())
        assert (await ask(asked())).text == "anew"

    run(main())


TOOLS = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}, "extra_content": {"s": "x"}}
WHOLE = Completion(
    choices=(
        Choice({"role": "assistant", "content": "hi", "reasoning_content": "hm"}, "stop", "stop", 0, {"content": [1]}),
        Choice({"role": "assistant", "content": None, "tool_calls": [TOOLS]}, "tool_calls", "tool_calls", 1),
        Choice({"role": "assistant", "content": None, "refusal": "no"}, "stop", "stop", 2),
    ),
    usage=Usage(5, 6, 1, 2),
    model="m-2024",
    id="chatcmpl-1",
    created=7,
)


def test_a_cached_stream_means_what_the_answer_said() -> None:
    assert fold(events_of(WHOLE)) == WHOLE
    assert any(isinstance(event, ToolDelta) for event in events_of(WHOLE))


def test_an_answer_comes_back_as_it_was_kept() -> None:
    kept = of("a/b", request_id="r-1", raw=b"{}", latency_s=4.0, requests_sent=3)
    found = unpack(pack(to_keep(kept, raw_says_all=False)), never)
    assert (found.choices, found.usage, found.raw, found.request_id) == (kept.choices, kept.usage, b"{}", "r-1")
    assert (found.target, found.latency_s, found.requests_sent, found.cached) == ("a/b", 0.0, 0, True)
    assert not kept.cached


@pytest.mark.parametrize("usage", [None, Usage(), Usage(5, 6, 1, 2, 3), Usage(*range(1, 10))])
def test_tokens_come_back_as_they_were_kept(usage: Usage | None) -> None:
    kept = to_keep(msgspec.structs.replace(of(), usage=usage), raw_says_all=True)
    found = read(pack(kept))
    assert found.usage == kept.usage == usage
    assert found.tokens is None or len(found.tokens) == (9 if usage and usage.cache_write_1h_tokens else 5)


@pytest.mark.parametrize("cut", [0, 1, 4, 5, 20])
def test_a_torn_entry_is_no_answer(cut: int) -> None:
    with pytest.raises(ValueError, match="isn't as it was kept"):
        unpack(pack(to_keep(of(), raw_says_all=False))[:cut], never)


def test_what_a_caller_makes_of_an_answer_is_not_kept() -> None:
    completion = of()
    kept = to_keep(completion, raw_says_all=False)
    completion.message["content"] = "something else"
    assert unpack(pack(kept), never).text == "hello"
