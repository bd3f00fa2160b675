"""The table of `python -m bench.quota` in short: each row at 600 requests a minute."""

from __future__ import annotations

from bench.quota import ROWS, quick


def test_the_quota_that_is_promised_is_used() -> None:
    missed = [f"{one.row.name}: {one.share:.1%}, {one.per_1000:.1f}" for one in quick(ROWS) if not one.is_kept]
    assert missed == []
