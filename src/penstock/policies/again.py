"""An answer that isn't as expected is asked for again, with what is wrong with it, before anybody counts it as one."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from penstock.call import Call, Completion, Reply
from penstock.clock import Clock
from penstock.errors import Unanswered
from penstock.fold import Total, invalid_answer
from penstock.handler import Handler

__all__ = ["AskAgain", "corrected"]

_MOST_TOLD: Final = 2000
"""Characters of what is wrong that the model is told."""
_MOST_REPEATED: Final = 20_000
"""Of an invalid answer that the model is shown again."""
_CHARS_PER_TOKEN: Final = 4
_NO_ATTEMPT: Final = ("rate_limited", "quota_exhausted", "auth")


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Holds each answer against its call's `expected`, and asks again at most `reasks` times.

    Below what keeps and shares answers, which so see only good ones; above the race. All of it is within the call's
    deadline and its `max_attempts`. Raises `InvalidAnswer` for the last one; a refusal and an answer that a filter cut
    aren't asked for again. Streams pass: their reader has them by then.
    """

    clock: Clock
    deadline_after_s: float | None = None
    """From the call's arrival, where it has none of its own; None for no bound."""
    deadline_after_send_s: float | None = None
    """From its first send."""
    max_attempts: int | None = None

    def __call__(self, inner: Handler) -> Handler:
        # No coroutine of its own for a call that expects nothing.
        def handle(call: Call) -> Awaitable[Reply]:
            return inner(call) if call.expected is None or call.stream else self._until_as_expected(inner, call)

        return handle

    async def _until_as_expected(self, inner: Handler, call: Call) -> Completion:
        assert call.expected is not None
        now = self.clock.now
        deadline_s = call.deadline_s
        if deadline_s is None and self.deadline_after_s is not None:
            deadline_s = now() + self.deadline_after_s
        total, asked = Total(), call
        for number in range(1, call.reasks + 2):
            try:
                reply = await inner(asked)
            except Unanswered as error:
                total.before(error, now())
                raise
            assert isinstance(reply, Completion)
            total.add(reply, now())
            whole = reply if number == 1 else total.completion()
            try:
                faults = call.expected.faults(reply)
            except Exception as error:  # the check's own code: what was paid for isn't lost, nor asked for again
                raise invalid_answer(whole, (f"the check itself failed: {type(error).__name__}: {error}",)) from error
            if not faults:
                return whole
            if number > call.reasks or _is_refused(reply) or not self._has_time(total, deadline_s):
                break
            asked = corrected(call, reply, faults, number=number, deadline_s=deadline_s, before=total)
        raise invalid_answer(whole, faults)

    def _has_time(self, total: Total, deadline_s: float | None) -> bool:
        if deadline_s is not None and self.clock.now() >= deadline_s:
            return False
        if self.deadline_after_send_s is not None and total.spent_s >= self.deadline_after_send_s:
            return False
        return self.max_attempts is None or _made(total) < self.max_attempts


def corrected(
    call: Call, reply: Completion, faults: tuple[str, ...], *, number: int, deadline_s: float | None, before: Total
) -> Call:
    """The call that shows the model its answer and what is wrong with it."""
    told = "\n".join(f"- {fault}" for fault in faults)
    more: list[dict[str, Any]] = []
    if reply.text.strip():
        more.append({"role": "assistant", "content": reply.text[:_MOST_REPEATED]})
    cut = " Be brief enough to end it." if reply.finish == "length" else ""
    note = (
        f"That answer can't be used:\n{told[:_MOST_TOLD]}\n\n"
        f"Give the whole answer again, corrected: only the JSON, in the form that was asked for.{cut}"
    )
    more.append({"role": "user", "content": note})
    chars = sum(len(message["content"]) for message in more)
    return msgspec.structs.replace(
        call,
        id=f"{call.id}-again-{number}",
        body={**call.body, "messages": [*call.body["messages"], *more]},
        deadline_s=deadline_s,
        spent_s=before.spent_s,
        attempts_before=_made(before),
        estimate=call.estimate + chars // _CHARS_PER_TOKEN,
    )


def _made(total: Total) -> int:
    """Requests so far that were attempts: as in a race, a refusal at a limit or of a key was none."""
    return sum(attempt.error_kind not in _NO_ATTEMPT for attempt in total.attempts)


def _is_refused(reply: Completion) -> bool:
    return reply.finish == "content_filter" or bool(reply.message.get("refusal"))
