"""Answers that came as a stream have no body: OUT, the journal and a resume must not notice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.batch.given import item
from tests.crash.given import lines, penstock, questions, simulator, text_of

from penstock.batch.export import write_outputs
from penstock.batch.items import Item
from penstock.batch.journal import Journal
from penstock.batch.reader import open_run
from penstock.batch.runner import Limits, Runner, Tally
from penstock.batch.sink import JournalSink
from penstock.batch.window import Window
from penstock.call import (
    Call,
    Completion,
    Event,
    Finished,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
    UsageUpdate,
)
from penstock.clock import LoopClock
from penstock.config import parse_config
from penstock.fold import fold
from penstock.handler import Handler
from penstock.testing import run
from penstock.wiring import Engine, build

BEGUN = Started("model-1", "chatcmpl-1", 1_700_000_000)
SPENT = UsageUpdate(Usage(10, 7, cached_tokens=2, reasoning_tokens=3))
LOGPROBS = {"content": [{"token": "yes", "logprob": -0.1, "bytes": None, "top_logprobs": []}]}
STREAMS: dict[str, list[Event]] = {
    "text": [TextDelta("The moon "), TextDelta("is big."), Finished("stop", "stop")],
    "tool calls": [
        ToolDelta(0, "call_a", "find", '{"q":'), ToolDelta(0, arguments='"moon"}'), ToolDelta(1, "call_b", "now", "{}"),
        Finished("tool_calls", "tool_calls"),
    ],
    "text and a tool call": [TextDelta("Let me see."), ToolDelta(0, "c", "find", "{}"), Finished("tool_calls", "stop")],
    "refusal": [RefusalDelta("I would rather "), RefusalDelta("not."), Finished("stop", "stop")],
    "logprobs": [TextDelta("yes", logprobs=LOGPROBS), Finished("stop", "stop")],
    "reasoning": [ReasoningDelta("How big"), ReasoningDelta(" is it?"), TextDelta("Big."), Finished("stop", "stop")],
    "two choices": [TextDelta("a"), TextDelta("b", 1), Finished("stop", "stop"), Finished("length", "length", 1)],
    "cut short with nothing said": [Finished("length", "length")],
    "filtered": [TextDelta("Well"), Finished("content_filter", "content_filter")],
    "an image": [PartDelta({"images": [{"type": "image_url", "index": 0}]}), Finished("stop", "stop")],
    "no ending that anyone knows": [TextDelta("so"), Finished("unknown", None)],
    "another script and quotes": [TextDelta('月\u2028"\\\n\x00'), Finished("stop", "stop")],
}  # fmt: skip


def streamed(events: list[Event], *, usage: bool = True) -> Completion:
    completion = fold([BEGUN, *events, *([SPENT] if usage else [])])
    completion.target, completion.requests_sent, completion.request_id = "openai/model-1", 1, "req_1"
    return completion


def engine() -> Engine:
    return build(parse_config({"providers": {"openai": {"api_key": "sk-test-not-a-key"}}}, environ={}))


def answered(
    folder: Path, completions: list[Completion], *, key: Callable[[int], bytes | None] = lambda _: None
) -> Path:
    """OUT of a run whose handler gives these."""
    made, out = engine(), folder / "out.jsonl"

    async def handler(call: Call) -> Completion:
        return completions[int(call.id.removeprefix("id-"))]

    async def main() -> None:
        with Journal(folder / "out.jsonl.penstock") as journal:
            journal.remember(id="run", created_s=1.0, input="in.jsonl", output=str(out), total=len(completions))
            journal.begin_session()
            sink = JournalSink(journal, made.encode, in_flight=lambda: 0, on_error=lambda error: None)
            items: list[Item] = [item(n, key=key(n)) for n in range(len(completions))]
            asked: Handler = handler
            runner = Runner(
                iter(items),
                lambda _: asked,
                sink,
                clock=LoopClock(),
                window=Window(4, 4),
                limits=Limits(),
                tally=Tally(),
            )
            await runner.run()
            write_outputs(out, journal.items(), run_id="run")
            journal.end_session(stopped=None, exit_code=0)

    run(main())
    return out


@pytest.mark.parametrize("name", STREAMS)
def test_what_the_journal_holds_is_decoded_to_the_same_answer(tmp_path: Path, name: str) -> None:
    completion = streamed(STREAMS[name])
    answered(tmp_path, [completion])
    with open_run(tmp_path / "out.jsonl") as opened:
        (stored,) = opened.outcomes()
    again = engine().decode("chat", stored.target, stored.body)
    assert [choice.message for choice in again.choices] == [choice.message for choice in completion.choices]
    assert [choice.finish for choice in again.choices] == [choice.finish for choice in completion.choices]
    assert [choice.logprobs for choice in again.choices] == [choice.logprobs for choice in completion.choices]
    assert (again.usage, again.model, again.id, again.created) == (
        completion.usage, completion.model, completion.id, completion.created,
    )  # fmt: skip
    assert (stored.request_id, stored.status) == ("req_1", _STATUS.get(name, "success"))


_STATUS = {"cut short with nothing said": "truncated", "two choices": "truncated", "filtered": "filtered"}


def test_out_holds_openais_object(tmp_path: Path) -> None:
    (line,) = lines(answered(tmp_path, [streamed(STREAMS["tool calls"])]))
    body: dict[str, Any] = line["response"]["body"]
    assert (body["object"], body["id"], body["model"]) == ("chat.completion", "chatcmpl-1", "model-1")
    assert body["choices"][0]["finish_reason"] == "tool_calls"
    assert [call["function"]["name"] for call in body["choices"][0]["message"]["tool_calls"]] == ["find", "now"]
    assert body["usage"] == {
        "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 3},
    }  # fmt: skip
    assert line["response"]["request_id"] == "req_1"


def test_a_usage_that_nobody_told_stays_untold(tmp_path: Path) -> None:
    (line,) = lines(answered(tmp_path, [streamed(STREAMS["text"], usage=False)]))
    assert "usage" not in line["response"]["body"]
    assert line["penstock"]["usage"] is None


def test_equal_rows_share_the_body_that_was_made_for_the_first(tmp_path: Path) -> None:
    out = answered(tmp_path, [streamed(STREAMS["text"])] * 3, key=lambda _: b"same")
    assert {text_of(line) for line in lines(out)} == {"The moon is big."}
    assert [line["penstock"]["attempts"] for line in lines(out)].count(0) == 2


def test_the_body_is_made_beside_the_loop(tmp_path: Path) -> None:
    threads = []

    def encode(completion: Completion) -> bytes:
        threads.append(threading.current_thread().name)
        return engine().encode(completion)

    async def main() -> None:
        with Journal(tmp_path / "out.jsonl.penstock") as journal:
            journal.begin_session()
            sink = JournalSink(journal, encode, in_flight=lambda: 0, on_error=lambda error: None)
            sink.answered(item(0), streamed(STREAMS["text"]))
            await sink.close()

    run(main())
    assert threads == ["penstock-journal"]


@pytest.mark.parametrize("more", [(), ("--unordered",)], ids=["in order", "as they come"])
def test_a_run_with_a_deadline_keeps_its_contract(tmp_path: Path, more: tuple[str, ...]) -> None:
    source, out = questions(tmp_path / "in.jsonl", 20), tmp_path / "out.jsonl"
    words = ("run", source, "-o", out, "-m", "openai/x", "--deadline", "30s", *more)
    with simulator({"models": {"*": {"ttft_s": 0.02, "output_tokens": 30}}}) as sim:
        assert penstock(sim, *words).returncode == 0
        first = out.read_bytes()
        bodies = [line["response"]["body"] for line in lines(out)]
        assert {body["object"] for body in bodies} == {"chat.completion"}
        assert all(body["id"] and body["usage"]["total_tokens"] for body in bodies)
        assert all(line["response"]["request_id"] for line in lines(out))
        assert penstock(sim, *words).returncode == 0
        assert len(sim.ledger()) == 20
    assert sorted(first.splitlines()) == sorted(out.read_bytes().splitlines())
    exported = penstock(None, "export", out, "-o", "-").stdout.splitlines()
    assert sorted(map(json.loads, exported), key=str) == sorted(lines(out), key=str)
    assert penstock(None, "report", out).returncode == 0


def test_a_stream_of_answers_on_stdout_has_bodies_too(tmp_path: Path) -> None:
    with simulator({"models": {"*": {"ttft_s": 0.02}}}) as sim:
        source = questions(tmp_path / "in.jsonl", 3)
        done = penstock(sim, "run", source, "-o", "-", "-m", "openai/x", "--deadline", "30s", "--quiet")
    assert {json.loads(line)["response"]["body"]["object"] for line in done.stdout.splitlines()} == {"chat.completion"}
