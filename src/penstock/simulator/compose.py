"""From what happens to the bytes that show it: an outcome and a wire become a script.

Every fault is one function here. What it breaks is the answer that would have been right, so that nothing but the
fault is wrong with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from penstock.call import Call, Choice, Usage
from penstock.errors import CallError
from penstock.simulator.behaviour import Outcome
from penstock.simulator.content import tokens_in
from penstock.simulator.front import Front
from penstock.simulator.refused import Failed
from penstock.simulator.scenario import Fault, FaultName
from penstock.simulator.script import End, Piece, Script

__all__ = ["NOT_GENERATED", "compose", "compose_error", "spoilt"]

_MEGABYTE: Final = 1024 * 1024
_PADDING: Final = b" " * 65_536
_HTML_HEADERS: Final = {"content-type": "text/html"}
_HTML: Final = (
    b"<html>\r\n<head><title>%d %b</title></head>\r\n<body>\r\n<center><h1>%d %b</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)

NOT_GENERATED: Final[frozenset[FaultName]] = frozenset(
    ("status", "reset", "close", "hang", "empty_body", "html", "error_in_200")
)
"""Faults that strike before the model has written anything: no tokens are counted."""


class _Play(NamedTuple):
    """What a fault works on: the right answer's script in its parts."""

    front: Front
    call: Call
    outcome: Outcome
    headers: dict[str, str]


def spoilt(outcome: Outcome) -> Outcome:
    """The outcome with the answer changed where the fault is one of content: nothing said, cut by a filter, or said in
    another form than was asked for."""
    fault = outcome.fault
    if fault is None or fault.fault not in ("empty_answer", "content_filter", *_REWRITTEN):
        return outcome
    completion = outcome.completion
    choices: list[Choice] = []
    written = 0
    for choice in completion.choices:
        text = choice.message.get("content") or ""
        filtered = fault.fault == "content_filter"
        if (rewrite := _REWRITTEN.get(fault.fault)) is not None:
            kept = rewrite(text, fault)
        else:
            kept = text[: math.floor(len(text) * fault.after)] if filtered else ""
        written += tokens_in(len(kept))
        finish = "content_filter" if filtered else "stop"
        message = {"role": "assistant", "content": kept, "refusal": None}
        choices.append(msgspec.structs.replace(choice, message=message, finish=finish, finish_raw=finish))
    read = completion.usage.input_tokens if completion.usage is not None else 0
    said = msgspec.structs.replace(completion, choices=tuple(choices), usage=Usage(read, written))
    return msgspec.structs.replace(outcome, completion=said)


_REWRITTEN: Final[dict[FaultName, Callable[[str, Fault], str]]] = {
    "unfit_answer": lambda _, fault: fault.message or '{"unexpected":true}',
    "fenced_answer": lambda text, _: f"Here is the answer:\n\n```json\n{text}\n```\n\nAnything else?",
}
"""What is said in place of the answer."""


def compose(front: Front, call: Call, outcome: Outcome, *, headers: dict[str, str]) -> Script:
    """The script of an outcome; `headers` go on every reply that has a header."""
    play = _Play(front, call, outcome, headers)
    fault = outcome.fault
    early = None if fault is None else _EARLY.get(fault.fault)
    if early is not None and fault is not None:
        return early(play, fault)
    return _streamed(play, fault) if call.stream else _whole(play, fault)


def compose_error(front: Front, error: CallError, headers: dict[str, str]) -> Script:
    """An error's status, headers and body, at once."""
    told = {**front.json_headers, **headers, **front.error_headers(error)}
    return _script(error.status or 500, told, front.error(error))


def _script(status: int, headers: dict[str, str], body: bytes) -> Script:
    return Script(status=status, headers=headers, length=len(body), pieces=((0.0, body),) if body else ())


# -- faults that leave nothing of the answer


def _status(play: _Play, fault: Fault) -> Script:
    error = play.front.refused(Failed(fault.status or 503, fault.message, fault.retry_after_s), play.call.model)
    return compose_error(play.front, error, play.headers)


def _html(play: _Play, fault: Fault) -> Script:
    status = fault.status or 502
    phrase = b"Bad Gateway" if status != 200 else b"Welcome"
    headers = {**_HTML_HEADERS, **play.headers}
    if fault.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(fault.retry_after_s))
    return _script(status, headers, _HTML % (status, phrase, status, phrase))


def _error_in_200(play: _Play, fault: Fault) -> Script:
    error = play.front.refused(Failed(500, fault.message), play.call.model)
    script = _script(200, {**play.front.json_headers, **play.headers}, play.front.error(error))
    script.wait_s = play.outcome.first_token_s
    return script


def _empty_body(play: _Play, _fault: Fault) -> Script:
    headers = play.front.stream_headers if play.call.stream else play.front.json_headers
    script = _script(200, {**headers, **play.headers}, b"")
    script.wait_s = play.outcome.first_token_s
    return script


_EARLY: Final[dict[FaultName, Callable[[_Play, Fault], Script]]] = {
    "status": _status,
    "html": _html,
    "error_in_200": _error_in_200,
    "empty_body": _empty_body,
    "reset": lambda play, _: Script(status=0, wait_s=play.outcome.first_token_s, end="reset"),
    "close": lambda play, _: Script(status=0, wait_s=play.outcome.first_token_s, end="close"),
    "hang": lambda _play, _: Script(status=0, end="hang"),
}


# -- whole answers


def _whole(play: _Play, fault: Fault | None) -> Script:
    outcome = play.outcome
    body = play.front.whole(play.call, outcome.completion)
    script = _script(200, {**play.front.json_headers, **play.headers}, body)
    usage = outcome.completion.usage
    script.wait_s = outcome.first_token_s + outcome.token_s * (usage.output_tokens if usage is not None else 0)
    if fault is not None and fault.fault in _SPOIL_WHOLE:
        _SPOIL_WHOLE[fault.fault](script, body, fault)
    return script


def _cut(body: bytes, fault: Fault) -> bytes:
    """The front part of a body, never all of it."""
    return body[: min(len(body) - 1, math.floor(len(body) * fault.after))]


def _cut_body(script: Script, body: bytes, fault: Fault) -> None:
    part = _cut(body, fault)
    script.pieces = ((0.0, part),) if part else ()
    script.end = _CUTS[fault.fault]


def _invalid_json(script: Script, body: bytes, fault: Fault) -> None:
    part = _cut(body, fault) or b"{"
    script.pieces = ((0.0, part),)
    script.length = len(part)


def _oversized_whole(script: Script, body: bytes, fault: Fault) -> None:
    script.pieces = _padded(b"", body, fault.megabytes)
    script.length = len(body) + fault.megabytes * _MEGABYTE


def _padded(before: bytes, after: bytes, megabytes: int) -> Iterator[Piece]:
    """JSON may have any amount of white space before it: valid, and larger than anyone should read."""
    if before:
        yield 0.0, before
    for _ in range(megabytes * _MEGABYTE // len(_PADDING)):
        yield 0.0, _PADDING
    yield 0.0, after


def _drip_whole(script: Script, body: bytes, fault: Fault) -> None:
    script.pieces = _dripping(body, fault)


def _dripping(data: bytes, fault: Fault) -> Iterator[Piece]:
    for start in range(0, len(data), fault.piece_bytes):
        yield fault.interval_s if start else 0.0, data[start : start + fault.piece_bytes]


_CUTS: Final[dict[FaultName, End]] = {"truncated_body": "close", "reset_mid_body": "reset", "hang_mid_body": "hang"}
_SPOIL_WHOLE: Final[dict[FaultName, Callable[[Script, bytes, Fault], None]]] = {
    "truncated_body": _cut_body,
    "reset_mid_body": _cut_body,
    "hang_mid_body": _cut_body,
    "invalid_json": _invalid_json,
    "oversized_body": _oversized_whole,
    "slow_drip": _drip_whole,
}


# -- streams


def _streamed(play: _Play, fault: Fault | None) -> Script:
    outcome = play.outcome
    paced = outcome.token_s > 0.0
    parts = play.front.streamed(play.call, outcome.completion, paced=paced)
    gap_s = outcome.token_s * parts.tokens_per_delta
    pieces: list[Piece] = [(0.0, parts.start)]
    pieces += [(gap_s if number else 0.0, delta) for number, delta in enumerate(parts.deltas)]
    pieces += [(0.0, parts.finish), (0.0, parts.terminator)]
    script = Script(headers={**play.front.stream_headers, **play.headers}, wait_s=outcome.first_token_s)
    if fault is None or fault.fault not in _SPOIL_STREAM:
        script.pieces = _joined(pieces)
    else:
        at = 1 + math.floor(len(parts.deltas) * fault.after)
        script.pieces = _SPOIL_STREAM[fault.fault](_Broken(script, pieces, at, fault, play))
    return script


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Pieces that come at the same time as one, empty ones left out."""
    joined: list[Piece] = []
    for wait_s, data in pieces:
        if not data and not wait_s:
            continue
        if joined and not wait_s:
            joined[-1] = (joined[-1][0], joined[-1][1] + data)
        else:
            joined.append((wait_s, data))
    return joined


class _Broken(NamedTuple):
    """A stream that a fault strikes before its piece number `at`."""

    script: Script
    pieces: list[Piece]
    at: int
    fault: Fault
    play: _Play


def _cut_connection(broken: _Broken) -> Iterable[Piece]:
    broken.script.end = _CUTS[broken.fault.fault]
    kept = broken.pieces[: broken.at]
    if broken.fault.fault == "truncated_body":
        wait_s, event = broken.pieces[broken.at]
        kept = [*kept, (wait_s, event[: len(event) // 2])]
    return _joined(kept)


def _malformed_event(broken: _Broken) -> Iterable[Piece]:
    pieces = list(broken.pieces)
    # The last place is the terminator's: something of the answer is broken, whatever its length.
    at = min(broken.at, len(pieces) - 2)
    pieces[at] = (pieces[at][0], broken.play.front.broken_event)
    return _joined(pieces)


def _stream_error(broken: _Broken) -> Iterable[Piece]:
    play = broken.play
    error = play.front.refused(Failed(500, broken.fault.message), play.call.model)
    return _joined([*broken.pieces[: broken.at], (0.0, play.front.stream_error(play.call, error))])


def _oversized_stream(broken: _Broken) -> Iterable[Piece]:
    data = b"".join(data for _, data in broken.pieces)
    field = b"data:" if data.startswith(b"data:") else b""
    return _padded(field, data[len(field) :], broken.fault.megabytes)


def _dripping_stream(broken: _Broken) -> Iterable[Piece]:
    return _dripping(b"".join(data for _, data in broken.pieces), broken.fault)


_SPOIL_STREAM: Final[dict[FaultName, Callable[[_Broken], Iterable[Piece]]]] = {
    "truncated_body": _cut_connection,
    "reset_mid_body": _cut_connection,
    "hang_mid_body": _cut_connection,
    "cut_stream": lambda broken: _joined(broken.pieces[: broken.at]),
    "no_done": lambda broken: _joined(broken.pieces[:-1]),
    "malformed_event": _malformed_event,
    "stream_error": _stream_error,
    "oversized_body": _oversized_stream,
    "slow_drip": _dripping_stream,
}
