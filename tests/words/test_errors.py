from __future__ import annotations

import pickle
from typing import Any, get_args

import pytest

from penstock import errors
from penstock.call import Attempt
from penstock.errors import VERDICTS, CallError, DeadlineExceeded, ErrorKind, PenstockError, Unanswered, unanswered

FULL = CallError(
    "rate_limited",
    "slow down",
    target="openai/x",
    status=429,
    code="rate_limit_exceeded",
    retry_after_s=7.0,
    request_id="req_1",
    partial="so f",
    sent=False,
    body=b"{}",
)


def an_attempt(target: str, kind: ErrorKind | None) -> Attempt:
    return Attempt(id="1", target=target, error_kind=kind)


def test_every_kind_has_a_verdict_and_every_verdict_a_kind() -> None:
    assert set(VERDICTS) == set(get_args(ErrorKind))


def test_an_error_says_where_what_and_when_again() -> None:
    assert str(FULL) == "openai/x: 429 rate_limited: slow down, retry in 7 s (request req_1)"


def test_a_call_error_survives_pickling_whole() -> None:
    copied = pickle.loads(pickle.dumps(FULL))
    assert copied.__dict__ == FULL.__dict__
    assert str(copied) == str(FULL)


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_every_attempt_alike_raises_the_narrow_error(kind: Any) -> None:
    error = unanswered([an_attempt("a/x", kind)], CallError(kind, "it", target="a/x"))
    assert type(error) is not Unanswered
    assert error.kind == kind


def test_a_target_counts_by_how_it_ended() -> None:
    attempts = [an_attempt("a/x", "overloaded"), an_attempt("a/x", None), an_attempt("a/x", "auth")]
    assert unanswered(attempts, CallError("auth", "no", target="a/x")).kind == "auth"


def test_targets_that_ended_differently_raise_the_plain_error() -> None:
    attempts = [an_attempt("a/x", "overloaded"), an_attempt("b/x", "auth")]
    assert type(unanswered(attempts, CallError("auth", "no", target="b/x"))) is Unanswered


def test_an_unanswered_request_survives_pickling_with_its_attempts() -> None:
    error = unanswered([an_attempt("a/x", "auth")], CallError("auth", "no", target="a/x"), requests_sent=70)
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert (copied.attempts, copied.requests_sent, str(copied)) == (error.attempts, 70, str(error))
    assert str(copied.last) == str(error.last)


def test_every_request_error_is_unanswered_and_every_error_is_ours() -> None:
    assert issubclass(DeadlineExceeded, Unanswered)
    raised = [getattr(errors, name) for name in errors.__all__]
    classes = [item for item in raised if isinstance(item, type) and issubclass(item, Exception)]
    assert all(issubclass(item, PenstockError) for item in classes)
