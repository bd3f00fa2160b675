"""The exam that every transport must pass: cancels, timeouts, cuts, limits, pools, proxies, trust, and a soak.

`await exercise_transport(factory)` runs it against a scripted server on loopback, over real sockets, in the running
loop; `POINTS` names its points. About 20 seconds.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from penstock.errors import CallError
from penstock.testing.exam_transport import (
    answers,
    cancels,
    cuts,
    limits,
    pooling,
    proxies,
    soak,
    timing,
    trust,
)
from penstock.testing.exam_transport.rules import POINTS, Factory, Opener

__all__ = ["POINTS", "ExamFailed", "ExamReport", "exercise_transport"]

_PARTS = (answers, cuts, limits, timing, cancels, pooling, proxies, trust, soak)
_POINT_PATIENCE_S = 30.0


@dataclass
class ExamReport:
    """How it went, by point: what passed, and why each known failure fails."""

    passed: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)


class ExamFailed(AssertionError):
    """Points that failed, or that passed although they are known to fail; the message names each."""

    def __init__(self, failed: Mapping[str, str], surprises: Collection[str]) -> None:
        lines = [f"{name}: {reason}" for name, reason in failed.items()]
        lines += [f"{name}: passes, so it is no known failure any more" for name in surprises]
        super().__init__("\n".join(lines))
        self.failed = dict(failed)
        self.surprises = list(surprises)


async def exercise_transport(
    factory: Factory,
    *,
    known_failures: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
    soak: int = 2000,
) -> ExamReport:
    """Examine the transport that `factory(pool)` makes.

    `known_failures` are points that it is known to fail, each with the reason; one that passes after all fails the
    exam. `only` limits the exam to these points; `soak` is how many requests the soak makes. Raises `ExamFailed`.
    """
    known = known_failures or {}
    unknown = [name for name in (*known, *(only or ())) if name not in POINTS]
    if unknown:
        raise ValueError(f"no such points: {', '.join(unknown)}")
    report = ExamReport()
    failed: dict[str, str] = {}
    surprises: list[str] = []
    opener = Opener(factory, soak=soak)
    for name, work in POINTS.items():
        if only is not None and name not in only:
            continue
        try:
            async with asyncio.timeout(_POINT_PATIENCE_S):
                await work(opener)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            reason = _reason(error)
            if name in known:
                report.known[name] = f"{known[name]} ({reason})"
            else:
                failed[name] = reason
        else:
            report.passed.append(name)
            if name in known:
                surprises.append(name)
    if failed or surprises:
        raise ExamFailed(failed, surprises)
    return report


def _reason(error: BaseException) -> str:
    """One line: what was wrong, and where in the exam."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "exam_transport" in frame.filename]
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""
    code = f" [{error.code}, sent={error.sent}]" if isinstance(error, CallError) else ""
    return f"{type(error).__name__}: {error}{code}{where}"
