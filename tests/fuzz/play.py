"""Plays a schedule: the whole engine on virtual time, and everything that can be seen of it from outside."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import signal
import warnings
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.fuzz.callers import Caller
from tests.fuzz.wires import Sent, WatchedTransport
from tests.fuzz.worlds import World

from penstock.call import Completion
from penstock.clock import Clock
from penstock.config import parse_config
from penstock.errors import Unanswered
from penstock.fold import Fold
from penstock.handler import Handler, OpenStream
from penstock.policies.breaker import Breaker
from penstock.testing import VirtualLoop
from penstock.wiring import build

__all__ = ["End", "Livelock", "Story", "play"]

_T = TypeVar("_T")

_GRACE_S = 0.1
"""After everyone has ended, before anybody looks what is left."""
_MOST_CPU_S = 5.0
_MOST_TURNS = 300_000


class Livelock(KeyboardInterrupt):
    """It turns and turns, and nothing comes of it. Any other kind of error a loop hands to its handler, and goes on."""


@dataclass
class End:
    """How it ended for one caller."""

    caller: Caller
    began_s: float
    ended_s: float = 0.0
    how: str = "unheard"
    """`answered`, `unanswered`, `cancelled`, `timeout`, `left` (had enough of its stream), or `error`."""
    completion: Completion | None = None
    """Of a stream: what its events came to."""
    stream: OpenStream | None = None
    error: BaseException | None = None
    waits: list[tuple[float, float]] = field(default_factory=list)
    """From when to when the engine was waited for; between two of them a stream's caller thinks."""
    ends: int = 0
    cancelling: int = 0
    """Cancellations of the caller's task that nobody took back, although nobody but the engine asked for them."""


@dataclass
class Story:
    """What happened."""

    world: World
    sent: list[Sent] = field(default_factory=list)
    ends: dict[int, End] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    remains: list[str] = field(default_factory=list)
    """What was left over when all callers had ended."""
    crash: BaseException | None = None
    served: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By host: requests in its ledger, and connections that it refused."""
    opened: dict[str, int] = field(default_factory=dict)
    """By target: how often its breaker opened."""
    stats: Any = None
    """The engine's own counts."""

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.log).encode()).hexdigest()[:16]


class _Loop(VirtualLoop):
    """Virtual time that notices when it stands still for ever."""

    def __init__(self, *, seed: int) -> None:
        super().__init__(seed=seed)
        self._turns = 0

    def _run_once(self) -> None:
        self._turns += 1
        if self._turns > _MOST_TURNS:
            raise Livelock(f"{_MOST_TURNS} turns of the loop, and it is {self.time():g} s")
        super()._run_once()  # type: ignore[misc]


def play(world: World) -> Story:
    """The story of a world. What goes wrong is told in it, never raised."""
    story = Story(world)
    loop = _Loop(seed=world.seed)
    lost: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: lost.append(context))
    asyncio.set_event_loop(loop)
    with _warnings_heard(story), _bounded():
        try:
            loop.run_until_complete(_Play(story, loop).run())
        except BaseException as error:  # noqa: BLE001 - whatever it was, it is what this schedule came to
            story.crash = error
        finally:
            story.remains += _torn_down(loop)
            asyncio.set_event_loop(None)
            loop.close()
    for context in lost:
        story.remains.append(f"lost: {context['message']} {context.get('exception')!r}")
    return story


@contextmanager
def _bounded() -> Iterator[None]:
    """Processor time for one schedule, far more than it takes: code that never returns to the loop stops too."""

    def stop(*_: object) -> None:
        raise Livelock(f"{_MOST_CPU_S:g} s without an end")

    former = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _MOST_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, former)


@contextmanager
def _warnings_heard(story: Story) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield
    story.remains += [f"warned: {warning.message}" for warning in heard]


def _torn_down(loop: VirtualLoop) -> list[str]:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    try:
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    except BaseException as error:  # noqa: BLE001 - told, not raised
        return [f"torn down with {error!r}"]
    return []


class _Play:
    def __init__(self, story: Story, loop: _Loop) -> None:
        self._story = story
        self._world = story.world
        self._loop = loop
        self._transports: dict[str, WatchedTransport] = {}
        self._engine = build(
            parse_config(self._world.config(), environ={}),
            rng=random.Random(self._world.seed),
            transports=self._open,
        )

    def _note(self, who: str, what: str) -> None:
        self._story.log.append(f"{self._loop.time():.6f} {who} {what}")

    def _open(self, name: str, clock: Clock) -> WatchedTransport:
        opened = self._transports[name] = WatchedTransport(
            self._world.hosts[name], clock, seed=self._world.seed, sent=self._story.sent, note=self._note
        )
        return opened

    async def run(self) -> None:
        engine, loop = self._engine, self._loop
        for at_s, by_s in self._world.jumps:
            loop.call_at(at_s, self._jump, by_s)
        for at_s, name in self._world.rotations:
            loop.call_at(at_s, self._rotate, name)
        tasks: list[asyncio.Task[None]] = []
        with _told(self._note):
            for caller in self._world.callers:
                tasks.append(loop.create_task(self._arrive(caller), name=f"c{caller.number}"))
            await asyncio.wait(tasks)
            ended_s = loop.time()
            await asyncio.sleep(_GRACE_S)
            self._story.remains += self._left_over(tasks, ended_s)
        self._story.stats = engine.stats()
        for name, transport in self._transports.items():
            self._story.served[name] = (transport.ledger.served, transport.refused)
        await engine.aclose()

    def _jump(self, by_s: float) -> None:
        self._note("clock", f"leaps {by_s:g} s")
        self._loop.advance(by_s)

    def _rotate(self, name: str) -> None:
        good = self._world.hosts[name].good_keys
        if good:
            self._note(name, "has new keys")
            self._engine.keys(name).replace(good)

    def _left_over(self, tasks: list[asyncio.Task[None]], ended_s: float) -> list[str]:
        """What is still there although nobody waits for anything."""
        left = []
        others = asyncio.all_tasks() - {asyncio.current_task()}
        left += [f"a task is left: {task!r}" for task in others]
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                left.append(f"{task.get_name()} raised {error!r}")
        left += [
            f"request {sent.number} of c{sent.caller} is open" for sent in self._story.sent if sent.ended_s is None
        ]
        left += [
            f"request {sent.number} was sent after everyone had ended"
            for sent in self._story.sent
            if sent.at_s > ended_s
        ]
        for route in self._world.routes:
            for one in self._engine.targets(route):
                breaker = one.breaker
                assert isinstance(breaker, Breaker)
                self._story.opened[one.name] = breaker.opened
                if breaker.in_flight or breaker.silent_in_flight:
                    left.append(f"{one.name}: {breaker!r} when nothing runs")
        stats = self._engine.stats()
        for name, target in stats.targets.items():
            held = target.saturation.in_flight, target.saturation.waiting
            if held != (0, 0):
                left.append(f"{name}: {held[0]} permits are out, {held[1]} wait in line")
        if stats.waiting:
            left.append(f"{stats.waiting} calls are said to wait")
        for generator in list(self._loop._asyncgens):  # type: ignore[attr-defined]
            if generator.ag_frame is not None:
                left.append(f"a generator is open: {generator!r}")
        return left

    # One caller.

    async def _arrive(self, caller: Caller) -> None:
        await asyncio.sleep(caller.at_s)
        end = self._story.ends[caller.number] = End(caller, self._loop.time())
        who = f"c{caller.number}"
        self._note(who, f"arrives, {caller.kind}{' streamed' if caller.stream else ''}, deadline {caller.deadline_s}")
        handler = self._engine.handler(caller.route, manner=caller.manner)
        asking = self._loop.create_task(self._ask(handler, end), name=f"{who} asks")
        if caller.leaves == "cancel":
            self._loop.call_later(caller.leaves_after_s, asking.cancel)
        await asyncio.wait((asking,))
        self._story_end(end, asking)

    def _story_end(self, end: End, asking: asyncio.Task[None]) -> None:
        end.ended_s = self._loop.time()
        end.ends += 1
        if asking.cancelled():
            end.how = "cancelled"
        elif (error := asking.exception()) is not None:
            end.error = error
            end.how = _HOW.get(type(error), "unanswered" if isinstance(error, Unanswered) else "error")
        self._note(f"c{end.caller.number}", f"ends {end.how} {end.error if end.error else ''}")

    async def _ask(self, handler: Handler, end: End) -> None:
        caller = end.caller
        try:
            if caller.leaves == "timeout":
                async with asyncio.timeout(caller.leaves_after_s):
                    await self._listen(handler, end)
            else:
                await self._listen(handler, end)
        finally:
            task = asyncio.current_task()
            assert task is not None
            end.cancelling = task.cancelling()
        # What comes after the end, such as a cancellation that found nobody, would come here.
        await asyncio.sleep(0)

    async def _listen(self, handler: Handler, end: End) -> None:
        caller = end.caller
        reply = await self._waited(end, handler(caller.call(end.began_s)))
        if isinstance(reply, Completion):
            end.how, end.completion = "answered", reply
            return
        assert isinstance(reply, OpenStream)
        end.stream = reply
        if caller.hands_over:
            await self._loop.create_task(self._read(reply, end))
        else:
            await self._read(reply, end)

    async def _read(self, stream: OpenStream, end: End) -> None:
        caller = end.caller
        heard = Fold(caller.kind)
        count = 0
        try:
            async with stream:
                while (event := await self._waited(end, anext(stream, None))) is not None:
                    heard.add(event)
                    count += 1
                    if caller.pause_s:
                        await asyncio.sleep(caller.pause_s)
                    if caller.closes_after is not None and count > caller.closes_after:
                        end.how = "left"
                        return
            end.how = "answered"
        finally:
            end.completion = heard.completion(malformed_events=stream.malformed_events)

    async def _waited(self, end: End, waiting: Awaitable[_T]) -> _T:
        asked_s = self._loop.time()
        try:
            return await waiting
        finally:
            end.waits.append((asked_s, self._loop.time()))


_HOW: dict[type[BaseException], str] = {TimeoutError: "timeout"}


class _Telling(logging.Handler):
    """The race's own log, as a part of the story."""

    def __init__(self, note: Any) -> None:
        super().__init__(logging.DEBUG)
        self._tell = note

    def emit(self, record: logging.LogRecord) -> None:
        self._tell("race", record.getMessage())


_race_log = logging.getLogger("penstock.race")
verbose = False
"""Whether stories hold the race's own log."""


@contextmanager
def _told(note: Any) -> Iterator[None]:
    if not verbose:
        yield
        return
    handler, level = _Telling(note), _race_log.level
    _race_log.addHandler(handler)
    _race_log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        _race_log.removeHandler(handler)
        _race_log.setLevel(level)
