"""What can go wrong, each with the word that says what to do next.

An attempt at one target ends in a `CallError`; its `kind` names the class of `VERDICTS`, the one table that
decides whether the same target, another target and the breaker are concerned. A request that ended without an
answer raises `Unanswered` or, when every attempt ended alike, the narrow subclass of that kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from penstock.call import Attempt, Completion, Finding, RateLimits, Usage

__all__ = [
    "VERDICTS",
    "AuthenticationFailed",
    "BadRequest",
    "BudgetExceeded",
    "CallError",
    "ConfigError",
    "ConnectionFailed",
    "ContentFiltered",
    "ContextTooLong",
    "DeadlineExceeded",
    "EmptyAnswer",
    "ErrorKind",
    "GuardRefused",
    "InputError",
    "InvalidAnswer",
    "JournalError",
    "Overloaded",
    "PenstockError",
    "QuotaExhausted",
    "RateLimited",
    "ServerError",
    "TimedOut",
    "TooBigForLimit",
    "ToolLoopStopped",
    "Unanswered",
    "Verdict",
    "narrow",
    "unanswered",
]

ErrorKind = Literal[
    "rate_limited",
    "quota_exhausted",
    "too_big_for_limit",
    "overloaded",
    "server_error",
    "transport",
    "timeout",
    "auth",
    "bad_request",
    "context_too_long",
    "content_filtered",
    "empty",
    "invalid_answer",
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a class of error says about the next attempt."""

    same_target: Literal["wait", "backoff", "once", "never"]
    """`wait`: when the limiter says so, and it was no attempt; `once`: one more try; `never`: not this body here."""
    other_target: Literal["yes", "when_told"]
    breaker: bool
    """It counts against the target's health."""
    key_is_bad: bool = False
    """The key is set aside; another key of the pool comes first."""


VERDICTS: dict[ErrorKind, Verdict] = {
    "rate_limited": Verdict("wait", "yes", breaker=False),
    "quota_exhausted": Verdict("never", "yes", breaker=False, key_is_bad=True),
    "too_big_for_limit": Verdict("never", "yes", breaker=False),
    "overloaded": Verdict("backoff", "yes", breaker=True),
    "server_error": Verdict("backoff", "yes", breaker=True),
    "transport": Verdict("backoff", "yes", breaker=True),
    "timeout": Verdict("backoff", "yes", breaker=True),
    "auth": Verdict("never", "yes", breaker=False, key_is_bad=True),
    "bad_request": Verdict("never", "when_told", breaker=False),
    "context_too_long": Verdict("never", "when_told", breaker=False),
    "content_filtered": Verdict("never", "when_told", breaker=False),
    "empty": Verdict("once", "yes", breaker=True),
    # Asked again above the race, with what is wrong with it.
    "invalid_answer": Verdict("never", "yes", breaker=False),
}


class PenstockError(Exception):
    """The root of every error that penstock raises on purpose."""

    messages: Sequence[dict[str, Any]] = ()
    """Of `converse`: the messages until then, ready to be asked again; () elsewhere."""


class CallError(PenstockError):
    """One attempt at one target failed.

    `kind` is a key of `VERDICTS`; `status` the HTTP status or None when none came; `code` the provider's own
    code or type; `retry_after_s` the seconds the provider asked to wait, wherever it said so; `partial` the text
    that had arrived; `sent` is False when it is certain that the provider never saw the request; `body` is the
    provider's own error body, for the errors file; `limits` are those that it names, where no header does.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        target: str = "",
        status: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
        partial: str = "",
        sent: bool = True,
        body: bytes = b"",
        limits: RateLimits | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message
        self.target = target
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.partial = partial
        self.sent = sent
        self.body = body
        self.limits = limits

    @property
    def verdict(self) -> Verdict:
        return VERDICTS[self.kind]

    @property
    def is_free(self) -> bool:
        """It is certain that nothing was paid: the provider never saw the request, or refused it."""
        return not self.sent or (self.status is not None and self.status >= 400)

    def __str__(self) -> str:
        head = f"{self.target}: " if self.target else ""
        tail = f" (request {self.request_id})" if self.request_id else ""
        wait = f", retry in {self.retry_after_s:g} s" if self.retry_after_s else ""
        status = f"{self.status} " if self.status else ""
        return f"{head}{status}{self.kind}: {self.message}{wait}{tail}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (dict(self.__dict__),))


def _rebuild(state: dict[str, Any]) -> CallError:
    return CallError(**state)


class Unanswered(PenstockError):
    """A request ended without an answer. `attempts` tells each try: target, what it got, and when.

    Of very many attempts the first and the last ones are kept; `requests_sent` counts them all.
    """

    kind: str = "unanswered"

    def __init__(
        self,
        message: str,
        attempts: Sequence[Attempt] = (),
        last: CallError | None = None,
        requests_sent: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.attempts = tuple(attempts)
        self.last = last
        """The last attempt's error, None when nothing was attempted."""
        self.requests_sent = len(self.attempts) if requests_sent is None else requests_sent

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.message, self.attempts, self.last, self.requests_sent))


class RateLimited(Unanswered):
    """Every target refused at its limit until the deadline."""

    kind = "rate_limited"


class QuotaExhausted(Unanswered):
    """The account has no credit left; waiting doesn't help."""

    kind = "quota_exhausted"


class TooBigForLimit(Unanswered):
    """The request alone is above the limit, so it can never pass."""

    kind = "too_big_for_limit"


class Overloaded(Unanswered):
    """The provider has no capacity now."""

    kind = "overloaded"


class ServerError(Unanswered):
    """The provider failed."""

    kind = "server_error"


class ConnectionFailed(Unanswered):
    """No connection, a broken one, or an answer that isn't one."""

    kind = "transport"


class TimedOut(Unanswered):
    """The provider was silent for longer than a timeout allows."""

    kind = "timeout"


class AuthenticationFailed(Unanswered):
    """The key was refused, or there is none."""

    kind = "auth"


class BadRequest(Unanswered):
    """The provider refuses this request for good."""

    kind = "bad_request"


class ContextTooLong(Unanswered):
    """The prompt is longer than the model's context."""

    kind = "context_too_long"


class ContentFiltered(Unanswered):
    """The provider's filter refused the prompt."""

    kind = "content_filtered"


class GuardRefused(ContentFiltered):
    """A guard of ours refused the prompt, and nothing was sent, or the answer; `guards` tells what each one found."""

    kind = "guard_refused"
    guards: tuple[Finding, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.message, self.attempts, self.last, self.requests_sent), {"guards": self.guards})


class EmptyAnswer(Unanswered):
    """A 200 with no text, no tool call and no refusal."""

    kind = "empty"


class InvalidAnswer(Unanswered):
    """Every answer was unlike what was asked for, or the provider refused to give one.

    `text` is the last one's, `faults` what is wrong with it; `completion` is the whole of it, None in an error that was
    read back from a journal.
    """

    kind = "invalid_answer"

    def __init__(
        self,
        message: str,
        attempts: Sequence[Attempt] = (),
        last: CallError | None = None,
        requests_sent: int | None = None,
        *,
        faults: Sequence[str] = (),
        completion: Completion | None = None,
    ) -> None:
        super().__init__(message, attempts, last, requests_sent)
        self.faults = tuple(faults)
        self.completion = completion

    @property
    def text(self) -> str:
        return self.completion.text if self.completion is not None else ""

    def __reduce__(self) -> tuple[Any, ...]:
        state = {"faults": self.faults, "completion": self.completion}
        return (type(self), (self.message, self.attempts, self.last, self.requests_sent), state)


class DeadlineExceeded(Unanswered):
    """The deadline passed first."""

    kind = "deadline"


_NARROW: dict[str, type[Unanswered]] = {
    cls.kind: cls
    for cls in (
        RateLimited,
        QuotaExhausted,
        TooBigForLimit,
        Overloaded,
        ServerError,
        ConnectionFailed,
        TimedOut,
        AuthenticationFailed,
        BadRequest,
        ContextTooLong,
        ContentFiltered,
        EmptyAnswer,
        GuardRefused,
        InvalidAnswer,
    )
}


def narrow(kind: str) -> type[Unanswered]:
    """The error class of a kind, `Unanswered` for one that has none."""
    return DeadlineExceeded if kind == DeadlineExceeded.kind else _NARROW.get(kind, Unanswered)


def unanswered(
    attempts: Sequence[Attempt],
    last: CallError,
    *,
    message: str | None = None,
    requests_sent: int | None = None,
) -> Unanswered:
    """The narrow error when every target ended alike, plain `Unanswered` when they differ."""
    ends = {attempt.target: attempt.error_kind for attempt in attempts if attempt.error_kind}
    ends[last.target] = last.kind
    cls = _NARROW[last.kind] if len(set(ends.values())) == 1 else Unanswered
    return cls(message or str(last), attempts, last, requests_sent)


class BudgetExceeded(PenstockError):
    """The next request could cost more than what is left.

    `which` is the budget that leaves too little: of the run or the client ("total"), of the "day", or of a "tag".
    """

    def __init__(self, message: str, which: Literal["total", "day", "tag"] = "total") -> None:
        super().__init__(message)
        self.which: Literal["total", "day", "tag"] = which

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (str(self), self.which))


class ToolLoopStopped(PenstockError):
    """`converse` came to one of its bounds before the answer; `messages` are those so far.

    `cost` is in US dollars, None when a price isn't known.
    """

    def __init__(
        self, message: str, which: Literal["steps", "time", "cost"], *, messages: Sequence[dict[str, Any]] = ()
    ) -> None:
        super().__init__(message)
        self.which: Literal["steps", "time", "cost"] = which
        self.messages = messages
        self.usage: Usage | None = None
        self.cost: float | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (str(self), self.which), dict(self.__dict__))


class ConfigError(PenstockError):
    """A setting is wrong; the message names it and the nearest known one."""


class InputError(PenstockError):
    """A line, row or prompt is wrong; the message names file, line and what was expected."""


class JournalError(PenstockError):
    """The journal can't be used: locked, newer, damaged, or for another input."""
