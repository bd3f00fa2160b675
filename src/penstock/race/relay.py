"""One streamed answer over as many streams as it takes: what happens when one breaks that the caller already reads.

Until the first token reached the caller a break is a failed attempt, and none of this concerns it. After that a ladder
is climbed: another stream continues the text so far; else the request is asked anew, and what the caller has is cut
off the front; else the stream ends with an error that carries the text so far. Tokens are passed on as they come:
only what repeats is held back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from penstock.call import (
    Call,
    Event,
    Finished,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Rung,
    Seam,
    Started,
    TextDelta,
    Usage,
    UsageUpdate,
)
from penstock.errors import CallError, ErrorKind, Unanswered
from penstock.handler import OpenStream
from penstock.race.seam import Continuation, Joint, Repetition, Unfit, given_up, none_left, prefilled

__all__ = ["Again", "PrefillRefusals", "Relay"]

Again = Callable[[Call, Rung, CallError], Awaitable[OpenStream]]
"""Opens the next stream for a call whose last one broke with that error: at the next usable target, another than the
broken one first, and for `prefill` only at one that continues an assistant message.

The stream is primed, has no `explain`, names its `target`, and its own attempt is the last of its `attempts`. Raises
`CallError` when the attempt failed (it may be called again), `Unanswered` when this rung has nothing more to try.
"""

_MOST_OPENINGS: Final = 16
"""For one answer; a route's attempts and the deadline usually end it much sooner."""

_UNCONTINUED: Final = frozenset(("audio", "images"))

_MOST_FAILURES: Final[dict[Rung, int]] = {"prefill": 4, "anew": _MOST_OPENINGS}
"""For one break: who can't open a continuation has the request asked anew."""


class PrefillRefusals:
    """The targets that refused to continue an assistant message, with tools or without: shared by all calls."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: set[tuple[str, bool]] = set()

    def takes(self, call: Call, target: str) -> bool:
        """Nothing is known against it."""
        return (target, bool(call.body.get("tools"))) not in self._known

    def refuse(self, call: Call, target: str) -> None:
        """It said 400 to a call like this one: it isn't asked to continue such a call again."""
        self._known.add((target, bool(call.body.get("tools"))))


class Relay:
    """The events of one answer: an iterator that goes on in another stream when its own breaks.

    `first` is the stream that won, primed and without `explain`. Exactly one `Started` comes out, one `Finished` for
    each choice, and usages of which the last is the sum over the streams that said theirs. A break that can't be
    mended raises the `CallError` of it with `partial` filled in. Reasoning, once text has come, is the first stream's
    only; before that it is continued where it is the same word for word, and else begins again.

    Never climbs after a tool call or a refusal began, for several choices of which the caller has something, or for
    errors that concern no other target (`fallback_on` names the ones that do). Each seam is on the attempt that it
    leads to. Closing it closes the stream that is open.
    """

    __slots__ = (
        "_again",
        "_call",
        "_error",
        "_fallback_on",
        "_finished",
        "_is_joined",
        "_is_sealed",
        "_joint",
        "_openings",
        "_outer",
        "_over",
        "_pieces",
        "_ready",
        "_reasoning",
        "_recovers",
        "_refusals",
        "_rung",
        "_said",
        "_spent",
        "_started",
        "_stream",
        "_target",
        "_thought",
        "_told",
        "malformed_events",
    )

    def __init__(
        self,
        call: Call,
        first: OpenStream,
        *,
        again: Again,
        on_break: Literal["recover", "error"] = "recover",
        refusals: PrefillRefusals | None = None,
        fallback_on: frozenset[ErrorKind] = frozenset(),
    ) -> None:
        self._call = call
        self._stream = first
        self._target = first.target
        self._again = again
        self._recovers = on_break == "recover"
        self._refusals = refusals or PrefillRefusals()
        self._fallback_on = fallback_on
        self._ready: deque[Event] = deque()
        self._outer: OpenStream | None = None
        self._over = False
        self._started = False
        # What the caller has.
        self._said: list[str] = []
        self._pieces = 0
        self._thought: list[str] = []
        self._finished: set[int] = set()
        self._is_sealed = ""
        # Where the stream that is read meets it.
        self._is_joined = True
        self._rung: Rung | None = None
        self._joint: Joint = Repetition("")
        self._reasoning = Repetition("")
        self._error: CallError | None = None
        self._openings = 0
        # What the streams before it came to.
        self._spent: Usage | None = None
        self._told: Usage | None = None
        self.malformed_events = 0
        """Events that nobody could read, in the streams so far; final at the end."""

    @property
    def text(self) -> str:
        """The first choice's text that the caller has."""
        return "".join(self._said)

    def stream(self) -> OpenStream:
        """The answer as the caller reads it. Its `target` is the one whose words come now."""
        self._outer = OpenStream(self)
        self._outer.target = self._target
        self._outer.request_id = self._stream.request_id
        return self._outer

    def __aiter__(self) -> Relay:
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._ready:
                return self._ready.popleft()
            if self._over:
                raise StopAsyncIteration
            try:
                event = await self._stream.__anext__()
                if self._is_joined and type(event) is TextDelta and not event.choice:
                    self._pieces += 1
                    self._said.append(event.text)
                    return event
                self._take(event)
            except StopAsyncIteration:
                await self._ended()
            except CallError as error:
                if self._is_finished():
                    self._settle()
                else:
                    await self._climb(error)
            except Unfit as unfit:
                await self._unfit(unfit)

    async def aclose(self) -> None:
        """Close the stream that is open."""
        self._over = True
        self._ready.clear()
        await self._stream.aclose()

    # What comes in.

    def _take(self, event: Event) -> None:
        """Put what of it is new to the caller into `_ready`. Raises `Unfit`."""
        if isinstance(event, TextDelta):
            self._take_text(event)
        elif isinstance(event, Started):
            if not self._started:
                self._started = True
                self._ready.append(event)
        elif isinstance(event, UsageUpdate):
            self._tell(event.usage if self._spent is None else self._spent + event.usage)
        elif isinstance(event, ReasoningDelta):
            self._take_reasoning(event)
        elif isinstance(event, PartDelta):
            self._take_parts(event)
        else:
            self._take_rest(event)

    def _take_text(self, event: TextDelta) -> None:
        if event.choice:
            self._is_sealed = "there are several choices"
            self._ready.append(event)
            return
        new = self._joint.take(event.text)
        if new or (self._joint.is_open and not event.text):
            self._join()
            self._say(TextDelta(new, 0, event.logprobs if new == event.text else None))

    def _take_reasoning(self, event: ReasoningDelta) -> None:
        if self._rung is not None and self._said:
            return
        text, again = event.text, self._reasoning.seen
        try:
            text = self._reasoning.take(text)
        except Unfit:
            self._reasoning = Repetition("")
            text = again + text
        if text:
            self._join()
            self._thought.append(text)
            self._ready.append(ReasoningDelta(text, event.choice))

    def _take_parts(self, event: PartDelta) -> None:
        """What comes with text is new where the text is; what belongs to reasoning goes where reasoning goes."""
        is_again = bool(self._rung is not None and self._said)
        if not _UNCONTINUED.isdisjoint(event.fields):
            if is_again and not self._is_joined:
                raise Unfit("asked again, the provider answers with an image or sound")
            self._is_sealed = "an image or sound had begun"
        elif is_again and (not self._is_joined or "reasoning_details" in event.fields):
            return
        self._ready.append(event)

    def _take_rest(self, event: Event) -> None:
        """The text is over: a finish, or a tool call or a refusal after it."""
        self._end_text()
        if isinstance(event, Finished):
            self._finished.add(event.choice)
        else:
            self._is_sealed = "a refusal had begun" if isinstance(event, RefusalDelta) else "a tool call had begun"
        self._ready.append(event)

    def _end_text(self) -> None:
        if not self._is_joined:
            rest = self._joint.end()
            self._join()
            if rest:
                self._say(TextDelta(rest))

    def _say(self, event: TextDelta) -> None:
        self._pieces += 1
        self._said.append(event.text)
        self._ready.append(event)

    def _tell(self, usage: Usage) -> None:
        self._told = usage
        self._ready.append(UsageUpdate(usage))

    def _join(self) -> None:
        """The stream that is read goes on with what the caller has: this is new, and so is all that follows."""
        if self._is_joined:
            return
        self._is_joined = True
        stream, rung = self._stream, self._rung
        if rung is not None and stream.attempts:
            stream.attempts[-1].seam = Seam(
                at_chars=sum(map(len, self._said)), rung=rung, from_target=self._target, to_target=stream.target
            )
        self._target = stream.target
        if self._outer is not None:
            self._outer.target = self._target
            self._outer.request_id = stream.request_id

    # Endings.

    def _is_finished(self) -> bool:
        """Every choice has its finish reason: what breaks after that takes nothing from the answer."""
        return len(self._finished) >= _choices(self._call)

    async def _ended(self) -> None:
        try:
            self._end_text()
        except Unfit as unfit:
            await self._unfit(unfit)
        else:
            self._settle()

    def _settle(self) -> None:
        """The answer is whole."""
        self._over = True
        self._book()
        if self._spent is not None and self._spent != self._told:
            self._tell(self._spent)
        if self._outer is not None:
            self._outer.malformed_events = self.malformed_events

    def _book(self) -> None:
        """Add up what the stream that is over came to; one that didn't say its usage counts for nothing."""
        stream = self._stream
        self.malformed_events += stream.malformed_events
        if stream.usage is not None:
            self._spent = stream.usage if self._spent is None else self._spent + stream.usage

    # The ladder.

    async def _unfit(self, unfit: Unfit) -> None:
        """The stream that was to go on says something else."""
        stream, error = self._stream, self._error
        assert error is not None
        await stream.aclose()
        given_up(stream.attempts, unfit)
        self._book()
        if self._rung == "anew":
            raise self._broken(error, str(unfit)) from error
        await self._go_on(error, ("anew",))

    async def _climb(self, error: CallError) -> None:
        """The stream broke. Raises the error when the ladder ends."""
        self._book()
        self._error = error
        why_not = self._why_not(error)
        if why_not is not None:
            raise self._broken(error, why_not) from error
        await self._go_on(error, ("prefill", "anew"))

    async def _go_on(self, error: CallError, rungs: tuple[Rung, ...]) -> None:
        why = "nothing was left to try"
        for rung in rungs:
            call = self._call if rung == "anew" else self._continued()
            failures = 0
            while call is not None and self._openings < _MOST_OPENINGS and failures < _MOST_FAILURES[rung]:
                self._openings += 1
                try:
                    stream = await self._again(call, rung, error)
                except CallError as failure:
                    if rung == "prefill" and failure.kind == "bad_request" and failure.sent:
                        self._refusals.refuse(call, failure.target)
                    why = str(failure)
                    failures += 1
                except Unanswered as ending:
                    why = none_left(ending, error)
                    break
                else:
                    await self._read(stream, rung)
                    return
        raise self._broken(error, why) from error

    async def _read(self, stream: OpenStream, rung: Rung) -> None:
        if self._over:
            await stream.aclose()
            return
        text = self.text
        self._stream = stream
        self._rung = rung
        self._is_joined = False
        self._joint = Continuation(text) if rung == "prefill" else Repetition(text)
        self._reasoning = Repetition("" if text else "".join(self._thought))

    def _continued(self) -> Call | None:
        text = self.text
        return prefilled(self._call, text, pieces=self._pieces) if text else None

    def _why_not(self, error: CallError) -> str | None:
        """Why another stream can't go on; None when it may."""
        if not self._recovers:
            return ""
        if error.verdict.other_target != "yes" and error.kind not in self._fallback_on:
            return ""
        if self._is_sealed:
            return f"{self._is_sealed}, which no other stream can continue"
        if _choices(self._call) > 1 and (self._said or self._thought):
            return "there are several choices, which no other stream can continue"
        return None

    def _broken(self, error: CallError, why: str) -> CallError:
        """The error of the break as the caller gets it."""
        text = self.text
        message = f"{error.message} (after {len(text)} characters" + (f"; {why})" if why else ")")
        return CallError(**{**vars(error), "message": message, "partial": text})


def _choices(call: Call) -> int:
    asked = call.body.get("n")
    return asked if type(asked) is int else 1
