"""A run that gets nowhere says why."""

from __future__ import annotations

from penstock.batch.display import plain_line
from penstock.batch.display_pace import Pace
from penstock.batch.outcome import Snapshot, TargetHealth


def a_line(**health: object) -> str:
    targets = {"openai/x": TargetHealth(**health)}  # type: ignore[arg-type]
    snapshot = Snapshot(elapsed_s=10, total=5, done=0, failed=0, resumed=0, in_flight=1, targets=targets)
    return plain_line(snapshot, Pace().figures(snapshot))


def test_a_run_without_progress_tells_the_last_error() -> None:
    assert "connection refused" in a_line(errors={"transport": 3}, last_error="openai/x: connection refused")


def test_a_target_at_its_limit_is_told_with_its_wait() -> None:
    assert "openai/x waits 12 s" in a_line(frozen_s=12)
