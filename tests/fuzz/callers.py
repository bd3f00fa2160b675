"""Who asks, what and when, how patiently, and who leaves before the end."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

from penstock.call import Call, Kind
from penstock.wiring import Manner, estimate_tokens

__all__ = ["Caller", "caller_of", "draw_callers"]

Leaves = Literal["", "cancel", "timeout"]
_WORDS = ("water", "falls", "through", "gates", "and", "turns", "the", "wheel", "while", "rivers", "keep", "level")
_TOOL = {
    "type": "function",
    "function": {"name": "open_gate", "parameters": {"type": "object", "properties": {"gate": {"type": "string"}}}},
}


@dataclass(frozen=True)
class Caller:
    """One call and the one who waits for it."""

    number: int
    at_s: float
    route: str
    kind: Kind
    body: dict[str, Any]
    stream: bool
    deadline_s: float | None
    """Seconds from its arrival; None: the route's."""
    manner: Manner | None
    priority: int
    leaves: Leaves
    leaves_after_s: float
    closes_after: int | None
    """Events after which a stream's caller has enough."""
    pause_s: float
    """How long a stream's caller thinks about each event."""
    hands_over: bool
    """The stream is read by another task than the one that asked for it."""

    @property
    def is_batch(self) -> bool:
        return self.manner is not None and self.manner.patience == "batch"

    def call(self, now_s: float) -> Call:
        return Call(
            id=f"c{self.number}",
            model=self.route,
            body=self.body,
            kind=self.kind,
            stream=self.stream,
            deadline_s=None if self.deadline_s is None else now_s + self.deadline_s,
            priority=self.priority,
            estimate=estimate_tokens(self.kind, self.body),
        )


def caller_of(body: dict[str, Any]) -> int:
    """The number of the caller whose request this is."""
    prompt = body["messages"][0]["content"] if "messages" in body else body.get("prompt") or body["input"][0]
    return int(prompt.split(" ", 1)[0][1:])


def draw_callers(rng: random.Random, routes: list[str], *, crowd: bool) -> tuple[Caller, ...]:
    """Up to 24 callers, or a crowd of 150."""
    count = 150 if crowd else rng.choice((1, 3, 6, 10, 10, 16, 24))
    span_s = rng.choice((0.0, 0.2, 5.0, 20.0))
    batch_share = rng.choice((0.0, 0.0, 0.3, 1.0))
    stream_share = rng.choice((0.0, 0.5, 1.0))
    leave_share = rng.choice((0.0, 0.2, 0.5))
    return tuple(
        _draw_caller(rng, number, rng.choice(routes), span_s, batch_share, stream_share, leave_share)
        for number in range(count)
    )


def _draw_caller(
    rng: random.Random,
    number: int,
    route: str,
    span_s: float,
    batch_share: float,
    stream_share: float,
    leave_share: float,
) -> Caller:
    kind: Kind = rng.choice(("chat", "chat", "chat", "chat", "completion", "embedding"))
    stream = kind != "embedding" and rng.random() < stream_share
    is_batch = rng.random() < batch_share
    leaves: Leaves = rng.choice(("cancel", "timeout")) if rng.random() < leave_share else ""
    return Caller(
        number=number,
        # Round times, so that things happen in the same instant.
        at_s=round(rng.uniform(0.0, span_s) * 20) / 20,
        route=route,
        kind=kind,
        body=_draw_body(rng, kind, number),
        stream=stream,
        deadline_s=rng.choice((None, None, None, 1.0, 5.0, 30.0))
        if rng.random() < 0.95
        else rng.choice((0.0, -1.0, 0.05)),
        manner=Manner(patience="batch", deadline_s=rng.choice((None, 30.0, 120.0)), else_deadline_s=None)
        if is_batch
        else None,
        priority=int(is_batch),
        leaves=leaves,
        leaves_after_s=rng.choice((0.0, 0.05, 0.5, 1.0, 3.0, round(rng.uniform(0.0, 5.0), 3))),
        closes_after=rng.choice((None, None, None, 0, 1, 3)) if stream else None,
        pause_s=rng.choice((0.0, 0.0, 0.0, 0.02, 1.0)) if stream else 0.0,
        hands_over=stream and rng.random() < 0.2,
    )


def _draw_body(rng: random.Random, kind: Kind, number: int) -> dict[str, Any]:
    words = [rng.choice(_WORDS) for _ in range(rng.choice((1, 5, 40)))]
    if rng.random() < 0.2:
        words.append("poison")
    prompt = " ".join([f"#{number}", *words])
    if kind == "embedding":
        return {"input": [prompt, "and another"]}
    most = {"max_tokens": rng.choice((3, 100, 1000))} if rng.random() < 0.3 else {}
    if kind == "completion":
        return {"prompt": prompt, **most}
    body: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}], **most}
    if rng.random() < 0.1:
        body |= {"tools": [_TOOL], "tool_choice": "required"}
    elif rng.random() < 0.05:
        body["n"] = 2
    return body
