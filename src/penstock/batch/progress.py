"""What people are told of a run: while it goes on, and at its end."""

from __future__ import annotations

from penstock.batch.export import errors_path
from penstock.batch.opening import Opened
from penstock.batch.outcome import Snapshot, Summary, TargetHealth
from penstock.batch.runner import Runner, Tally
from penstock.batch.schema import ANSWERED, FAILED
from penstock.batch.settings import JobSettings
from penstock.wiring import Engine

__all__ = ["snapshot", "summarise"]


def snapshot(opened: Opened, tally: Tally, runner: Runner, engine: Engine, *, elapsed_s: float) -> Snapshot:
    """The run as it stands now."""
    stats = engine.race_stats
    return Snapshot(
        elapsed_s=elapsed_s,
        total=opened.wanted_total,
        done=opened.resumed + tally.answered + tally.failed + tally.bad,
        failed=tally.failed + tally.bad,
        resumed=opened.resumed,
        in_flight=max(0, tally.in_flight - engine.waiting()),
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        cost_usd=stats.cost_usd if stats.known_cost_usd else None,
        joined=tally.joined,
        cached=tally.cached,
        retries=stats.retries,
        hedges=stats.hedges + stats.reserves,
        targets={
            name: TargetHealth(
                answered=target.answered,
                errors=target.errors,
                last_error=target.last_error,
                frozen_s=target.saturation.frozen_s,
                breaker=target.breaker,
            )
            for name, target in engine.stats().targets.items()
        },
        stopping=runner.stopped,
    )


def summarise(
    settings: JobSettings,
    opened: Opened,
    tally: Tally,
    engine: Engine,
    *,
    elapsed_s: float,
    stopped: str | None,
    error_lines: int,
    spent_usd: float | None = None,
    exceeded: str | None = None,
    left_out: int | None = 0,
) -> Summary:
    """The run's end. Counts of items are of the whole run, rates and tokens of this session."""
    answered, failed, total = _counts(opened, tally)
    if opened.scan is None and opened.journal is not None:
        # A pipe may bring only what is new: what it didn't bring was done before as well.
        opened.resumed = max(0, answered + failed - tally.answered - tally.failed - tally.bad)
    remaining = max(0, total - answered - failed)
    exit_code = 3 if stopped is not None else 1 if failed else 0
    asked = tally.answered - tally.joined
    return Summary(
        output=settings.output,
        errors_file=str(errors_path(settings.out)) if settings.out is not None and error_lines else None,
        journal=str(opened.journal.path) if opened.journal is not None else None,
        total=total,
        answered=answered,
        failed=failed,
        remaining=remaining,
        resumed=opened.resumed,
        joined=tally.joined,
        cached=tally.cached,
        skipped_bad=tally.bad,
        truncated=tally.endings["truncated"],
        filtered=tally.endings["filtered"],
        attempts=tally.attempts,
        retries=engine.race_stats.retries,
        hedges=engine.race_stats.hedges + engine.race_stats.reserves,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        cost_usd=None if engine.race_stats.cost_usd is None else round(engine.race_stats.cost_usd, 12),
        budget_usd=engine.money.budget.usd if engine.money.budget is not None else None,
        spent_usd=spent_usd,
        exceeded=exceeded,
        elapsed_s=round(elapsed_s, 3),
        requests_per_s=round(asked / elapsed_s, 2) if elapsed_s > 0 else 0.0,
        latency_p50_s=tally.latency.quantile(0.5),
        latency_p99_s=tally.latency.quantile(0.99),
        errors=dict(tally.errors),
        stopped=stopped,
        exit_code=exit_code,
        left_out=left_out,
        cache_trouble=engine.caching.trouble,
    )


def _counts(opened: Opened, tally: Tally) -> tuple[int, int, int]:
    """Answered, failed, and all there are, of this input."""
    if opened.journal is None:
        failed = tally.failed + tally.bad
        return tally.answered, failed, opened.wanted_total or tally.answered + failed
    counts = opened.journal.counts(below=opened.wanted_total)
    answered = counts.pop(ANSWERED, 0)
    failed = counts.pop(FAILED, 0) + sum(counts.values())
    return answered, failed, opened.wanted_total if opened.wanted_total is not None else answered + failed
