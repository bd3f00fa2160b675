"""Single inputs to embed, packed into one request and parted again: each caller has its own vector or error."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import msgspec

from penstock.call import Attempt, Call, Completion, Reply, Usage, cost_of
from penstock.clock import Clock, Timer
from penstock.errors import BudgetExceeded, DeadlineExceeded, InputError, PenstockError, Unanswered
from penstock.handler import Handler
from penstock.splitting import EmbeddingLimit

__all__ = ["Packer", "Packing", "parts_of_count", "shared"]

_AT_ONCE: Final = 32
_REFUSED_ALL: Final = 31
"""A request, its halves, quarters, eighths and sixteenths."""
_OF_AN_INPUT: Final = frozenset(("bad_request", "content_filtered", "context_too_long", "too_big_for_limit"))
"""Errors that one input may be the reason of."""
_GRACE_S: Final = 0.1
"""So long a request whose own deadline passes has to say why."""

_sorted_json = msgspec.json.Encoder(order="deterministic").encode


def parts_of_count(total: int, weights: Sequence[int]) -> list[int]:
    """A share of `total` for each weight, in proportion, off by less than one, and never one more or less in all."""
    whole = sum(weights)
    sums = [0, *itertools.accumulate(weights)]
    return [total * after // whole - total * before // whole for before, after in pairwise(sums)]


def shared(usage: Usage | None, weights: Sequence[int]) -> list[Usage | None]:
    """The tokens of each by its weight; they add up to `usage`."""
    if usage is None:
        return [None] * len(weights)
    counts = [
        parts_of_count(count, weights) if count else [0] * len(weights) for count in msgspec.structs.astuple(usage)
    ]
    return [Usage(*own) for own in zip(*counts, strict=True)]


@dataclass(frozen=True, slots=True)
class Packing:
    """How inputs are packed: at most `max_size` in a request, and none waits longer than `max_wait_s` for others."""

    max_size: int
    max_wait_s: float


@dataclass(slots=True, eq=False)
class _Item:
    """One input, and who waits for it. `before` are the requests that were refused with it."""

    call: Call
    text: Any
    weight: int
    waiter: asyncio.Future[Completion]
    before: tuple[Attempt, ...] = ()
    sent: int = 0


@dataclass(slots=True, eq=False)
class _Window:
    """Inputs that will be asked together. `alive` counts those that somebody still waits for."""

    items: list[_Item] = field(default_factory=list)
    weight: int = 0
    alive: int = 0
    due_s: float = 0.0
    latest_s: float = 0.0
    """The last deadline of its inputs'."""
    timer: Timer | None = None
    task: asyncio.Task[None] | None = None


class Packer:
    """A handler of calls with one input each, which it asks of `inner` in requests of many.

    Calls share a request where nothing but the input, the deadline and the id differs. A request's deadline is the
    latest of its calls'; each call ends at its own. A request that is refused for what is in it is halved and asked
    again, until the input is alone that is refused; when thirty-one requests of a window were refused and no input was
    answered, it isn't the input, and all of them are. Requests are sent with the cache off.
    """

    def __init__(self, inner: Handler, packing: Packing, clock: Clock, *, limit: EmbeddingLimit | None = None) -> None:
        limit = limit or EmbeddingLimit()
        self._inner = inner
        self._packing = packing
        self._clock = clock
        self._most = min(packing.max_size, limit.inputs or packing.max_size)
        self._heaviest = limit.tokens
        self._limit = limit
        self._windows: dict[tuple[Any, ...], _Window] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._ends = False

    async def __call__(self, call: Call) -> Reply:
        (text,) = call.body["input"]
        item = _Item(call, text, self._limit.weight_of(text), asyncio.get_running_loop().create_future())
        timer = None
        window = self._enter(item)
        if call.deadline_s is not None:
            window.latest_s = max(window.latest_s, call.deadline_s)
            timer = self._clock.call_later(call.deadline_s - self._clock.now(), lambda: self._late(item, window))
        try:
            return await item.waiter
        finally:
            if timer is not None:
                timer.cancel()
            self._leave(window)

    def flush(self) -> None:
        """Send what waits, and from now on let nothing wait."""
        self._ends = True
        for key in list(self._windows):
            self._send(key)

    # Into a window, and out of it.

    def _enter(self, item: _Item) -> _Window:
        key = _key(item.call)
        window = self._windows.get(key)
        if window is not None and self._heaviest is not None and window.weight + item.weight > self._heaviest:
            self._send(key)
            window = None
        now_s = self._clock.now()
        wait_s = 0.0 if self._ends else self._packing.max_wait_s
        if item.call.deadline_s is not None:
            # Half of what time it has is left for the answer.
            wait_s = max(0.0, min(wait_s, (item.call.deadline_s - now_s) / 2))
        if window is None:
            window = self._windows[key] = _Window()
            self._arm(key, window, now_s, wait_s)
        elif now_s + wait_s < window.due_s:
            self._arm(key, window, now_s, wait_s)
        window.items.append(item)
        window.weight += item.weight
        window.alive += 1
        if len(window.items) >= self._most:
            self._send(key)
        return window

    def _arm(self, key: tuple[Any, ...], window: _Window, now_s: float, wait_s: float) -> None:
        if window.timer is not None:
            window.timer.cancel()
        window.due_s = now_s + wait_s
        window.timer = self._clock.call_later(wait_s, lambda: self._send(key))

    def _send(self, key: tuple[Any, ...]) -> None:
        window = self._windows.pop(key)
        if window.timer is not None:
            window.timer.cancel()
        window.task = asyncio.get_running_loop().create_task(self._ask_all(window))

    def _late(self, item: _Item, window: _Window) -> None:
        deadline_s = item.call.deadline_s
        if window.task is not None and deadline_s is not None and deadline_s >= window.latest_s:
            # The request has this deadline too, and its error tells the attempts.
            self._clock.call_later(_GRACE_S, lambda: _too_late(item))
        else:
            _too_late(item)

    def _leave(self, window: _Window) -> None:
        window.alive -= 1
        if not window.alive and window.task is not None:
            window.task.cancel()  # nobody waits for it any more; harmless when it is over

    # From a window to answers.

    async def _ask_all(self, window: _Window) -> None:
        try:
            parts, refused, is_answered = [window.items], 0, False
            while parts:
                errors = await self._asked(parts)
                rest: list[list[_Item]] = []
                for part, error in zip(parts, errors, strict=True):
                    refused += error is not None
                    is_answered = is_answered or error is None
                    if error is None:
                        continue
                    if len(part) == 1 or not _is_of_an_input(error):
                        _fail(part, error)
                    else:
                        rest += [part[: len(part) // 2], part[len(part) // 2 :]]
                if rest and refused >= _REFUSED_ALL and not is_answered:
                    error = next(error for error in errors if error is not None)
                    _fail([item for part in rest for item in part], error)
                    return
                parts = rest
        except Exception as error:  # noqa: BLE001 - a fault of ours is raised where the answers are awaited
            _fail(window.items, error)
        except BaseException:
            _fail(window.items, PenstockError("the client was closed while the call was running"))
            raise

    async def _asked(self, parts: Sequence[list[_Item]]) -> list[PenstockError | None]:
        if len(parts) == 1:
            return [await self._ask(parts[0])]
        tasks = [asyncio.ensure_future(self._ask(part)) for part in parts]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _ask(self, part: list[_Item]) -> PenstockError | None:
        """Ask for those that somebody waits for, and hand their vectors over; or why there are none."""
        async with self._turns:
            part[:] = [item for item in part if not item.waiter.done()]
            if not part:
                return None
            try:
                reply = await self._inner(_joined(part))
            except PenstockError as error:
                if isinstance(error, Unanswered):
                    _note(part, error)
                return error
        assert isinstance(reply, Completion), "vectors are never streamed"
        if len(reply.vectors) != len(part):
            return PenstockError(f"{reply.target}: {len(reply.vectors)} vectors came for {len(part)} inputs")
        for item, own in zip(part, _parted(reply, part), strict=True):
            if not item.waiter.done():
                item.waiter.set_result(own)
        return None


def _key(call: Call) -> tuple[Any, ...]:
    """Calls of one key may share a request."""
    try:
        rest = b"" if len(call.body) == 1 else _sorted_json({**call.body, "input": None})
    except TypeError as error:
        raise InputError(f"the request is no JSON: {error}") from None
    # Providers take texts or token ids, not both in one request.
    is_text = isinstance(call.body["input"][0], str)
    return call.model, is_text, call.deadline_s is None, call.priority, tuple(call.tags.items()), rest


def _joined(part: Sequence[_Item]) -> Call:
    first = part[0].call
    deadlines = [item.call.deadline_s for item in part if item.call.deadline_s is not None]
    return msgspec.structs.replace(
        first,
        body={**first.body, "input": [item.text for item in part]},
        deadline_s=max(deadlines, default=None),
        estimate=sum(item.call.estimate for item in part),
        cache="off",
        sample="",
    )


def _parted(whole: Completion, part: Sequence[_Item]) -> Iterator[Completion]:
    weights = [item.weight for item in part]
    usages = shared(whole.usage, weights)
    attempts = _attempts_of(whole.attempts, weights)
    everything = sum(weights)
    for item, vector, usage, own in zip(part, whole.vectors, usages, attempts, strict=True):
        cost = None if whole.cost_usd is None else whole.cost_usd * item.weight / everything
        before = cost_of(item.before)
        yield Completion(
            kind="embedding",
            vectors=(vector,),
            usage=usage,
            model=whole.model,
            id=whole.id,
            created=whole.created,
            request_id=whole.request_id,
            target=whole.target,
            attempts=(*item.before, *own),
            requests_sent=item.sent + whole.requests_sent,
            latency_s=whole.latency_s,
            cost_usd=None if cost is None or before is None else cost + before,
        )


def _attempts_of(attempts: Sequence[Attempt], weights: Sequence[int]) -> list[tuple[Attempt, ...]]:
    """The attempts as each input's own: the times are those of all, tokens and cost its share."""
    everything = sum(weights)
    own: list[list[Attempt]] = [[] for _ in weights]
    for attempt in attempts:
        for place, usage in enumerate(shared(attempt.usage, weights)):
            cost = None if attempt.cost_usd is None else attempt.cost_usd * weights[place] / everything
            own[place].append(msgspec.structs.replace(attempt, usage=usage, cost_usd=cost))
    return [tuple(each) for each in own]


def _note(part: Sequence[_Item], error: Unanswered) -> None:
    for item, own in zip(part, _attempts_of(error.attempts, [item.weight for item in part]), strict=True):
        item.before += own
        item.sent += error.requests_sent


def _fail(items: Sequence[_Item], error: Exception) -> None:
    for item in items:
        if item.waiter.done():
            continue
        own = copy.copy(error)  # raised in many places, each with a traceback of its own
        if isinstance(own, Unanswered):
            own.attempts, own.requests_sent = item.before, item.sent
        if not isinstance(own, PenstockError):
            own.__cause__ = error  # where it was raised
        item.waiter.set_exception(own)


def _is_of_an_input(error: PenstockError) -> bool:
    if isinstance(error, BudgetExceeded):
        return True  # what is left may do for some of them
    return isinstance(error, Unanswered) and error.kind in _OF_AN_INPUT


def _too_late(item: _Item) -> None:
    if not item.waiter.done():
        message = "the deadline passed before the request that the input was packed into was answered"
        item.waiter.set_exception(DeadlineExceeded(message, item.before, requests_sent=item.sent))
