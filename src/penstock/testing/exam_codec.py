"""The exam for wire formats: what every codec promises, tried on seeded samples.

`exercise_codec` runs it all. The `check_*` functions are its questions, one promise each, for tests that bring their
own samples (Hypothesis, recorded replies). Each raises `AssertionError` that names the promise and shows the case.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, get_args

from penstock.call import (
    Call,
    Choice,
    Completion,
    Event,
    Finish,
    Finished,
    Kind,
    Message,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
    UsageUpdate,
)
from penstock.errors import CallError, ErrorKind
from penstock.fold import fold
from penstock.http import WireReply
from penstock.wire.codec import Codec

__all__ = [
    "check_chunking",
    "check_error",
    "check_mutated",
    "check_reply",
    "check_request",
    "check_stream",
    "essence",
    "events_of",
    "exercise_codec",
    "read_stream",
    "sample_call",
    "sample_completion",
    "sample_error",
]

_ALPHABET = string.ascii_letters + ' \n\t{}[]":,\\/é漢🙂\u2028\u0085\x0b'
_ENDINGS: tuple[Finish, ...] = ("stop", "length", "content_filter")


def exercise_codec(
    codec: Codec,
    *,
    kinds: Sequence[Kind] = ("chat", "completion", "embedding"),
    model: str = "some-model",
    seed: int = 0,
    rounds: int = 30,
    most_choices: int = 3,
) -> None:
    """Ask `codec` everything, `rounds` times for each of `kinds`, with samples that `seed` decides.

    `most_choices` is 1 for a wire that gives one answer to a request.
    Raises `AssertionError` at the first broken promise. Takes about 20 ms a round; no I/O.
    """
    rng = random.Random(seed)
    for kind in kinds:
        for _ in range(rounds):
            call = sample_call(rng, kind, model)
            completion = sample_completion(rng, kind, model, most_choices=most_choices)
            check_request(codec, call, model)
            check_reply(codec, call, completion)
            reply = codec.encode_reply(completion)
            for _ in range(5):
                check_mutated(codec, call, _mutated(rng, reply.body))
            if kind != "embedding":
                data = check_stream(codec, call, completion)
                check_chunking(codec, call, data, _cuts(rng, len(data)))
                check_chunking(codec, call, data, range(len(data)))
                check_mutated(codec, call, _mutated(rng, data))
    for kind_ in get_args(ErrorKind):
        check_error(codec, sample_error(rng, kind_))


def check_request(codec: Codec, call: Call, model: str) -> None:
    """What a client asks arrives: decode_request(encode_request(call)) has its kind, model, stream flag and body."""
    for stream in (False, True) if call.kind != "embedding" else (False,):
        request = codec.encode_request(call, model, stream=stream)
        heard = codec.decode_request(request)
        assert heard.kind == call.kind, f"the kind changed on the way: {call.kind} -> {heard.kind}"
        assert heard.model == model, f"the model changed on the way: {model} -> {heard.model}"
        assert heard.stream == stream, f"stream={stream} arrived as {heard.stream}"
        for key, value in call.body.items():
            if key not in ("model", "stream", "stream_options"):
                assert heard.body.get(key) == value, f"{key!r} changed on the way: {value!r} -> {heard.body.get(key)!r}"


def check_reply(codec: Codec, call: Call, completion: Completion) -> None:
    """decode_reply(encode_reply(x)) == x, and `raw` is the body as it came."""
    reply = codec.encode_reply(completion)
    heard = codec.decode_reply(call, reply)
    assert essence(heard) == essence(completion), f"the answer changed on the way:\n{completion}\n{heard}"
    assert heard.raw == reply.body, "raw is not the body that came"


def check_stream(codec: Codec, call: Call, completion: Completion) -> bytes:
    """A streamed answer folds to what the same answer is in one piece. Returns the stream's bytes."""
    encoder = codec.encoder(_asking_for_usage(call), model=completion.model, id=completion.id)
    events = events_of(completion)
    data = b"".join([*(encoder.feed([event]) for event in events), encoder.end()])
    heard, error, malformed = read_stream(codec, call, [data])
    assert error is None, f"a whole stream raised {error!r}"
    folded = fold(heard, call.kind, malformed_events=malformed)
    assert essence(folded) == essence(completion), f"the fold is not the answer:\n{completion}\n{folded}"
    return data


def check_chunking(codec: Codec, call: Call, data: bytes, cuts: Iterable[int]) -> None:
    """A stream read in pieces gives the same events, errors and counts as the stream read at once."""
    whole = read_stream(codec, call, [data])
    edges = [0, *sorted(set(cuts) & set(range(1, len(data)))), len(data)]
    pieces = [data[start:stop] for start, stop in pairwise(edges)]
    cut = read_stream(codec, call, pieces)
    assert cut[0] == whole[0], f"events depend on the network's pieces:\n{whole[0]}\n{cut[0]}"
    assert _verdict(cut[1]) == _verdict(whole[1]), f"errors depend on the network's pieces: {whole[1]!r} {cut[1]!r}"
    assert cut[2] == whole[2], "the count of malformed events depends on the network's pieces"


def check_mutated(codec: Codec, call: Call, data: bytes) -> None:
    """Whatever comes, the client half gives an answer or raises `CallError`, and `classify` always gives one."""
    for status in (200, 429, 500):
        reply = WireReply(status, {"retry-after": data[:20].decode("latin-1"), "x-should-retry": "true"}, data)
        assert isinstance(codec.classify(reply), CallError)
    with suppress(CallError):
        codec.decode_reply(call, WireReply(200, {}, data))
    if call.kind != "embedding":
        read_stream(codec, call, [data])


def check_error(codec: Codec, error: CallError) -> None:
    """classify(encode_error(x)) has x's class, message and wait; and so has an error in the middle of a stream."""
    reply = codec.encode_error(error)
    heard = codec.classify(reply)
    assert reply.status >= 400, f"{error.kind} went out with status {reply.status}"
    assert heard.kind == error.kind, f"the class changed on the way: {error.kind} -> {heard.kind}"
    assert heard.message == error.message, f"the message changed on the way: {error.message!r} -> {heard.message!r}"
    if error.kind == "rate_limited" and error.retry_after_s is not None:
        assert heard.retry_after_s is not None, "the wait was lost on the way"
        assert abs(heard.retry_after_s - error.retry_after_s) <= 1.0, f"the wait became {heard.retry_after_s} s"
    call = Call(id="exam", model="m", body={"messages": [{"role": "user", "content": "?"}]}, stream=True)
    encoder = codec.encoder(call, model="m", id="exam")
    data = encoder.feed([Started("m", "exam"), TextDelta("half an ans")]) + encoder.fail(error)
    events, failed, _ = read_stream(codec, call, [data])
    assert failed is not None, "an error in the middle of a stream went by unseen"
    assert failed.kind == error.kind, f"the class changed in the stream: {error.kind} -> {failed.kind}"
    assert failed.partial == "half an ans", f"the partial text became {failed.partial!r}"
    assert TextDelta("half an ans") in events, "what came before the error was lost"


def read_stream(codec: Codec, call: Call, pieces: Iterable[bytes]) -> tuple[list[Event], CallError | None, int]:
    """All events of a stream as an endpoint reads it, how it failed, and how many events were skipped."""
    decoder = codec.decoder(call)
    events: list[Event] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
            if decoder.done:
                break
        events += decoder.end()
    except CallError as error:
        return events, error, decoder.malformed_events
    return events, None, decoder.malformed_events


def essence(completion: Completion) -> tuple[Any, ...]:
    """What an answer says, without what one wire has and another hasn't: the part that every way must keep."""
    return (
        completion.kind,
        completion.model,
        completion.usage,
        [(choice.index, _ending(choice), _said(choice.message)) for choice in completion.choices],
        [[round(x, 5) for x in vector] for vector in completion.vectors],
        completion.malformed_events,
    )


def _ending(choice: Choice) -> str:
    """A refusal is a full stop to one provider and a filter to another."""
    return "refusal" if choice.message.get("refusal") else choice.finish


def _said(message: Message) -> tuple[Any, ...]:
    calls = message.get("tool_calls") or []
    return (
        message.get("content") or "",
        message.get("reasoning_content") or message.get("reasoning") or "",
        message.get("refusal") or "",
        [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls],
    )


def events_of(completion: Completion) -> list[Event]:
    """The stream that this answer could have come in: several choices take turns."""
    events: list[Event] = [Started(completion.model, completion.id, completion.created)]
    turns = [_events_of_choice(choice) for choice in completion.choices]
    while any(turns):
        events += [turn.pop(0) for turn in turns if turn]
    if completion.usage is not None:
        events.append(UsageUpdate(completion.usage))
    return events


def _events_of_choice(choice: Choice) -> list[Event]:
    message, at = choice.message, choice.index
    events: list[Event] = []
    makes: dict[str, Callable[[str, int], Event]] = {
        "reasoning_content": ReasoningDelta,
        "content": TextDelta,
        "refusal": RefusalDelta,
    }
    for key, make in makes.items():
        events += [make(piece, at) for piece in _pieces(message.get(key) or "")]
    for index, call in enumerate(message.get("tool_calls") or []):
        function = call["function"]
        events.append(ToolDelta(index, call["id"], function["name"], "", at))
        events += [ToolDelta(index, arguments=piece, choice=at) for piece in _pieces(function["arguments"])]
    return [*events, Finished(choice.finish, choice.finish_raw, at)]


def _pieces(text: str) -> list[str]:
    size = max(1, len(text) // 3)
    return [text[start : start + size] for start in range(0, len(text), size)]


def sample_call(rng: random.Random, kind: Kind, model: str) -> Call:
    """A call of `kind`; chat has a tool, text has odd characters."""
    text = _text(rng)
    bodies: dict[Kind, dict[str, Any]] = {
        "chat": {"messages": [{"role": "system", "content": _text(rng)}, {"role": "user", "content": text}]},
        "completion": {"prompt": text},
        "embedding": {"input": [text, _text(rng)]},
    }
    body = bodies[kind]
    if kind != "embedding":
        body |= {"temperature": rng.choice([0, 0.5, 1]), "stop": ["\n\n"]}
    return Call(id="exam", model=model, body=body, kind=kind)


def sample_completion(rng: random.Random, kind: Kind, model: str, *, most_choices: int = 3) -> Completion:
    """An answer of `kind` with every part that the neutral form has."""
    usage = Usage(rng.randrange(1, 1000), rng.randrange(100, 1000), rng.randrange(2), rng.randrange(100))
    if kind == "embedding":
        vectors = tuple([[rng.randrange(-8, 8) / 8 for _ in range(4)] for _ in range(2)])
        return Completion(kind=kind, vectors=vectors, usage=Usage(usage.input_tokens), model=model, id="exam")
    count = min(rng.choice([1, 1, 2, 3]), most_choices)
    choices = tuple([_sample_choice(rng, kind, index) for index in range(count)])
    return Completion(kind=kind, choices=choices, usage=usage, model=model, id="exam", created=1_700_000_000)


def _sample_choice(rng: random.Random, kind: Kind, index: int) -> Choice:
    message: Message = {"role": "assistant", "content": _text(rng)}
    finish = rng.choice(_ENDINGS)
    if kind == "chat":
        if rng.random() < 0.3:
            message["reasoning_content"] = _text(rng)
        if rng.random() < 0.2:
            message |= {"content": None, "refusal": _text(rng)}
            finish = "stop"
        elif rng.random() < 0.4:
            message["tool_calls"] = [_sample_tool(rng, number) for number in range(rng.choice([1, 2]))]
            finish = "tool_calls"
    return Choice(message, finish, finish, index)


def _sample_tool(rng: random.Random, number: int) -> dict[str, Any]:
    function = {"name": f"tool_{rng.randrange(3)}", "arguments": '{"text": "x"}'}
    return {"id": f"call_{number}_{rng.randrange(99)}", "type": "function", "function": function}


def sample_error(rng: random.Random, kind: ErrorKind) -> CallError:
    """An error of class `kind`; one in two says how long to wait."""
    wait = rng.choice([None, rng.randrange(1, 60) / 2])
    return CallError(kind, f"this is a {kind.replace('_', ' ')} error", retry_after_s=wait)


def _text(rng: random.Random) -> str:
    return "".join(rng.choices(_ALPHABET, k=rng.randrange(1, 40)))


def _cuts(rng: random.Random, size: int) -> list[int]:
    return [rng.randrange(size) for _ in range(rng.randrange(1, 8))] if size else []


def _mutated(rng: random.Random, data: bytes) -> bytes:
    """`data` with a byte changed, a part cut out or doubled, or the end missing."""
    if not data:
        return data
    at, to = sorted(rng.randrange(len(data)) for _ in range(2))
    ways: list[Callable[[], bytes]] = [
        lambda: data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :],
        lambda: data[:at] + data[to:],
        lambda: data[:to] + data[at:],
        lambda: data[:at],
    ]
    return rng.choice(ways)()


def _asking_for_usage(call: Call) -> Call:
    body = {**call.body, "stream": True, "stream_options": {"include_usage": True}}
    return Call(id=call.id, model=call.model, body=body, kind=call.kind, stream=True)


def _verdict(error: CallError | None) -> tuple[Any, ...] | None:
    return None if error is None else (error.kind, error.message, error.code, error.partial)
